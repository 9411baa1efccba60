"""Runs resumed exactly, from files that are read without running code."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from rim_plugin.compat import agreement, changed_options
from rim_plugin.compat.checkpoints import CARRIED
from rim_plugin.compat.patching import Function, replaces
from rim_plugin.compat.state_content import check_content, require_finite
from rim_plugin.errors import OptionsError, first_words
from rim_plugin.files import file_digest
from rim_plugin.randomness import set_rng_state
from rim_plugin.run_state import RUN, training_states
from rim_plugin.tensor_files import read_tensors
from rim_plugin.weights_file import load_into

from basicsr.models.base_model import BaseModel
from basicsr.utils import check_resume, get_root_logger


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
    carried = {name: value for name, value in state.get('carried', {}).items() if name in CARRIED}
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
