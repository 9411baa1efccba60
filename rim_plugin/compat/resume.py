"""Which training state a run goes on from."""

from pathlib import Path
from typing import Any

from rim_plugin.compat.patching import Function
from rim_plugin.errors import OptionsError
from rim_plugin.run_state import RUN, training_states
from rim_plugin.weights_file import read_tensors

from basicsr.utils import check_resume


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
        OptionsError: states are there but none can be used.
    """
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
        return state
    if not problems:
        return None
    raise OptionsError(
        f'no training state can be resumed from; newest: {problems[0]}. Remove what is damaged, or '
        'start a new run under another name.'
    )


def _read_state(opt: dict[str, Any], path: str) -> dict[str, Any]:
    state = read_tensors(path)
    if not isinstance(state, dict) or not {'iter', 'epoch', 'optimizers', 'schedulers'} <= state.keys():
        raise OptionsError(f'{path}: not a training state of BasicSR')
    networks = _saved_networks(opt)
    if not networks:
        raise OptionsError(f'{opt["path"]["models"]} holds no network of iteration {state["iter"]}')
    for network in networks:
        read_tensors(Path(opt['path']['models'], _weights_name(network, state['iter'])))
    return state


def _saved_networks(opt: dict[str, Any]) -> list[str]:
    """The networks to be resumed: not those ignored by option, nor those never saved, as a frozen teacher is."""
    ignored = opt['path'].get('ignore_resume_networks') or []
    networks = [key for key in opt if key.startswith('network_') and key not in ignored]
    return [network for network in networks if any(Path(opt['path']['models']).glob(_weights_name(network, '*')))]


def _weights_name(network: str, iteration: int | str) -> str:
    return f'{network.replace("network_", "net_")}_{iteration}.pth'


def _resume_from(opt: dict[str, Any], path: str, state: dict[str, Any]) -> None:
    opt['path']['resume_state'] = path
    saved = _saved_networks(opt)
    opt['path']['ignore_resume_networks'] = [key for key in opt if key.startswith('network_') and key not in saved]
    check_resume(opt, state['iter'])
    RUN.resume(state)
