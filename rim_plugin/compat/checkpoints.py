"""Files of a run: written whole or not at all."""

import itertools
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
import torch
from torch import nn

from rim_plugin.compat import changed_options
from rim_plugin.compat.patching import Function, replaces
from rim_plugin.compat.state_content import is_finite, sealed
from rim_plugin.files import atomic_file, file_digest, write_atomically
from rim_plugin.randomness import rng_state
from rim_plugin.run_state import RUN, last_checkpoint
from rim_plugin.tensor_files import State

from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger, img_util
from basicsr.utils.dist_util import master_only

# what BasicSR's own models and RIMModel carry from one iteration to the next besides networks and optimizers
CARRIED = ('best_metric_results', 'mean_path_length', 'queue_lr', 'queue_gt', 'queue_ptr', 'amp_state', 'loss_state')


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
        'carried': {name: without_numpy(getattr(model, name)) for name in CARRIED if hasattr(model, name)},
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
