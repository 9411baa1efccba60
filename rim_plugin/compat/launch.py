"""From the command line to the first iteration: options, folders, loggers."""

import errno
import logging
import os
import sys
import time
import traceback
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any

import torch
import yaml

from rim_plugin.compat import devices, loading, resuming, run_lock
from rim_plugin.compat.patching import Function, replaces, wrapped
from rim_plugin.errors import OptionsError, first_words, one_line
from rim_plugin.files import write_atomically
from rim_plugin.options import reading
from rim_plugin.run_state import RUN

from basicsr.utils import get_root_logger, misc
from basicsr.utils import options as basicsr_options

# no room, a quota, files as large as allowed, a disk that is for reading alone, no leave to write, a broken disk
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
_FOLDERS = ('experiments_root', 'results_root', 'models', 'training_states', 'log', 'visualization')


@replaces(basicsr_options, 'parse_options')
def _parse_options(original: Function, root_path: str, is_train: bool = True) -> tuple[dict[str, Any], Namespace]:
    """Checks the options before anything is created and applies ``--force_yml`` without running its text as code.

    BasicSR's train.py may be ``__main__`` (in a checkout of it), so that its functions can only be reached from here:
    the caller's.
    """
    sys.excepthook = partial(_one_line_error, sys.excepthook)  # first: Ctrl-C may come within the import
    from rim_plugin.options import checking  # which imports BasicSR, see the package

    logging.raiseExceptions = False  # a log that cannot be written is no traceback for each of its lines
    argv, forced = reading.take_forced(sys.argv)
    path = checking.check_command(argv, forced, is_train)
    opt, args = _with_changes(original, argv, path, forced, root_path, is_train)
    RUN.reset(opt['manual_seed'])
    RUN.options = reading.read_options(path, forced) if path else {}
    if is_train:
        run_lock.take(opt)
    _fit_to_machine(opt)
    _patch_caller(sys._getframe(2).f_globals, forced)  # 1 is the function that stands in for BasicSR's
    return opt, args


def _with_changes(
    original: Function, argv: list[str], path: str | None, forced: list[str], root_path: str, is_train: bool
) -> tuple[dict[str, Any], Namespace]:
    """BasicSR's own parsing, of a file that already holds its base and the command line's changes (BasicSR runs them
    through exec)."""
    command, loader = sys.argv, basicsr_options.ordered_yaml
    sys.argv, basicsr_options.ordered_yaml = argv, lambda: (reading.yaml_loader(path or '', forced), None)
    try:
        return original(root_path, is_train)
    finally:
        sys.argv, basicsr_options.ordered_yaml = command, loader


def _patch_caller(caller: dict[str, Any], forced: list[str]) -> None:
    patches: dict[str, Function] = {
        'load_resume_state': resuming.load_resume_state,
        'init_tb_loggers': _init_tb_loggers,
        'copy_opt_file': partial(_copy_opt_file, forced=forced),
        'dict2str': _options_text,
        'create_train_val_dataloader': loading.create_train_val_dataloader,
    }
    for name, function in patches.items():
        if name in caller:
            original = getattr(caller[name], 'before_rim_plugin', caller[name])  # of a second call, as in tests
            caller[name] = wrapped(original, function)
            caller[name].before_rim_plugin = original


def _init_tb_loggers(original: Function, opt: dict[str, Any]) -> Any:
    """Remembers the TensorBoard writer, which has to be closed (its queue written) when a run is stopped."""
    RUN.tb_logger = original(opt)
    return RUN.tb_logger


class _Filed(str):
    """A text for the log file alone."""


def _is_no_filed_text(record: logging.LogRecord) -> bool:
    return not isinstance(record.msg, _Filed)


def _options_text(original: Function, opt: dict[str, Any]) -> str:
    """The options, hundreds of lines, go to the log file; the console has its place."""
    logger = get_root_logger()
    for handler in logger.handlers:
        if isinstance(handler, logging.FileHandler):
            logger.info(f'Log, with all options and the layers of networks: {handler.baseFilename}')
        else:
            handler.addFilter(_is_no_filed_text)
    return _Filed(original(opt))


def _copy_opt_file(original: Function, opt_file: str, experiments_root: str, forced: list[str]) -> None:
    """Beside BasicSR's copy of the file, ``options.yml``: with its base and the command line's changes, as run."""
    original(opt_file, experiments_root)
    if os.environ.get('RANK', '0') == '0':
        options = yaml.safe_dump(reading.read_options(opt_file, forced), sort_keys=False)
        write_atomically(os.path.join(experiments_root, 'options.yml'), options)


def _one_line_error(
    before: Callable[..., object], kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """An uncaught error in what the user gave ends in one line; any other keeps its traceback.

    Of such a kind is a ValueError, too, that code of this package raises while BasicSR builds a dataset or the model:
    constructors say so what is wrong with their options. One that another library raises there may be a bug.
    """
    if issubclass(kind, (OptionsError, FloatingPointError)) or issubclass(kind, ValueError) and _is_of_options(trace):
        if os.environ.get('RANK', '0') == '0' or issubclass(kind, FloatingPointError):
            print(f'Error: {one_line(_without_worker(str(error)))}', file=sys.stderr)
    elif isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        place = f': {error.filename}' if error.filename else ''
        print(
            f'Error: {one_line(error.strerror)}{place}. With room there, and leave to write, a training goes on from '
            'its last checkpoint by the same command with --auto_resume.',
            file=sys.stderr,
        )
    elif issubclass(kind, torch.distributed.DistError) or issubclass(kind, RuntimeError) and 'gloo/' in str(error):
        print(
            f'Error: another process of this training is gone or out of reach ({one_line(first_words(error))}). '
            'Restarted with --auto_resume, by hand or by torchrun --max-restarts, the training goes on from its last '
            'checkpoint.',
            file=sys.stderr,
        )
    elif KeyboardInterrupt in (kind, type(error.__cause__)):  # the cause: in a class that was being made
        print('Interrupted before the training began: nothing to save.', file=sys.stderr)
    else:
        before(kind, error, trace)


def _without_worker(message: str) -> str:
    """Of an error in a worker of a data loader torch makes a text that ends with ``TYPE: message``."""
    return message.splitlines()[-1].partition(': ')[2] if message.startswith('Caught ') else message


def _is_of_options(trace: TracebackType | None) -> bool:
    frames = [frame for frame, _ in traceback.walk_tb(trace)]
    builds = any(frame.f_code.co_name in ('build_dataset', 'build_model') for frame in frames)
    return builds and frames[-1].f_globals.get('__name__', '').startswith('rim_plugin.')


def _fit_to_machine(opt: dict[str, Any]) -> None:
    """Without a GPU, ``num_gpu: 1`` and ``prefetch_mode: cuda`` crash in BasicSR (CPU training: Real-ESRGAN#91).

    Several GPUs without a launcher would be DataParallel's, which splits each tensor of a batch of several probe sizes
    by itself, so that a probe and its face get parted.
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


@replaces(misc, 'mkdir_and_rename')
def _mkdir_and_rename(original: Function, path: str) -> None:
    """BasicSR names what it moves away by the second: a training that is restarted within one finds the name taken."""
    try:
        original(path)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
        time.sleep(1)
        original(path)


@replaces(misc, 'make_exp_dirs')
def _make_exp_dirs(original: Function, opt: dict[str, Any]) -> None:
    """BasicSR makes a folder of every unknown key under ``path``."""
    original({**opt, 'path': {key: value for key, value in opt['path'].items() if key in _FOLDERS}})
