"""Published sets of faces that are small by nature, in the layouts in which they are published.

Each has images, templates (images of a person that are compared as one), searches of a gallery, and pairs.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.io import loadmat

from rim_plugin.data.prepare import find_photos
from rim_plugin.errors import OptionsError
from rim_plugin.options.datasets import NativeOptions

_CAMERAS = range(1, 6)  # of SCface, those of visible light
_DISTANCES = {1: '4.20 m', 2: '2.60 m', 3: '1.00 m'}


class Search(NamedTuple):
    """Probes that search a gallery; indices are of templates.

    Attributes:
        gallery, identities: (G,) templates, and who they are.
        probes, probe_identities: (P,) of persons who are in the gallery.
        strangers: (U,) probes of persons who are not; may be empty.
    """

    gallery: np.ndarray
    identities: np.ndarray
    probes: np.ndarray
    probe_identities: np.ndarray
    strangers: np.ndarray


class NativeSet(NamedTuple):
    """A set in its published layout.

    Attributes:
        images: paths of the images below the set's folder.
        templates: (N,) int64, the template of each image, from 0.
        media: (N,) int64, the photo or film of each image; frames of one film count once in a template.
        searches: by name.
        pairs, issame: (P, 2) templates and (P,) bool, for verification; None where the set has none.
        points: (N, 5, 2) in pixels of the images, where the set has them; else None.
    """

    images: list[str]
    templates: np.ndarray
    media: np.ndarray
    searches: dict[str, Search]
    pairs: np.ndarray | None = None
    issame: np.ndarray | None = None
    points: np.ndarray | None = None


def read_native_set(options: NativeOptions, place: str) -> NativeSet:
    """Read the lists of a set.

    Args:
        options: which layout, and where it is.
        place: how errors name the set.

    Raises:
        OptionsError: a list or an image is absent, or a list is not as published; the message names it.
    """
    root = Path(options.dataroot_gt).expanduser()
    try:
        found = _LAYOUTS[options.layout](root)
    except _LayoutError as error:
        raise OptionsError(f'{place}: layout {options.layout}: {error}') from None
    absent = next((image for image in found.images if not (root / image).is_file()), None)
    if absent is not None:
        raise OptionsError(f'{place}: layout {options.layout}: {root / absent} is in a list, but absent')
    return found


class _LayoutError(ValueError):
    """What a folder lacks of a layout."""


def _of_images(groups: Iterable[list[str]]) -> tuple[list[str], list[np.ndarray]]:
    """All images, each a template of its own, and the indices of each group."""
    images: list[str] = []
    indices = []
    for group in groups:
        indices.append(np.arange(len(images), len(images) + len(group)))
        images += group
    return images, indices


def _tinyface(root: Path) -> NativeSet:
    """``Testing_Set`` of TinyFace (Cheng et al., ACCV 2018): every distractor is a person by itself, of the gallery."""
    folder = Path('Testing_Set')
    gallery, who = _mat_list(root / folder, 'gallery_match_img_ID_pairs.mat', 'gallery_set', 'gallery_ids')
    probes, probe_who = _mat_list(root / folder, 'probe_img_ID_pairs.mat', 'probe_set', 'probe_ids')
    distractors = _listed(root, folder / 'Gallery_Distractor')
    groups = [_below(folder / 'Gallery_Match', gallery), distractors, _below(folder / 'Probe', probes)]
    images, (matching, others, searching) = _of_images(groups)
    unknown = np.array([f'distractor {name}' for name in distractors], dtype=str)
    search = Search(
        np.concatenate([matching, others]), np.concatenate([who, unknown]), searching, probe_who, np.array([], np.int64)
    )
    return _each_alone(images, {'identification': search})


def _survface(root: Path) -> NativeSet:
    """QMUL-SurvFace (Cheng et al. 2018): open-set identification, and verification of its pairs."""
    folder, verification = Path('Face_Identification_Test_Set'), Path('Face_Verification_Test_Set')
    lists = [root / folder, root / 'Face_Identification_Evaluation']  # where releases have them
    gallery, who = _mat_list(lists, 'gallery_img_ID_pairs.mat', 'gallery_set', 'gallery_ids')
    mated, mated_who = _mat_list(lists, 'mated_probe_img_ID_pairs.mat', 'mated_probe_set', 'mated_probe_ids')
    unmated = _listed(root, folder / 'unmated_probe')
    pairs = [
        _mat(root / verification / f'{kind}_pairs_names.mat', f'{kind}_pairs_names')
        for kind in ('positive', 'negative')
    ]
    if any(each.ndim != 2 or each.shape[1] != 2 for each in pairs):
        raise _LayoutError(f'{verification}: lists of pairs have two columns')
    names = [[_text(cell) for cell in each.ravel()] for each in pairs]
    verified = list(dict.fromkeys([*names[0], *names[1]]))
    groups = [_below(folder / 'gallery', gallery), _below(folder / 'mated_probe', mated), unmated]
    images, (in_gallery, known, strangers, faces) = _of_images(
        [*groups, _below(verification / 'verification_images', verified)]
    )
    place = dict(zip(verified, faces.tolist()))
    listed = np.array([place[name] for name in [*names[0], *names[1]]]).reshape(-1, 2)
    issame = np.repeat([True, False], [len(each) for each in pairs])
    search = Search(in_gallery, who, known, mated_who, strangers)
    return _each_alone(images, {'identification': search})._replace(pairs=listed, issame=issame)


def _scface(root: Path) -> NativeSet:
    """SCface (Grgic et al. 2011): 001_frontal is the gallery, 001_cam1_1 a probe of camera 1 at distance 1, in any
    folders; each distance, from 4.20 to 1.00 m, is a search by the five cameras of visible light."""
    photos = {path.stem.lower(): path.as_posix() for path in sorted(_photos(root), reverse=True)}
    gallery = {stem.split('_')[0]: name for stem, name in sorted(photos.items()) if stem.endswith('_frontal')}
    if not gallery:
        raise _LayoutError(f'{root}: no file NUMBER_frontal.jpg')
    probes = {
        distance: [
            (who, photos[stem])
            for who in gallery
            for camera in _CAMERAS
            if (stem := f'{who}_cam{camera}_{distance}') in photos
        ]
        for distance in _DISTANCES
    }
    if absent := [distance for distance, found in probes.items() if not found]:
        raise _LayoutError(f'{root}: no file NUMBER_camCAMERA_{absent[0]}.jpg of distance {absent[0]}')
    images, (first, *rest) = _of_images(
        [[*gallery.values()], *([name for _, name in found] for found in probes.values())]
    )
    searches = {
        f'distance_{distance}': Search(
            first, np.array([*gallery]), indices, np.array([who for who, _ in probes[distance]]), np.array([], np.int64)
        )
        for distance, indices in zip(probes, rest)
    }
    return _each_alone(images, searches)


def _ijb(root: Path) -> NativeSet:
    """IJB-B or IJB-C as insightface hands them on: ``meta/`` with lists and five points, images in ``loose_crop/``."""
    lists = sorted((root / 'meta').glob('*_face_tid_mid.txt'))
    if len(lists) != 1:
        raise _LayoutError(f'{root / "meta"}: {len(lists) or "no"} files ijb?_face_tid_mid.txt; one is wanted')
    name = lists[0].name.split('_')[0]
    rows = _table(lists[0], (3,))
    numbers, templates = np.unique(rows[:, 1], return_inverse=True)
    place = {number: index for index, number in enumerate(numbers.tolist())}
    pairs = _table(root / f'meta/{name}_template_pair_label.txt', (3,))
    points = _table(root / f'meta/{name}_name_5pts_score.txt', (11, 12))
    if rows[:, 0].tolist() != points[:, 0].tolist():
        raise _LayoutError(f'meta/{name}_name_5pts_score.txt has other images, or another order, than {lists[0].name}')
    try:
        media = np.unique(rows[:, 2], return_inverse=True)[1]
        listed = np.array([[place[each] for each in row[:2]] for row in pairs.tolist()])
        searches = _ijb_searches(root, name, place)
        five = points[:, 1:11].astype(np.float64).reshape(-1, 5, 2)
    except KeyError as error:
        raise _LayoutError(f'template {error.args[0]} is in no line of {lists[0].name}') from None
    images = _below(Path('loose_crop'), rows[:, 0].tolist())
    return NativeSet(images, templates, media, searches, listed, pairs[:, 2] == '1', five)


def _ijb_searches(root: Path, name: str, place: dict[str, int]) -> dict[str, Search]:
    """A search of each gallery, where the lists of 1:N are there; probes whose person is in the other are strangers."""
    probes_list = root / f'meta/{name}_1N_probe_mixed.csv'
    if not probes_list.is_file():
        return {}
    probes = _templates(probes_list)
    searches = {}
    for path in sorted((root / 'meta').glob(f'{name}_1N_gallery_*.csv')):
        gallery = _templates(path)
        known = np.isin(probes[:, 1], gallery[:, 1])
        indices = np.array([place[each] for each in probes[:, 0].tolist()], np.int64)
        enrolled = np.array([place[each] for each in gallery[:, 0].tolist()], np.int64)
        searches[f'gallery_{path.stem.rsplit("_")[-1]}'] = Search(
            enrolled, gallery[:, 1], indices[known], probes[known, 1], indices[~known]
        )
    return searches


_LAYOUTS: dict[str, Callable[[Path], NativeSet]] = {
    'tinyface': _tinyface,
    'survface': _survface,
    'scface': _scface,
    'ijb': _ijb,
}


def _each_alone(images: list[str], searches: dict[str, Search]) -> NativeSet:
    numbers = np.arange(len(images))
    return NativeSet(images, numbers, numbers, searches)


def _below(folder: Path, names: list[str]) -> list[str]:
    return [(folder / name).as_posix() for name in names]


def _photos(folder: Path) -> list[Path]:
    try:
        return find_photos(folder)
    except FileNotFoundError as error:
        raise _LayoutError(str(error)) from None


def _listed(root: Path, folder: Path) -> list[str]:
    """Images of a folder below ``root``, by name."""
    return _below(folder, [path.as_posix() for path in _photos(root / folder)])


def _mat(path: Path, key: str) -> np.ndarray:
    """A variable of a file of MATLAB."""
    try:
        return np.asarray(loadmat(path)[key])
    except FileNotFoundError:
        raise _LayoutError(f'{path}: no such file') from None
    except KeyError:
        raise _LayoutError(f'{path}: no variable {key}') from None
    except Exception as error:  # scipy has no one error for a damaged file
        raise _LayoutError(f'{path}: cannot be read: {str(error).splitlines()[0] if str(error) else error!r}') from None


def _text(cell: Any) -> str:
    """Of a cell of MATLAB, which may hold arrays of arrays."""
    while isinstance(cell, np.ndarray):
        if cell.size != 1:
            raise _LayoutError(f'a name is {cell.tolist()!r}')
        cell = cell.item()
    return str(cell)


def _mat_list(folders: Path | list[Path], file: str, names: str, numbers: str) -> tuple[list[str], np.ndarray]:
    """Names of images and who they show, (N,) str, of a list in the first folder that has it."""
    places = [folders] if isinstance(folders, Path) else folders
    path = next((each / file for each in places if (each / file).is_file()), places[0] / file)
    images, who = [_text(cell) for cell in _mat(path, names).ravel()], _mat(path, numbers).ravel()
    if len(images) != len(who) or not images:
        raise _LayoutError(f'{path}: {len(images)} images of {len(who)} persons')
    return images, np.array([_text(each) for each in who])


def _table(path: Path, columns: tuple[int, ...]) -> np.ndarray:
    """Words of a text file, (N, columns) str."""
    try:
        rows = [line.split() for line in path.read_text(encoding='utf-8').splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise _LayoutError(f'{path}: no such text file') from None
    odd = next((number for number, row in enumerate(rows, 1) if len(row) != len(rows[0])), None)
    if odd or not rows or len(rows[0]) not in columns:
        raise _LayoutError(f'{path}: line {odd or 1} has not {columns[0]} words, as all should')
    return np.array(rows)


def _templates(path: Path) -> np.ndarray:
    """Template and person of each line of a list of 1:N, (N, 2) str; a template with several images once."""
    lines = path.read_text(encoding='utf-8', errors='replace').splitlines()[1:]
    return np.array([*dict.fromkeys(tuple(line.split(',')[:2]) for line in lines if line.strip())])
