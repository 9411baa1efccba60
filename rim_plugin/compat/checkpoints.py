"""Files of a run: written whole or not at all, read without running code, resumed exactly."""

import itertools
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
import torch
from torch import nn

from rim_plugin.compat import agreement, changed_options
from rim_plugin.compat.patching import Function, replaces
from rim_plugin.compat.state_content import check_content, is_finite, require_finite, sealed
from rim_plugin.errors import OptionsError, first_words
from rim_plugin.files import atomic_file, file_digest, write_atomically
from rim_plugin.randomness import rng_state, set_rng_state
from rim_plugin.run_state import RUN, last_checkpoint, training_states
from rim_plugin.tensor_files import State, read_tensors
from rim_plugin.weights_file import load_into

from basicsr.models.base_model import BaseModel
from basicsr.utils import check_resume, get_root_logger, img_util
from basicsr.utils.dist_util import master_only

# what BasicSR's own models and RIMModel carry from one iteration to the next besides networks and optimizers
_CARRIED = ('best_metric_results', 'mean_path_length', 'queue_lr', 'queue_gt', 'queue_ptr', 'amp_state', 'loss_state')


def write(content: dict[str, Any], path: Path) -> None:
    """Save ``content`` (for ``torch.save``) under ``path``: a reader finds the old file or the whole new one.

    A folder in its place is moved aside.

    Raises:
        OSError: it cannot be written; BasicSR would log that and go on.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _move_folder_aside(path)
        with atomic_file(path) as file:
            _save(content, file)
    except OSError as error:
        raise OSError(error.errno, f'cannot save {path}: {error.strerror}') from error
    except Exception as error:
        raise OSError(f'cannot save {path}: {error}') from error


class _Noting:
    """A file to write into that keeps the error of a write: torch makes another one of it, without a reason."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.error: OSError | None = None

    def write(self, content: bytes) -> int:
        try:
            return self.file.write(content)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self.file.flush()


def _save(content: dict[str, Any], file: IO[bytes]) -> None:
    noting = _Noting(file)
    try:
        torch.save(content, noting)  # type: ignore[arg-type]  # all that it needs of a file
    except Exception:
        if noting.error is not None:
            raise noting.error from None
        raise


def _move_folder_aside(path: Path) -> None:
    if path.is_dir():
        names = (path.with_name(f'{path.name}.folder{number}') for number in itertools.count(1))
        free = next(name for name in names if not name.exists())
        path.rename(free)
        get_root_logger().warning(f'{path} is a folder: moved to {free}, to save the file of that name.')


@replaces(BaseModel, 'save_network')
@master_only
def _save_network(
    _original: Function,
    self: Any,
    net: nn.Module | list[nn.Module],
    net_label: str,
    current_iter: int,
    param_key: str | list[str] = 'params',
) -> None:
    """BasicSR writes in place (a kill leaves half a file) and after three failures goes on without a checkpoint."""
    nets = net if isinstance(net, list) else [net]
    keys = param_key if isinstance(param_key, list) else [param_key]
    content = {key: _on_cpu(self.get_bare_model(net)) for net, key in zip(nets, keys, strict=True)}
    _require_finite(self, content, net_label)
    path = Path(self.opt['path']['models'], f'{net_label}_{"latest" if current_iter == -1 else current_iter}.pth')
    write(content, path)
    RUN.written[path.name] = file_digest(path)


@replaces(img_util, 'imwrite')
def _imwrite(
    _original: Function, img: np.ndarray, file_path: str, params: list[int] | None = None, auto_mkdir: bool = True
) -> bool:
    """BasicSR writes in place, and where that fails says neither which file nor why."""
    path = Path(file_path)
    if auto_mkdir:
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, cv2.imencode(path.suffix, img, params or [])[1].tobytes())
    return True


def _on_cpu(net: nn.Module) -> State:
    return {key.removeprefix('module.'): value.detach().cpu() for key, value in net.state_dict().items()}


def _require_finite(model: Any, content: dict[str, State], label: str) -> None:
    """A checkpoint that is resumed from has to be a good one: gradients can be NaN after a finite loss."""
    for weights in content.values():
        for name, value in weights.items():
            if not is_finite(value):
                raise FloatingPointError(
                    f'iteration {RUN.iteration}: {name} of {label} is NaN or infinite; it is not saved. Last '
                    f'good checkpoint: {last_checkpoint(model.opt)}.'
                )


@replaces(BaseModel, 'save_training_state')
def _save_training_state(_original: Function, self: Any, epoch: int, current_iter: int) -> None:
    """The state also holds random states, place in the data, best metrics; all ranks take part (BasicSR: rank 0 only).

    In an iteration that also validates, the state waits for the end of the validation, so that it holds the best
    metrics and random states with which the next iteration begins.
    """
    flush(self)
    if current_iter == -1:
        return
    RUN.pending = {'epoch': epoch, 'iter': current_iter, **RUN.progress()}
    if not _validates(self.opt, current_iter):
        flush(self)


def _validates(opt: dict[str, Any], iteration: int) -> bool:
    return RUN.epoch is not None and opt.get('val') is not None and iteration % opt['val']['val_freq'] == 0


def flush(model: Any) -> None:
    """Write the state that waits for the end of a validation, if there is one."""
    if RUN.pending is None:
        return
    place, RUN.pending = RUN.pending, None
    written = {name: digest for name, digest in RUN.written.items() if name.endswith(f'_{place["iter"]}.pth')}
    RUN.written.clear()
    state = {
        **place,
        'networks': written,
        'options': RUN.options,
        'solvers': changed_options.solvers(model),
        'optimizers': [optimizer.state_dict() for optimizer in model.optimizers],
        'schedulers': [scheduler.state_dict() for scheduler in model.schedulers],
        'rng': _all_ranks(model, rng_state()),
        'carried': {name: without_numpy(getattr(model, name)) for name in _CARRIED if hasattr(model, name)},
    }
    if model.opt['rank'] == 0:
        write(sealed(state), Path(model.opt['path']['training_states'], f'{place["iter"]}.state'))


def without_numpy(value: Any) -> Any:
    """Numpy scalars and arrays inside dicts and lists turned into Python numbers and tensors, which are read without
    running code; anything else as it is."""
    if isinstance(value, dict):
        return type(value)((key, without_numpy(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return type(value)(without_numpy(item) for item in value)
    if isinstance(value, np.generic):
        return value.item()
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


def _all_ranks(model: Any, value: dict[str, Any]) -> list[dict[str, Any]]:
    if not model.opt['dist']:
        return [value]
    values = [value] * model.opt['world_size']
    torch.distributed.all_gather_object(values, value)
    return values


@replaces(BaseModel, 'resume_training')
def _resume_training(_original: Function, self: Any, resume_state: dict[str, Any]) -> None:
    """Besides optimizers and schedulers: best metrics and, when as many ranks go on, each rank's random states.

    BasicSR takes the learning rate and all of its course from the state, whatever the options say, and ends in a
    traceback where these have another optimizer or other parts.
    """
    log = get_root_logger()
    for problem in RUN.passed_over:
        log.warning(f'Not resumed from: {problem}')
    frozen = [
        key for key in self.opt if key.startswith('network_') and key not in _saved_networks(self.opt, resume_state)
    ]
    for change in changed_options.since_state(resume_state):
        log.warning(f'Changed since the training state: {change.told(frozen)}')
    try:
        _take_over(self, resume_state)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        path = self.opt['path'].get('resume_state')
        message = f'{path}: cannot be resumed from ({first_words(error)}): remove it, and go on from the one before'
        raise OptionsError(message) from error


def _take_over(model: Any, state: dict[str, Any]) -> None:
    """Give a model what its training state holds."""
    log = get_root_logger()
    for line in changed_options.resume_solvers(model, state):
        log.warning(line)
    carried = {name: value for name, value in state.get('carried', {}).items() if name in _CARRIED}
    if 'best_metric_results' in carried and model.opt.get('val'):
        changed_options.fit_best_results(carried['best_metric_results'], model.opt['val'].get('metrics') or {})
    for name, value in carried.items():
        setattr(model, name, value.to(model.device) if torch.is_tensor(value) else value)
    states = state.get('rng', [])
    if len(states) == model.opt['world_size']:
        set_rng_state(states[model.opt['rank']])
    else:
        log.warning(
            f'The state holds random states of {len(states)} processes, this run has '
            f'{model.opt["world_size"]}: they start from manual_seed.'
        )


@replaces(BaseModel, 'load_network')
def _load_network(
    _original: Function,
    self: Any,
    net: nn.Module,
    load_path: str,
    strict: bool = True,
    param_key: str | None = 'params',
) -> None:
    """Never unpickles; also reads safetensors; weights of another network give one error instead of pages of keys."""
    net = self.get_bare_model(net)
    try:
        weights = load_into(net, load_path, param_key, strict)
    except OptionsError as error:
        raise OptionsError(f'{error}{changed_options.networks_changed()}') from None
    if not strict:
        self._print_different_keys_loading(net, weights, strict)
    get_root_logger().info(f'Loaded {type(net).__name__} from {load_path}.')


def load_resume_state(_original: Function, opt: dict[str, Any]) -> dict[str, Any] | None:
    """The state to go on from, on the CPU: ``path.resume_state`` or, with ``--auto_resume``, the newest whole one.

    BasicSR looks under the current folder instead of the run's (auto-resume from another folder restarts silently:
    StarSRGAN#7), asks for the current GPU, and takes the newest state even if a network file of the same iteration is
    missing.

    Args:
        opt: options; ``path.resume_state`` and ``path.pretrain_network_*`` are set as BasicSR does.

    Returns:
        The state; None for a new run.

    Raises:
        OptionsError: states are there but none can be used; the processes of a distributed run find different ones.
    """
    if opt['dist']:
        return agreement.agreed_state(lambda: _newest_whole_state(opt), opt['world_size'])
    return _newest_whole_state(opt)


def _newest_whole_state(opt: dict[str, Any]) -> dict[str, Any] | None:
    """See :func:`load_resume_state`, of this process."""
    paths = training_states(opt) if opt['auto_resume'] else []
    if not paths and opt['path'].get('resume_state'):
        paths = [opt['path']['resume_state']]
    problems = []
    for path in paths:
        try:
            state = _read_state(opt, path)
        except OptionsError as error:
            problems.append(str(error))
            continue
        _resume_from(opt, path, state)
        RUN.passed_over = problems
        return state
    if not problems:
        return None
    raise OptionsError(
        f'no training state can be resumed from; newest: {problems[0]}. Remove what is damaged, or '
        'start a new run under another name.'
    )


def _read_state(opt: dict[str, Any], path: str) -> dict[str, Any]:
    state = read_tensors(path)
    check_content(state, path)
    networks = _saved_networks(opt, state)
    if not networks:
        raise OptionsError(f'{opt["path"]["models"]} holds no network of iteration {state["iter"]}')
    for network in networks:
        file = Path(opt['path']['models'], _weights_name(network, state['iter']))
        require_finite(file, read_tensors(file))
        if file.name in state.get('networks', {}) and file_digest(file) != state['networks'][file.name]:
            raise OptionsError(f'{file}: damaged or another file: its SHA-256 is not that in {path}')
    return state


def _saved_networks(opt: dict[str, Any], state: dict[str, Any]) -> list[str]:
    """The networks to be resumed: not those ignored by option, nor those never saved, as a frozen teacher is.

    A state names its networks; for one that does not, the files that are there do.
    """
    ignored = opt['path'].get('ignore_resume_networks') or []
    networks = [key for key in opt if key.startswith('network_') and key not in ignored]
    if named := state.get('networks'):
        return [network for network in networks if _weights_name(network, state['iter']) in named]
    return [network for network in networks if any(Path(opt['path']['models']).glob(_weights_name(network, '*')))]


def _weights_name(network: str, iteration: int | str) -> str:
    return f'{network.replace("network_", "net_")}_{iteration}.pth'


def _resume_from(opt: dict[str, Any], path: str, state: dict[str, Any]) -> None:
    opt['path']['resume_state'] = path
    saved = _saved_networks(opt, state)
    opt['path']['ignore_resume_networks'] = [key for key in opt if key.startswith('network_') and key not in saved]
    check_resume(opt, state['iter'])
    RUN.resume(state)
