"""One training iteration: optimizers, EMA, finite losses, and a stop that loses nothing."""

import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterable
from pickle import UnpicklingError
from types import FrameType
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from rim_plugin.compat import checkpoints
from rim_plugin.compat.patching import Function, replaces
from rim_plugin.errors import OptionsError, did_you_mean, first_words
from rim_plugin.options import arguments  # the module: it imports BasicSR, and so may not be complete yet
from rim_plugin.run_state import RUN, check_finite, last_checkpoint

from basicsr.archs.vgg_arch import VGG_PRETRAIN_PATH, VGGFeatureExtractor
from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger
from basicsr.utils.logger import MessageLogger

# BasicSR warns of several validation sets, whose best values its models keep apart all the same.
logging.getLogger('basicsr').addFilter(
    lambda record: not record.getMessage().startswith('Multiple validation datasets')
)
# A part that its phase does not train yet has a schedule, but makes no step.
warnings.filterwarnings('ignore', 'Detected call of `lr_scheduler.step')


@replaces(BaseModel, 'get_optimizer')
def _get_optimizer(
    _original: Function, self: Any, optim_type: str, params: Iterable[Any], lr: float, **kwargs: Any
) -> torch.optim.Optimizer:
    """BasicSR 1.4.2 knows Adam only, the paper needs RMSprop: any class of ``torch.optim`` by its name."""
    types = arguments.optimizer_types()
    if optim_type not in types:
        raise OptionsError(f'optimizer {optim_type} is not one of torch.optim{did_you_mean(optim_type, types)}')
    optimizer: Any = types[optim_type]  # each takes arguments of its own
    return optimizer(params, lr=lr, **kwargs)


@replaces(BaseModel, 'setup_schedulers')
def _setup_schedulers(_original: Function, self: Any) -> None:
    """BasicSR 1.4.2 knows three; here those of ``torch.optim.lr_scheduler``, too."""
    arguments_of = {key: value for key, value in self.opt['train']['scheduler'].items() if key != 'type'}
    scheduler: Any = arguments.scheduler_types()[self.opt['train']['scheduler']['type']]
    self.schedulers = [scheduler(optimizer, **arguments_of) for optimizer in self.optimizers]


@replaces(VGGFeatureExtractor, '__init__')
def _vgg_init(original: Function, self: Any, layer_name_list: list[str], vgg_type: str = 'vgg19', **kw: Any) -> None:
    """Where the weights for a perceptual loss are neither at hand nor to be downloaded, BasicSR ends in a traceback."""
    try:
        original(self, layer_name_list, vgg_type, **kw)
    except (OSError, RuntimeError, UnpicklingError, EOFError) as error:
        raise OptionsError(
            f"the perceptual loss needs torchvision's weights of {vgg_type}, which could not be read or downloaded "
            f'({first_words(error)}): put the file at {VGG_PRETRAIN_PATH}, or leave perceptual_opt out'
        ) from None


@replaces(BaseModel, 'print_network')
def _print_network(original: Function, self: Any, net: torch.nn.Module) -> None:
    """The layers of a network, hundreds of lines, go to the log file; the console has its name and its size."""
    consoles = [each for each in get_root_logger().handlers if not isinstance(each, logging.FileHandler)]
    for console in consoles:
        console.addFilter(_is_one_line)
    try:
        original(self, net)
    finally:
        for console in consoles:
            console.removeFilter(_is_one_line)


def _is_one_line(record: logging.LogRecord) -> bool:
    return '\n' not in record.getMessage()


@replaces(MessageLogger, '__init__')
def _init_message_logger(original: Function, self: Any, *args: Any, **kwargs: Any) -> None:
    """BasicSR takes one iteration too many off the time left: in the last one that is a day less a second."""
    original(self, *args, **kwargs)
    self.max_iters += 1  # which it reads for that alone


@replaces(MessageLogger, '__call__')
def _log_message(original: Function, self: Any, log_vars: dict[str, Any]) -> None:
    """BasicSR prints the learning rates and does not write them for TensorBoard."""
    if self.tb_logger is not None:
        for number, rate in enumerate(log_vars['lrs']):
            self.tb_logger.add_scalar(f'lrs/{number}', rate, log_vars['iter'])
    original(self, log_vars)


@replaces(BaseModel, 'model_ema')
def _model_ema(original: Function, self: Any, decay: float = 0.999) -> None:
    """BasicSR averages parameters only: BatchNorm's running statistics of the EMA network stay at their first
    values."""
    original(self, decay)
    buffers = dict(self.get_bare_model(self.net_g).named_buffers())
    for name, buffer in self.net_g_ema.named_buffers():
        buffer.data.copy_(buffers[name].data)


@replaces(BaseModel, 'validation')
def _validation(
    original: Function, self: Any, dataloader: DataLoader, current_iter: Any, tb_logger: Any, save_img: bool = False
) -> None:
    """BasicSR validates at the end once more, as an iteration later; here only what the last one did not. The training
    ends with a summary."""
    dataset: Any = dataloader.dataset
    total = self.opt['train']['total_iter'] if self.opt['is_train'] else None
    validated = vars(self).setdefault('validated', {})  # iteration by dataset
    name, ends = dataset.opt['name'], total is not None and current_iter > total
    if not ends or validated.get(name) != total:
        validated[name] = total if ends else current_iter
        original(self, dataloader, validated[name], tb_logger, save_img)
    blocks = {key: block for key, block in self.opt['datasets'].items() if key != 'train'}
    if ends and name == list(blocks.values())[-1]['name'] and hasattr(self, 'validator'):
        for line in self.validator.summary():
            get_root_logger().info(line)


@replaces(BaseModel, 'reduce_loss_dict')
def _reduce_loss_dict(original: Function, self: Any, loss_dict: dict[str, Tensor]) -> dict[str, float]:
    """A NaN goes through BasicSR unnoticed, into the weights and the next checkpoint; here it ends the run by name."""
    check_finite(self, loss_dict)
    log_dict = original(self, loss_dict)
    if self.opt['rank'] == 0:  # only there the sum over the ranks is whole
        check_finite(self, log_dict)
    return log_dict


@replaces(BaseModel, 'update_learning_rate')
def _update_learning_rate(original: Function, self: Any, current_iter: int, warmup_iter: int = -1) -> None:
    """Called first in every iteration, hence the place where the one before is complete and a stop loses nothing."""
    if RUN.epoch is not None:  # inside BasicSR's training loop
        _handle_stop_signals()
        checkpoints.flush(self)
        number = _agreed_stop_signal(self)
        if number:
            _save_and_exit(self, number)
        RUN.iteration = current_iter
    for scheduler in self.schedulers:  # many go on from the rate before, which is not that of the warm-up
        for group, rate in zip(scheduler.optimizer.param_groups, scheduler.get_last_lr(), strict=True):
            group['lr'] = rate
    original(self, current_iter, warmup_iter)


def _handle_stop_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not _request_stop:
            try:
                signal.signal(number, _request_stop)
            except ValueError:  # only the main thread may; a training in another thread is stopped by its own means
                return


def _request_stop(number: int, _frame: FrameType | None) -> None:
    if number == RUN.stop_signal == signal.SIGINT:
        os._exit(128 + number)  # the second Ctrl-C: at once
    message = f'\n{signal.Signals(number).name}: finishing the iteration, then saving (Ctrl-C again: exit at once).\n'
    os.write(2, message.encode())  # print could be interrupted in the middle of another print
    RUN.stop_signal = number


def _agreed_stop_signal(model: Any) -> int:
    """All ranks stop at the same iteration: the one in which the first of them has seen a signal; 0 for none."""
    number = RUN.stop_signal or 0
    if model.opt['dist']:
        numbers = torch.tensor([number], device=model.device)
        torch.distributed.all_reduce(numbers, op=torch.distributed.ReduceOp.MAX)
        number = int(numbers.item())
    if number:  # otherwise a signal may have come meanwhile: the next iteration's
        RUN.stop_signal = number
    return number


def _save_and_exit(model: Any, number: int) -> NoReturn:
    done = RUN.iteration
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
    sys.exit(128 + number)
