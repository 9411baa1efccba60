"""Reads an options file and the command line's changes to it (``--force_yml``); one clear error for each mistake."""

import argparse
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from rim_plugin.errors import OptionsError, did_you_mean, shown
from rim_plugin.former_names import present_names
from rim_plugin.options.yaml_values import Loader, load_yaml
from rim_plugin.shipped import located

_WHOLE = {'manual_seed', 'num_gpu', 'scale', 'batch_size_per_gpu', 'num_worker_per_gpu', 'num_prefetch_queue'}
_WHOLE |= {'total_iter', 'warmup_iter', 'val_freq', 'print_freq', 'save_checkpoint_freq'}
_CHOICES = {'prefetch_mode', 'better', 'backend'}


def read_options(path: str, forced: Iterable[str] = ()) -> dict[str, Any]:
    """The options file ``path`` as a dict, with its ``_base_`` and ``forced`` applied.

    ``_base_: OTHER.yml``, relative to the file, takes over what that file has and this one does not, key by key, as in
    mmengine; a block with ``_delete_: true`` replaces the other's instead. Of several, ``_base_: [ONE.yml, TWO.yml]``,
    the later wins.

    Networks, datasets and metrics that are empty (``network_r: ~``) are taken away, and what ``path`` says of them.
    Files that come with the plugin, ``weights/...`` and ``options/...``, are found from any folder.

    Raises:
        OptionsError: no such file, not YAML, not a mapping, a base that leads back to itself, or a wrong
            ``--force_yml`` path.
    """
    return changed(_read(path), forced)


def yaml_loader(path: str, forced: Iterable[str] = ()) -> type[yaml.SafeLoader]:
    """A loader class for ``yaml.load`` that gives what :func:`read_options` gives for the file ``path``."""

    class OptionsLoader(Loader):
        def get_single_data(self) -> dict[str, Any]:
            return changed(_with_base(super().get_single_data(), path), forced)

    return OptionsLoader


def take_forced(argv: list[str]) -> tuple[list[str], list[str]]:
    """Split ``sys.argv`` into itself without ``--force_yml`` and the list of that option's entries."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument('--force_yml', nargs='+', default=[])
    known, rest = parser.parse_known_args(argv[1:])
    return argv[:1] + rest, known.force_yml


def changed(options: dict[str, Any], forced: Iterable[str]) -> dict[str, Any]:
    """Options with ``forced`` applied, then as :func:`read_options` gives them; ``options`` itself may change, too.

    Args:
        options: of a file, whether :func:`read_options` has read it or not.
        forced: changes, such as ``train:total_iter=1000``.

    Raises:
        OptionsError: a wrong change.
    """
    for entry in forced:
        _force(options, entry)
    absent = [key for key, value in options.items() if str(key).startswith('network_') and value is None]
    options = {
        key: present_names(value, key) if str(key).startswith('network_') else value
        for key, value in options.items()
        if key not in absent
    }
    if isinstance(options.get('path'), dict):
        labels = [key.removeprefix('network_') for key in absent]
        gone = {f'{word}_{label}' for label in labels for word in ('pretrain_network', 'strict_load', 'param_key')}
        options['path'] = {key: value for key, value in options['path'].items() if key not in gone}
    if isinstance(options.get('datasets'), dict):
        options['datasets'] = _present(options['datasets'])
    if isinstance(options.get('val'), dict) and isinstance(options['val'].get('metrics'), dict):
        options['val'] = {**options['val'], 'metrics': _present(options['val']['metrics'])}
    return _as_basicsr_reads(options)


def _as_basicsr_reads(value: Any) -> Any:
    """A tree in which ``5e3`` is whole, and ``CPU`` a choice, where BasicSR takes these as they are; and the files that
    come with the plugin are found from any folder."""
    if not isinstance(value, dict):
        return located(value) if isinstance(value, str) else value
    tree = {key: _as_basicsr_reads(inner) for key, inner in value.items()}
    for key in _WHOLE & tree.keys():
        if isinstance(tree[key], float) and tree[key].is_integer():
            tree[key] = int(tree[key])
    return {key: inner.lower() if key in _CHOICES and isinstance(inner, str) else inner for key, inner in tree.items()}


def _present(block: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if value is not None}


def _force(options: dict[str, Any], entry: str) -> None:
    path, equals, text = entry.partition('=')
    *parents, last = [key.strip() for key in path.split(':')]
    if not equals or not last:
        raise OptionsError(f'--force_yml {entry}: has to look like train:total_iter=1000')
    block = options
    for depth, key in enumerate(parents, 1):
        if not isinstance(block, dict) or not isinstance(block.get(key), dict):
            known = [name for name, value in block.items() if isinstance(value, dict)]
            raise OptionsError(
                f'--force_yml {entry}: the options file has no block {":".join(parents[:depth])}'
                f'{did_you_mean(key, known)}'
            )
        block = block[key]
    if text == os.path.expanduser('~') != '~' and not parents:
        raise OptionsError(f'--force_yml {entry}: the shell has put your home folder in place of ~; write {last}=null')
    block[last] = _value(text.strip(), entry)


def _value(text: str, entry: str) -> Any:
    """As in the options file, and with BasicSR's own spellings for the command line: ``none``, ``!!float1e-4``."""
    if text.lower() == 'none':
        return None
    try:
        return load_yaml(text.replace('!!float', ''))
    except ValueError:
        raise OptionsError(f'--force_yml {entry}: {shown(text)} is not a YAML value') from None


def _read(path: str, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    if not os.path.isfile(path):
        origin = f'named as _base_ in {seen[-1]}' if seen else f'from {os.getcwd()}'
        raise OptionsError(f'{path}: no such options file ({origin})')
    try:
        options = load_yaml(Path(path).read_text(encoding='utf-8'))
    except UnicodeDecodeError as error:
        raise OptionsError(f'{path}: not valid YAML ({error})') from None
    except ValueError as error:
        raise OptionsError(f'{path}: {error}') from None
    if not isinstance(options, dict):
        raise OptionsError(f'{path}: not an options file (it has no "key: value" lines)')
    return _with_base(options, path, seen)


def _with_base(options: dict[str, Any], path: str, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    bases = options.pop('_base_', None)
    if bases is None:
        return options
    whole: dict[str, Any] = {}
    for name in bases if isinstance(bases, list) else [bases]:
        base = os.path.normpath(os.path.join(os.path.dirname(path), str(name)))
        if base in (path, *seen):
            raise OptionsError(f'{path}: _base_ leads back to {base}')
        whole = _merged(whole, _read(base, (*seen, path)), path)
    return _merged(whole, options, path)


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any], path: str) -> dict[str, Any]:
    """``changes`` over ``base``, key by key; every block of the result is a new one."""
    merged = dict(base)
    for key, value in changes.items():
        if isinstance(value, dict):
            below = merged.get(key) if not value.get('_delete_') else None
            if not isinstance(below, dict | None):
                raise OptionsError(f'{path}: {key} is a block here, but {below!r} in its _base_')
            value = _merged(below or {}, {name: each for name, each in value.items() if name != '_delete_'}, path)
        merged[key] = value
    return merged
