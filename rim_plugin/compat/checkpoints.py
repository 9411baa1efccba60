"""Files of a run: written whole or not at all, read without running code, resumed exactly."""

import hashlib
import json
import os
from pathlib import Path

import torch
from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import master_only

from rim_plugin.compat.patching import replace_method
from rim_plugin.options import OptionsError
from rim_plugin.reproducibility import RUN, last_checkpoint, plain, rng_state, set_rng_state

# what BasicSR's own models and RIMModel carry from one iteration to the next besides networks and optimizers
_CARRIED = ('best_metric_results', 'mean_path_length', 'queue_lr', 'queue_gt', 'queue_ptr', 'amp_state',
            'loss_state')

# Prefix of a network's tensors in a weights file of scripts/pack_weights.py, and in the network itself; 'fhn.' and none
# for any other SR network.
_PACKED = {'HRN': ('hrn.', ''), 'TriPathGenerator': ('fhn.generator.', ''),
           'MixAdversarialDiscriminator': ('fhn.integrator.', 'integrator.')}


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
    folder, name = os.path.split(path)
    draft = os.path.join(folder, f'.{name}.tmp')  # BasicSR's folder listings pass over hidden names
    try:
        os.makedirs(folder, exist_ok=True)
        with open(draft, 'wb') as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except Exception as error:
        if os.path.exists(draft):
            os.remove(draft)
        raise OSError(f'cannot save {path}: {error}') from error


def read(path):
    """Content of a ``.pth`` or ``.state`` file, on the CPU, without running any code that it may hold.

    Raises:
        OptionsError: missing, damaged, or holding more than tensors and plain values.
    """
    if not os.path.isfile(path):
        raise OptionsError(f'{path}: no such file')
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:150] if str(error).strip() else type(error).__name__
        raise OptionsError(f'{path}: not a file of tensors and plain values that is safe to read ({reason})') from error


def read_weights(path, param_key='params'):
    """A network's state dict from a BasicSR ``.pth`` file (under ``param_key``, or ``params``) or from
    ``.safetensors``.

    Raises:
        OptionsError: see ``read``; or the file holds no such key.
    """
    if str(path).endswith('.safetensors'):
        return _read_safetensors(path)
    content = read(path)
    if param_key is None:
        return content
    if param_key not in content and 'params' in content:
        get_root_logger().info(f'{path} has no {param_key}: params is used.')
        param_key = 'params'
    if param_key not in content:
        raise OptionsError(f'{path}: no weights under {param_key!r}; the file holds {some(content)} (path.param_key_* '
                           'says where they are; ~ for a bare state dict)')
    return content[param_key]


def _read_safetensors(path):
    from safetensors.torch import load_file
    try:
        weights = load_file(path)
    except Exception as error:
        raise OptionsError(f'{path}: not a readable safetensors file ({error})') from error
    if is_packed(weights):
        require_digest(path)
    return weights


def require_digest(path):
    """The SHA-256 (hexadecimal) of a weights file that scripts/pack_weights.py made.

    Raises:
        OptionsError: it is not that of NAME.json beside the file, or there is none.
    """
    path = Path(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != _expected_digest(path):
        raise OptionsError(f'{path}: its SHA-256 is {digest[:12]}..., not that of {path.with_suffix(".json").name}: '
                           'damaged, or another file; fetch both again')
    return digest


def _expected_digest(path):
    sidecar = path.with_suffix('.json')
    try:
        return json.loads(sidecar.read_text(encoding='utf-8'))['sha256']
    except FileNotFoundError:
        raise OptionsError(f'{sidecar}: missing; it holds the SHA-256 of {path.name}: put it there, too') from None
    except (ValueError, KeyError, TypeError):
        raise OptionsError(f'{sidecar}: holds no SHA-256 of {path.name}: fetch it again') from None


def some(names):
    names = sorted(map(str, names))
    return ', '.join(names[:3]) + (f' and {len(names) - 3} more' if len(names) > 3 else '')


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
                raise FloatingPointError(f'iteration {RUN.iteration}: {name} of {label} is NaN; it is not saved. Last '
                                         f'good checkpoint: {last_checkpoint(model.opt)}.')


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
            get_root_logger().warning(f'The state holds random states of {len(states)} processes, this run has '
                                      f'{self.opt["world_size"]}: they start from manual_seed.')

    return resume_training


def _load_network(_original):
    """Never unpickles; also reads safetensors; weights of another network give one error instead of pages of keys."""

    def load_network(self, net, load_path, strict=True, param_key='params'):
        net = self.get_bare_model(net)
        weights = {key.removeprefix('module.'): value for key, value in read_weights(load_path, param_key).items()}
        weights = _unpacked(net, weights)
        if strict:
            require_fit(net, weights, load_path)
        else:
            self._print_different_keys_loading(net, weights, strict)
        net.load_state_dict(weights, strict=strict)
        get_root_logger().info(f'Loaded {type(net).__name__} from {load_path}.')

    return load_network


def is_packed(weights):
    """Whether these are the tensors of a weights file that scripts/pack_weights.py made, by their names."""
    return all(key.startswith(('fhn.', 'hrn.')) for key in weights)


def packed_options(path, label):
    """Options (dict) of a network, ``fhn`` or ``hrn``, in a weights file of scripts/pack_weights.py; {} for other files."""
    if not str(path).endswith('.safetensors'):
        return {}
    from safetensors import safe_open
    with safe_open(path, 'pt') as file:
        header = json.loads((file.metadata() or {}).get('rim', '{}'))
    return header.get('networks', {}).get(label, {})


def _unpacked(net, weights):
    """A network's part of a weights file that scripts/pack_weights.py made; other weights as they are."""
    if not is_packed(weights):
        return weights
    packed, own = _PACKED.get(type(net).__name__, ('fhn.', ''))
    part = {own + key.removeprefix(packed): value for key, value in weights.items() if key.startswith(packed)}
    if own:  # the rest of the network is not packed: inference does without
        part = {**{key: value for key, value in net.state_dict().items() if not key.startswith(own)}, **part}
    return part


def require_fit(net, weights, path):
    """OptionsError, naming ``path`` and the keys, unless the tensors ``weights`` are those of ``net``."""
    told = misfit(net.state_dict(), weights)
    if told:
        raise OptionsError(f'{path} does not fit {type(net).__name__}: {told}')


def misfit(own, weights):
    """What keeps ``weights`` from fitting ``own``, dicts of tensors, in words: keys and shapes; empty where they fit."""
    shapes = [f'{key} {tuple(weights[key].shape)} for {tuple(own[key].shape)}'
              for key in own.keys() & weights.keys() if own[key].shape != weights[key].shape]
    problems = {'missing': own.keys() - weights.keys(), 'unexpected': weights.keys() - own.keys(),
                'other shape': shapes}
    return '; '.join(f'{kind}: {some(names)}' for kind, names in problems.items() if names)
