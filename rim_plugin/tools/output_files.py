"""Which files a run over pictures writes, decided before it begins."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from rim_plugin.files import require_folder, require_writable

Existing = Literal['refuse', 'replace', 'skip']


class Plan(NamedTuple):
    """What a run is to do.

    Attributes:
        jobs: each picture's path to the first file that it becomes, whose name others' begin with.
        present: how many are there already.
        skipped: a line about each picture that is left out.
    """

    jobs: dict[Path, Path]
    present: int
    skipped: list[str]


def plan_files(
    inputs: Iterable[str | os.PathLike[str]],
    output: Path,
    ending: str,
    more: Sequence[str] = (),
    existing: Existing = 'refuse',
) -> Plan:
    """Name the files of a run. Of two pictures that would become one file the second is called NAME_EXTENSION.

    Args:
        inputs: pictures, or folders that are searched with their sub-folders.
        output: the folder; the places below an input folder are kept.
        ending: of the files' names after the picture's own, ``.png``.
        more: what further files a picture has, ``_compare``: see :func:`beside`.
        existing: what becomes of inputs whose files are there: ``refuse`` all, ``replace`` them, ``skip`` them.

    Raises:
        FileNotFoundError: an input is not there, or a folder without pictures.
        FileExistsError: a file to be written is there already, with ``refuse``.
        ValueError: every picture would overwrite an input.
    """
    inputs = list(inputs)
    check_places(inputs, output)
    names = {path: output / name for each in inputs for path, name in _pictures(Path(each))}
    own = {os.path.realpath(path) for path in names}
    jobs: dict[Path, Path] = {}
    taken: set[Path] = set()
    skipped = []
    for path, name in names.items():
        target = _free(name, ending, more, taken)
        files = {target, *(beside(target, each) for each in more)}
        if inside := [file for file in files if os.path.realpath(file) in own]:
            skipped.append(f'{path}: would overwrite {inside[0]}, one of the inputs: name another folder, or --suffix')
            continue
        taken |= files
        jobs[path] = target
    if skipped and not jobs:
        raise ValueError(skipped[0])
    return _without_present(jobs, more, existing, skipped)


def check_places(inputs: Iterable[str | os.PathLike[str]], output: Path) -> None:
    """What can be told of inputs and output before networks are loaded.

    Raises:
        FileNotFoundError: an input is not there.
        NotADirectoryError: the output, or what it is in, is a file.
        PermissionError: it may not be written to.
    """
    require_folder(output)
    require_writable(output)
    for path in inputs:
        if not os.path.exists(path):
            raise FileNotFoundError(f'{path}: no such file or folder')


def beside(target: Path, kind: str) -> Path:
    """A further file of a picture: NAME_compare.png beside NAME.png; a ``kind`` that ends in / is a folder."""
    name = f'{target.stem}{kind}'
    return target.with_name(name.rstrip('/') if kind.endswith('/') else name + target.suffix)


def _free(name: Path, ending: str, more: Sequence[str], taken: set[Path]) -> Path:
    """The first file of a picture, of the first name that no other picture has."""
    extension = name.suffix[1:]
    stem = name.name.removesuffix(name.suffix)
    for number in range(len(taken) + 2):
        addition = '' if number == 0 else f'_{extension}' if number == 1 else f'_{extension}_{number}'
        target = name.with_name(f'{stem}{addition}{ending}')
        if not taken & {target, *(beside(target, each) for each in more)}:
            return target
    raise AssertionError('more names are taken than there are')


def _without_present(jobs: dict[Path, Path], more: Sequence[str], existing: Existing, skipped: list[str]) -> Plan:
    """The plan but for what is there already."""
    files = {path: [target, *(beside(target, each) for each in more)] for path, target in jobs.items()}
    if existing == 'skip':
        missing = {path: jobs[path] for path, each in files.items() if not all(file.exists() for file in each)}
        return Plan(missing, len(jobs) - len(missing), skipped)
    present = [file for each in files.values() for file in each if file.exists()]
    if existing == 'refuse' and present:
        rest = f' and {len(present) - 1} more files are' if len(present) > 1 else ' is'
        raise FileExistsError(f'{present[0]}{rest} there already: --force replaces them, --skip-existing goes on')
    return Plan(jobs, 0, skipped)


def _pictures(path: Path) -> list[tuple[Path, str | Path]]:
    """(path, name below the input) of each picture."""
    if path.is_dir():
        from rim_plugin.data.prepare import find_photos

        return [(path / name, name) for name in find_photos(path)]
    return [(path, path.name)]
