"""One training iteration: optimizers, EMA, finite losses, and a stop that loses nothing."""

import os
import signal
import sys
import warnings

import torch

from rim_plugin.compat import checkpoints
from rim_plugin.compat.patching import replace_method
from rim_plugin.errors import OptionsError, did_you_mean
from rim_plugin.options.arguments import optimizer_types
from rim_plugin.reproducibility import RUN, check_finite, last_checkpoint

from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger


def patch():
    """Install the patches of this module."""
    replace_method(BaseModel, 'get_optimizer', _get_optimizer)
    replace_method(BaseModel, 'model_ema', _model_ema)
    replace_method(BaseModel, 'reduce_loss_dict', _reduce_loss_dict)
    replace_method(BaseModel, 'update_learning_rate', _update_learning_rate)
    # A part that its phase does not train yet has a schedule, but makes no step.
    warnings.filterwarnings('ignore', 'Detected call of `lr_scheduler.step')


def _get_optimizer(original):
    """BasicSR 1.4.2 knows Adam only, the paper needs RMSprop: any class of ``torch.optim`` by its name."""

    def get_optimizer(self, optim_type, params, lr, **kwargs):
        types = optimizer_types()
        if optim_type == 'Adam':
            return original(self, optim_type, params, lr, **kwargs)
        if optim_type not in types:
            raise OptionsError(f'optimizer {optim_type} is not one of torch.optim{did_you_mean(optim_type, types)}')
        return types[optim_type](params, lr=lr, **kwargs)

    return get_optimizer


def _model_ema(original):
    """BasicSR averages parameters only: BatchNorm's running statistics of the EMA network stay at their first
    values."""

    def model_ema(self, decay=0.999):
        original(self, decay)
        buffers = dict(self.get_bare_model(self.net_g).named_buffers())
        for name, buffer in self.net_g_ema.named_buffers():
            buffer.data.copy_(buffers[name].data)

    return model_ema


def _reduce_loss_dict(original):
    """A NaN goes through BasicSR unnoticed, into the weights and the next checkpoint; here it ends the run by name."""

    def reduce_loss_dict(self, loss_dict):
        check_finite(self, loss_dict)
        log_dict = original(self, loss_dict)
        if self.opt['rank'] == 0:  # only there the sum over the ranks is whole
            check_finite(self, log_dict)
        return log_dict

    return reduce_loss_dict


def _update_learning_rate(original):
    """Called first in every iteration, hence the place where the one before is complete and a stop loses nothing."""

    def update_learning_rate(self, current_iter, warmup_iter=-1):
        if RUN.epoch is not None:  # inside BasicSR's training loop
            _handle_stop_signals()
            checkpoints.flush(self)
            if _stop_agreed(self):
                _save_and_exit(self)
            RUN.iteration = current_iter
        original(self, current_iter, warmup_iter)

    return update_learning_rate


def _handle_stop_signals():
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not _request_stop:
            try:
                signal.signal(number, _request_stop)
            except ValueError:  # only the main thread may; a training in another thread is stopped by its own means
                return


def _request_stop(number, _frame):
    if number == RUN.stop_signal == signal.SIGINT:
        os._exit(128 + number)  # the second Ctrl-C: at once
    message = f'\n{signal.Signals(number).name}: finishing the iteration, then saving (Ctrl-C again: exit at once).\n'
    os.write(2, message.encode())  # print could be interrupted in the middle of another print
    RUN.stop_signal = number


def _stop_agreed(model):
    """All ranks stop at the same iteration: the one in which the first of them has seen a signal."""
    number = RUN.stop_signal or 0
    if model.opt['dist']:
        numbers = torch.tensor([number], device=model.device)
        torch.distributed.all_reduce(numbers, op=torch.distributed.ReduceOp.MAX)
        number = RUN.stop_signal = int(numbers.item()) or None
    return bool(number)


def _save_and_exit(model):
    done, code = RUN.iteration, 128 + RUN.stop_signal
    if done > RUN.resumed.get('iter', 0):
        model.save(RUN.epoch, done)
        checkpoints.flush(model)
    if model.opt['dist']:
        torch.distributed.barrier()  # no rank may go while rank 0 is writing: torchrun would kill it
    if RUN.tb_logger:
        RUN.tb_logger.close()
    if model.opt['rank'] == 0:
        get_root_logger().info(
            f'Stopped after iteration {done}; last checkpoint: {last_checkpoint(model.opt)}. '
            'To go on: the same command with --auto_resume.'
        )
    sys.exit(code)
