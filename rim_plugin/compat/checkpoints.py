"""Files of a run: written whole or not at all, read without running code, resumed exactly."""

import os

import torch

from rim_plugin.compat.patching import replace_method
from rim_plugin.files import atomic_file
from rim_plugin.reproducibility import RUN, last_checkpoint, plain, rng_state, set_rng_state
from rim_plugin.weights_file import load_into

from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import master_only

# what BasicSR's own models and RIMModel carry from one iteration to the next besides networks and optimizers
_CARRIED = ('best_metric_results', 'mean_path_length', 'queue_lr', 'queue_gt', 'queue_ptr', 'amp_state', 'loss_state')


def patch():
    """Install the patches of this module."""
    replace_method(BaseModel, 'save_network', _save_network)
    replace_method(BaseModel, 'save_training_state', _save_training_state)
    replace_method(BaseModel, 'resume_training', _resume_training)
    replace_method(BaseModel, 'load_network', _load_network)


def write(content, path):
    """Save ``content`` (for ``torch.save``) under ``path``: a reader finds the old file or the whole new one.

    Raises:
        OSError: it cannot be written; BasicSR would log that and go on.
    """
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with atomic_file(path) as file:
            torch.save(content, file)
    except Exception as error:
        raise OSError(f'cannot save {path}: {error}') from error


def _save_network(_original):
    """BasicSR writes in place (a kill leaves half a file) and after three failures goes on without a checkpoint."""

    @master_only
    def save_network(self, net, net_label, current_iter, param_key='params'):
        nets = net if isinstance(net, list) else [net]
        keys = param_key if isinstance(param_key, list) else [param_key]
        content = {key: _bare_weights(self.get_bare_model(net)) for net, key in zip(nets, keys, strict=True)}
        _require_finite(self, content, net_label)
        name = f'{net_label}_{"latest" if current_iter == -1 else current_iter}.pth'
        write(content, os.path.join(self.opt['path']['models'], name))

    return save_network


def _bare_weights(net):
    return {key.removeprefix('module.'): value.detach().cpu() for key, value in net.state_dict().items()}


def _require_finite(model, content, label):
    """A checkpoint that is resumed from has to be a good one: gradients can be NaN after a finite loss."""
    for weights in content.values():
        for name, value in weights.items():
            if value.is_floating_point() and torch.isnan(value).any():
                raise FloatingPointError(
                    f'iteration {RUN.iteration}: {name} of {label} is NaN; it is not saved. Last '
                    f'good checkpoint: {last_checkpoint(model.opt)}.'
                )


def _save_training_state(_original):
    """The state also holds random states, place in the data, best metrics; all ranks take part (BasicSR: rank 0 only).

    In an iteration that also validates, the state waits for the end of the validation, so that it holds the best
    metrics and random states with which the next iteration begins.
    """

    def save_training_state(self, epoch, current_iter):
        flush(self)
        if current_iter == -1:
            return
        RUN.pending = {'epoch': epoch, 'iter': current_iter, **RUN.progress()}
        if not _validates(self.opt, current_iter):
            flush(self)

    return save_training_state


def _validates(opt, iteration):
    in_loop = RUN.epoch is not None and RUN.stop_signal is None
    return in_loop and opt.get('val') is not None and iteration % opt['val']['val_freq'] == 0


def flush(model):
    """Write the state that waits for the end of a validation, if there is one."""
    if RUN.pending is None:
        return
    place, RUN.pending = RUN.pending, None
    state = {
        **place,
        'optimizers': [optimizer.state_dict() for optimizer in model.optimizers],
        'schedulers': [scheduler.state_dict() for scheduler in model.schedulers],
        'rng': _all_ranks(model, rng_state()),
        'carried': {name: plain(getattr(model, name)) for name in _CARRIED if hasattr(model, name)},
    }
    if model.opt['rank'] == 0:
        write(state, os.path.join(model.opt['path']['training_states'], f'{place["iter"]}.state'))


def _all_ranks(model, value):
    if not model.opt['dist']:
        return [value]
    values = [None] * model.opt['world_size']
    torch.distributed.all_gather_object(values, value)
    return values


def _resume_training(original):
    """Besides optimizers and schedulers: best metrics and, when as many ranks go on, each rank's random states."""

    def resume_training(self, resume_state):
        original(self, resume_state)
        for name, value in resume_state.get('carried', {}).items():
            setattr(self, name, value.to(self.device) if torch.is_tensor(value) else value)
        states = resume_state.get('rng', [])
        if len(states) == self.opt['world_size']:
            set_rng_state(states[self.opt['rank']])
        else:
            get_root_logger().warning(
                f'The state holds random states of {len(states)} processes, this run has '
                f'{self.opt["world_size"]}: they start from manual_seed.'
            )

    return resume_training


def _load_network(_original):
    """Never unpickles; also reads safetensors; weights of another network give one error instead of pages of keys."""

    def load_network(self, net, load_path, strict=True, param_key='params'):
        net = self.get_bare_model(net)
        weights = load_into(net, load_path, param_key, strict)
        if not strict:
            self._print_different_keys_loading(net, weights, strict)
        get_root_logger().info(f'Loaded {type(net).__name__} from {load_path}.')

    return load_network
