"""From the command line to the first iteration: options, folders, the state to resume from."""

import glob
import os
import sys

import torch
import yaml

from rim_plugin.compat import devices, loading
from rim_plugin.compat.patching import replace
from rim_plugin.errors import OptionsError
from rim_plugin.options import checking, reading
from rim_plugin.reproducibility import RUN
from rim_plugin.weights_file import read_tensors

from basicsr.utils import check_resume, misc
from basicsr.utils import options as basicsr_options

_FOLDERS = ('experiments_root', 'results_root', 'models', 'training_states', 'log', 'visualization')


def patch():
    """Install the patches of this module."""
    replace(basicsr_options, 'parse_options', _parse_options)
    replace(misc, 'make_exp_dirs', _make_exp_dirs)


def _parse_options(original):
    """Checks the options before anything is created and applies ``--force_yml`` without running its text as code.

    BasicSR's train.py may be ``__main__`` (in a checkout of it), so that its functions can only be reached from here:
    the caller's. ``load_resume_state`` (auto-resume from another folder restarts silently: StarSRGAN#7) and others are
    replaced.
    """

    def parse_options(root_path, is_train=True):
        sys.excepthook = _one_line_errors(sys.excepthook)
        argv, forced = reading.take_forced(sys.argv)
        path = checking.check_command(argv, forced, is_train)
        opt, args = _with_changes(original, argv, path, forced, root_path, is_train)
        RUN.reset(opt['manual_seed'])
        _fit_to_machine(opt)
        _replace_in_caller(sys._getframe(1).f_globals, forced)
        return opt, args

    return parse_options


def _with_changes(original, argv, path, forced, root_path, is_train):
    """BasicSR's own parsing, of a file that already holds its base and the command line's changes (BasicSR runs them
    through exec)."""
    command, loader = sys.argv, basicsr_options.ordered_yaml
    sys.argv, basicsr_options.ordered_yaml = argv, lambda: (reading.yaml_loader(path, forced), None)
    try:
        return original(root_path, is_train)
    finally:
        sys.argv, basicsr_options.ordered_yaml = command, loader


def _replace_in_caller(caller, forced):
    makers = {
        'load_resume_state': lambda _original: load_resume_state,
        'init_tb_loggers': _init_tb_loggers,
        'copy_opt_file': lambda original: _copy_whole_options(original, forced),
        'create_train_val_dataloader': loading.create_train_val_dataloader,
    }
    for name, make in makers.items():
        if name in caller and not getattr(caller[name], 'from_rim_plugin', False):
            caller[name] = make(caller[name])
            caller[name].from_rim_plugin = True


def _init_tb_loggers(original):
    """Remembers the TensorBoard writer, which has to be closed (its queue written) when a run is stopped."""

    def init_tb_loggers(opt):
        RUN.tb_logger = original(opt)
        return RUN.tb_logger

    return init_tb_loggers


def _copy_whole_options(original, forced):
    """Beside BasicSR's copy of the file, ``options.yml``: with its base and the command line's changes, as run."""

    def copy_opt_file(opt_file, experiments_root):
        original(opt_file, experiments_root)
        if os.environ.get('RANK', '0') == '0':
            with open(os.path.join(experiments_root, 'options.yml'), 'w', encoding='utf-8') as file:
                yaml.safe_dump(reading.read_options(opt_file, forced), file, sort_keys=False)

    return copy_opt_file


def _one_line_errors(before):
    """An uncaught error in what the user gave ends in one line; any other keeps its traceback."""

    def hook(kind, error, trace):
        if issubclass(kind, (OptionsError, FloatingPointError)):
            if os.environ.get('RANK', '0') == '0' or issubclass(kind, FloatingPointError):
                print(f'Error: {error}', file=sys.stderr)
        elif issubclass(kind, KeyboardInterrupt):
            print('Interrupted before the training began: nothing to save.', file=sys.stderr)
        else:
            before(kind, error, trace)

    return hook


def _fit_to_machine(opt):
    """Without a GPU, ``num_gpu: 1`` and ``prefetch_mode: cuda`` crash in BasicSR (CPU training: Real-ESRGAN#91).

    Several GPUs without a launcher would be DataParallel's, which splits each tensor of a batch of several probe sizes by
    itself, so that probes and faces no longer belong together.
    """
    if torch.cuda.is_available():
        if opt['num_gpu'] > 1 and not opt['dist']:
            print(
                f'One of {opt["num_gpu"]} GPUs is used; all with: torchrun --nproc_per_node={opt["num_gpu"]} -m '
                'rim_plugin.train -opt FILE --launcher pytorch',
                flush=True,
            )
            opt['num_gpu'] = 1
        return
    devices.keep_memory()
    if opt['num_gpu'] != 0:
        print(f'No GPU here: num_gpu {opt["num_gpu"]} becomes 0.', flush=True)
        opt['num_gpu'] = 0
    for name, dataset in opt['datasets'].items():
        if dataset.get('prefetch_mode') == 'cuda':
            print(f'No GPU here: datasets.{name}.prefetch_mode cuda becomes ~.', flush=True)
            dataset['prefetch_mode'] = None


def _make_exp_dirs(original):
    """BasicSR makes a folder of every unknown key under ``path``."""

    def make_exp_dirs(opt):
        original({**opt, 'path': {key: value for key, value in opt['path'].items() if key in _FOLDERS}})

    return make_exp_dirs


def load_resume_state(opt):
    """The state to go on from, on the CPU: ``path.resume_state`` or, with ``--auto_resume``, the newest whole one.

    BasicSR looks under the current folder instead of the run's, asks for the current GPU, and takes the newest state
    even if a network file of the same iteration is missing.

    Args:
        opt (dict): options; ``path.resume_state`` and ``path.pretrain_network_*`` are set as BasicSR does.

    Returns:
        dict | None: the state; ``None`` for a new run.

    Raises:
        OptionsError: states are there but none can be used.
    """
    states = _states(opt['path']['training_states']) if opt['auto_resume'] else []
    explicit = opt['path'].get('resume_state')
    if not states and not explicit:
        return None
    problems = []
    for path in states or [explicit]:
        try:
            state = read_tensors(path)
            _require_networks(opt, state)
        except OptionsError as error:
            problems.append(str(error))
            continue
        return _resume_from(opt, path, state)
    raise OptionsError(
        f'no training state can be resumed from; newest: {problems[0]}. Remove what is damaged, or '
        'start a new run under another name.'
    )


def _states(folder):
    """Paths of the training states in ``folder``, newest first."""
    numbered = {
        int(name[: -len('.state')]): name
        for name in (os.listdir(folder) if os.path.isdir(folder) else [])
        if name.endswith('.state') and name[: -len('.state')].isdigit()
    }
    return [os.path.join(folder, numbered[number]) for number in sorted(numbered, reverse=True)]


def _require_networks(opt, state):
    if not isinstance(state, dict) or not {'iter', 'epoch', 'optimizers', 'schedulers'} <= state.keys():
        raise OptionsError('not a training state of BasicSR')
    networks = _saved_networks(opt)
    if not networks:
        raise OptionsError(f'{opt["path"]["models"]} holds no network of iteration {state["iter"]}')
    for network in networks:
        read_tensors(_weights_path(opt, network, state['iter']))


def _saved_networks(opt):
    """The networks to be resumed: not those ignored by option, nor those never saved, as a frozen teacher is."""
    ignored = opt['path'].get('ignore_resume_networks') or []
    networks = [key for key in opt if key.startswith('network_') and key not in ignored]
    return [network for network in networks if glob.glob(_weights_path(opt, network, '*'))]


def _weights_path(opt, network, iteration):
    label = network.replace('network_', 'net_')
    return os.path.join(opt['path']['models'], f'{label}_{iteration}.pth')


def _resume_from(opt, path, state):
    opt['path']['resume_state'] = path
    saved = _saved_networks(opt)
    opt['path']['ignore_resume_networks'] = [key for key in opt if key.startswith('network_') and key not in saved]
    check_resume(opt, state['iter'])
    RUN.resume(state)
    return state
