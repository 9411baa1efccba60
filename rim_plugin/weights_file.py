"""Files of weights: NAME.safetensors of this package, and whatever else a network's weights come in.

NAME.safetensors holds networks in half precision and how to rebuild them; NAME.json lies beside it. The tensors of the
hallucination network begin with ``fhn.``, those of the recogniser with ``hrn.``, those of a teacher, where its licence
lets it travel, with ``teacher.``; the metadata ``rim`` hold as JSON the format's number, each network's options, the
calibrations, the sides of probes that the hallucination network is for, and how they were trained. NAME.json holds the
SHA-256 and the same facts to read. Where the teacher is not inside, its options are, from which HRN takes strides and
normalisation.

Nothing is unpickled: ``.pth`` files are read with ``weights_only``.
"""

import hashlib
import json
import math
import os
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from rim_plugin.errors import MissingPackage, OptionsError, first_words, some
from rim_plugin.files import file_digest, read_metadata, write_atomically

from basicsr.utils.registry import ARCH_REGISTRY

FORMATS = {False: 1, True: 2}  # without and with a teacher inside, by whose embedding faces of 112 pixels go
LABELS = ('fhn', 'hrn', 'teacher')
_UNTOLD_SIDES = (7, 56)  # of files that do not tell: those of query_size in options/rim_more.yml
_HOW_TO_MAKE = 'scripts/pack_weights.py makes one from a training'
# names of before, which options and files may hold, and those that networks have
_FORMER_OPTIONS = {'work_size': 'feature_size'}
_FORMER_TENSORS = (r'\b(student|assistant)\.fits\.', r'\1.adapters.')

# Tri-path generators, which are half of an FHN.
GENERATORS = ('TriPathGenerator', 'SubPixelTriPathGenerator')
# Prefix of a network's tensors in NAME.safetensors, and in the network itself; 'fhn.' and none for other SR networks.
_PACKED = {
    'HRN': ('hrn.', ''),
    **dict.fromkeys(GENERATORS, ('fhn.generator.', '')),
    'MixAdversarialDiscriminator': ('fhn.integrator.', 'integrator.'),
}

State = dict[str, Tensor]
Numbers = TypeVar('Numbers')  # a named tuple of them


class Tail(NamedTuple):
    """How often faces of different persons are alike, see :func:`rim_plugin.tools.calibration.fit_tail`.

    Attributes:
        scores: similarities that they reach at the rates of :data:`rim_plugin.tools.calibration.FALSE_MATCH_RATES`.
        scale, shape: of the generalised Pareto distribution beyond the last of them.
    """

    scores: tuple[float, ...]
    scale: float
    shape: float


class Calibration(NamedTuple):
    """What pairs of faces of two sizes taught.

    Attributes:
        size: side of the smaller face in pixels.
        threshold: similarity from which a pair counts as one person: one and two persons are equally likely there.
        slope: of the log odds above the threshold: probability of one person = 1 / (1 + exp(-slope (s - t))).
        pairs: how many pairs taught it.
        other: side of the larger face in pixels; a file that does not tell means faces of full resolution.
        slope_below: below the threshold; None: the same.
        tail: the false match rate of a similarity; None: not measured.
    """

    size: int
    threshold: float
    slope: float
    pairs: int
    other: int = 112
    slope_below: float | None = None
    tail: Tail | None = None

    @property
    def lower_slope(self) -> float:
        """Slope of the log odds below the threshold."""
        return self.slope if self.slope_below is None else self.slope_below


class Quality(NamedTuple):
    """How an aligned face of one size is told from pictures that are none, see :mod:`rim_plugin.tools.quality`.

    Attributes:
        size: side of the picture in pixels.
        means, scales: of the features, float each, by which they are made comparable.
        coefficients: of the comparable features in the log odds of a face.
        intercept: of the log odds.
        least: quality below which a picture gets no verdict.
    """

    size: int
    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    least: float


class _Header(msgspec.Struct):
    """The metadata ``rim``, as far as their kinds go."""

    networks: dict[str, dict[str, Any]]
    calibrations: list[dict[str, Any]]
    facts: dict[str, Any]
    qualities: list[dict[str, Any]] = []
    sides: tuple[int, int] | None = None


class Weights(NamedTuple):
    """What NAME.safetensors holds.

    Attributes:
        networks: label of LABELS to the options that ARCH_REGISTRY builds the network from; each may lack.
        tensors: ``LABEL.KEY`` to tensor, half precision.
        calibrations: one for each pair of sizes.
        facts: how the networks were trained and what was measured, JSON values.
        sha256: of the file, hexadecimal; empty before there is one.
        qualities: one for each size of a picture.
        sides: least and largest side in pixels of probes that the hallucination network was trained for; None: not
            known. Others fade to bicubic interpolation, see :meth:`RIMPipeline.share`.
    """

    networks: dict[str, dict[str, Any]]
    tensors: State
    calibrations: tuple[Calibration, ...] = ()
    facts: dict[str, Any] = {}
    sha256: str = ''
    qualities: tuple[Quality, ...] = ()
    sides: tuple[int, int] | None = None


def save_weights(weights: Weights, path: str | os.PathLike[str]) -> Weights:
    """Write NAME.safetensors and NAME.json.

    Args:
        weights: networks, tensors, calibrations and facts; its ``sha256`` is not looked at.
        path: the ``.safetensors`` file; its folder is made.

    Returns:
        ``weights`` with the SHA-256 of the file.
    """
    path = Path(path)
    measured = {
        'sides': weights.sides,
        'calibrations': [_calibration_values(each) for each in weights.calibrations],
        'qualities': [each._asdict() for each in weights.qualities],
        'facts': weights.facts,
    }
    header = {'format': FORMATS['teacher' in weights.networks], 'networks': weights.networks, **measured}
    content = save(weights.tensors, {'rim': json.dumps(header)})
    digest = hashlib.sha256(content).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
    sidecar = {'file': path.name, 'sha256': digest, **measured}
    write_atomically(path.with_suffix('.json'), json.dumps(sidecar, indent=2) + '\n')
    return weights._replace(sha256=digest)


def load_weights(path: str | os.PathLike[str]) -> Weights:
    """Read NAME.safetensors, whose SHA-256 has to be that of NAME.json.

    Raises:
        OptionsError: no such file, not of this format, of a later one, without NAME.json, or of another SHA-256.
    """
    path = Path(path)
    if not path.is_file():
        raise OptionsError(f'{path}: no such weights file; {_HOW_TO_MAKE}')
    header = _read_header(path)
    if not header:
        raise OptionsError(f'{path}: a safetensors file, but no weights file of RIM; {_HOW_TO_MAKE}')
    if header.get('format') not in FORMATS.values():
        known = ' and '.join(map(str, FORMATS.values()))
        raise OptionsError(f'{path}: is of format {header.get("format")}; this rim_plugin reads {known}: update it')
    digest, tensors = require_digest(path), _read_safetensors(path)
    try:
        networks, calibrations = present_names(header['networks']), tuple(map(_calibration, header['calibrations']))
        qualities, sides = tuple(map(_quality, header.get('qualities', ()))), _sides(header)
        return Weights(networks, tensors, calibrations, header['facts'], digest, qualities, sides)
    except (KeyError, TypeError, ValueError) as error:
        raise _unknown_metadata(path, error) from None


def _calibration_values(calibration: Calibration) -> dict[str, Any]:
    """A calibration as JSON values."""
    return {**calibration._asdict(), 'tail': calibration.tail and calibration.tail._asdict()}


def _calibration(values: dict[str, Any]) -> Calibration:
    """A calibration from JSON values; files of before have no pairs of sizes and no tails."""
    tail = values.get('tail')
    return _of_numbers(Calibration, {**values, 'tail': tail and _of_numbers(Tail, tail)})


def _quality(values: dict[str, Any]) -> Quality:
    """A quality from JSON values."""
    return _of_numbers(Quality, values)


def _of_numbers(kind: type[Numbers], values: Mapping[str, Any]) -> Numbers:
    """A named tuple of finite numbers, and tuples of these, from values by name; TypeError or ValueError otherwise."""
    filled: Any = kind(**values)
    made = msgspec.convert(list(filled), kind)
    for name, value in zip(filled._fields, filled):
        for number in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(number, float) and not math.isfinite(number):
                raise ValueError(f'{name} is not finite')
    return made


def _read_header(path: Path) -> dict[str, Any]:
    """The metadata ``rim`` of NAME.safetensors; empty for another safetensors file."""
    try:
        header = read_metadata(path, 'rim')
    except ValueError as error:
        raise OptionsError(f'{path}: damaged, or no weights file of RIM ({error}); {_HOW_TO_MAKE}') from None
    if header.get('format') in FORMATS.values():
        try:
            msgspec.convert(header, _Header)
            least, largest = _sides(header)
            if not 0 < least <= largest:
                raise ValueError(f'sides {least} to {largest}')
        except ValueError as error:
            raise _unknown_metadata(path, error) from None
    return header


def _unknown_metadata(path: Path, error: Exception) -> OptionsError:
    return OptionsError(f'{path}: its metadata are not of this version of rim_plugin ({first_words(error)})')


def _sides(header: Mapping[str, Any]) -> tuple[int, int]:
    least, largest = header.get('sides') or _UNTOLD_SIDES
    return int(least), int(largest)


def packed_sides(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """``sides`` of the hallucination network in NAME.safetensors; None for other files, which do not tell them."""
    header = _read_header(Path(path)) if str(path).endswith('.safetensors') else {}
    return _sides(header) if 'fhn' in header.get('networks', {}) else None


def build_packed(weights: Weights, label: str, path: str | os.PathLike[str] = '') -> nn.Module | None:
    """The network of a label of LABELS with its weights, in single precision; None where the file has none.

    Args:
        weights: holds the network's options and, as ``LABEL.KEY``, its tensors.
        label: which network.
        path: named in the error.

    Raises:
        OptionsError: this version has no such network, or another one than the weights are of; or a package that the
            network needs is not installed.
    """
    if label not in weights.networks:
        return None
    options = dict(weights.networks[label])
    kind = options.pop('type', None)
    try:
        net = ARCH_REGISTRY.get(kind)(**options)
    except MissingPackage as error:
        raise OptionsError(f'{path}: {error}') from None
    except (KeyError, TypeError, ValueError) as error:
        message = f'{kind} cannot be built with the options in it ({error}); use the rim_plugin that made the file'
        raise OptionsError(f'{path}: {message}') from None
    state = _part(weights.tensors, f'{label}.')
    require_fit(net, state, path)
    net.load_state_dict(state)
    return net


def packed_options(path: str | os.PathLike[str], label: str) -> dict[str, Any]:
    """Options of a network, ``fhn`` or ``hrn``, in NAME.safetensors; empty for other files."""
    if not str(path).endswith('.safetensors'):
        return {}
    return present_names(_read_header(Path(path)).get('networks', {}).get(label, {}))


def is_packed(weights: Mapping[str, Any]) -> bool:
    """Whether these are the tensors of a NAME.safetensors of this package, by their names."""
    return bool(weights) and all(key.startswith(tuple(f'{label}.' for label in LABELS)) for key in weights)


def packed_student(weights: State) -> State:
    """HRN's student among the tensors of NAME.safetensors, as a recogniser of its own; empty where there is none."""
    return _part(weights, 'hrn.student.net.')


def _part(weights: State, prefix: str) -> State:
    return {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}


def read_tensors(path: str | os.PathLike[str]) -> Any:
    """Content of a ``.pth`` or ``.state`` file, on the CPU, without running any code that it may hold.

    Raises:
        OptionsError: missing, damaged, or holding more than tensors and plain values.
    """
    if not os.path.isfile(path):
        raise OptionsError(f'{path}: {"a folder, no file" if os.path.isdir(path) else "no such file"}')
    try:
        if zipfile.is_zipfile(path):
            _require_checksums(path)
        return torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        message = 'not a file of tensors and plain values that is safe to read'
        raise OptionsError(f'{path}: {message} ({first_words(error)})') from error


def _require_checksums(path: str | os.PathLike[str]) -> None:
    """That each part of a zip archive, as torch.save writes it, has its CRC: torch.load does not look."""
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise ValueError(f'damaged: {damaged} has another checksum')


def read_weights(path: str | os.PathLike[str], param_key: str | None = 'params') -> Any:
    """A network's state dict from a BasicSR ``.pth`` file or from ``.safetensors``.

    Args:
        path: the file.
        param_key: where a ``.pth`` file holds it (``params`` is taken where that is absent); None for all it holds.

    Raises:
        OptionsError: see :func:`read_tensors`; or the file holds no such key.
    """
    if str(path).endswith('.safetensors'):
        weights = _read_safetensors(path)
        if is_packed(weights):
            require_digest(path)
        return weights
    content = read_tensors(path)
    if param_key is not None and isinstance(content, dict):
        if param_key not in content and 'params' in content:
            from basicsr.utils import get_root_logger

            get_root_logger().info(f'{path} has no {param_key}: params is used.')
            param_key = 'params'
        if param_key not in content:
            message = f'no weights under {param_key!r}; the file holds {some(content) or "nothing"}'
            raise OptionsError(f'{path}: {message} (path.param_key_* says where they are; ~ for a bare state dict)')
        content = content[param_key]
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise OptionsError(f'{path}: holds no weights, tensors by name')
    return _renamed_tensors(content)


def _read_safetensors(path: str | os.PathLike[str]) -> State:
    try:
        return _renamed_tensors(load_file(path))
    except Exception as error:
        raise OptionsError(f'{path}: not a readable safetensors file ({first_words(error)})') from error


def load_into(
    net: nn.Module, path: str | os.PathLike[str], param_key: str | None = 'params', strict: bool = True
) -> State:
    """Load a network's weights from a file: NAME.safetensors of this package, ``.safetensors`` or BasicSR's ``.pth``.

    Args:
        net: changed in place; not wrapped.
        path: the file.
        param_key: see :func:`read_weights`.
        strict: False leaves alone what the file does not have or has in another shape, and passes over what the
            network does not have.

    Returns:
        The weights that were read.

    Raises:
        OptionsError: see :func:`read_weights`; with ``strict``, the weights are another network's.
    """
    weights = {key.removeprefix('module.'): value for key, value in read_weights(path, param_key).items()}
    if is_packed(weights):
        packed, prefix = _PACKED.get(type(net).__name__, ('fhn.', ''))
        part = {prefix + key: value for key, value in _part(weights, packed).items()}
        # the rest of the network is not packed: inference does without
        weights = {key: value for key, value in net.state_dict().items() if not key.startswith(prefix)} | part
    own, fitting = net.state_dict(), weights
    if strict:
        require_fit(net, weights, path)
    else:  # torch would raise for another shape
        fitting = {
            key: value for key, value in weights.items() if key in own and own[key].shape == getattr(value, 'shape', 0)
        }
        if message := misfit({key: own[key] for key in fitting}, fitting):
            raise OptionsError(f'{path}: {message}')
    net.load_state_dict(fitting, strict=strict)
    return weights


def require_digest(path: str | os.PathLike[str]) -> str:
    """The SHA-256 (hexadecimal) of NAME.safetensors.

    Raises:
        OptionsError: it is not that of NAME.json beside the file, or there is none.
    """
    path = Path(path)
    sidecar, digest = path.with_suffix('.json'), file_digest(path)
    try:
        expected = json.loads(sidecar.read_text(encoding='utf-8'))['sha256']
    except FileNotFoundError:
        raise OptionsError(f'{sidecar}: missing; it holds the SHA-256 of {path.name}: put it there, too') from None
    except (ValueError, KeyError, TypeError):
        raise OptionsError(f'{sidecar}: holds no SHA-256 of {path.name}: fetch it again') from None
    if digest != expected:
        message = f'its SHA-256 is {digest[:12]}..., not that of {sidecar.name}: damaged, or another file'
        raise OptionsError(f'{path}: {message}; fetch both again')
    return digest


def require_fit(net: nn.Module, weights: Mapping[str, Tensor], path: str | os.PathLike[str]) -> None:
    """Check that ``weights`` are those of ``net``.

    Raises:
        OptionsError: they are not; names ``path`` and the keys.
    """
    message = misfit(net.state_dict(), weights)
    if message:
        raise OptionsError(f'{path} does not fit {type(net).__name__}: {message}')


def misfit(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> str:
    """What keeps ``weights`` from fitting ``own``, in words: keys, shapes and values; empty where they fit."""
    if odd := [key for key, value in weights.items() if not torch.is_tensor(value)]:
        return f'no tensors: {some(odd)}'
    common = own.keys() & weights.keys()
    differing = [key for key in common if own[key].shape != weights[key].shape]
    shapes = [f'{key} {tuple(weights[key].shape)} for {tuple(own[key].shape)}' for key in differing]
    problems = {
        'missing': own.keys() - weights.keys(),
        'unexpected': weights.keys() - own.keys(),
        'other shape': shapes,
        'other type': [key for key in common if own[key].is_floating_point() != weights[key].is_floating_point()],
        'NaN or infinite': [key for key in common if not torch.isfinite(weights[key]).all()],
    }
    return '; '.join(f'{kind}: {some(names)}' for kind, names in problems.items() if names)


def present_names(options: Any, place: str = '') -> Any:
    """Options of networks, within each other, by the names that constructors take.

    Args:
        options: may hold former names.
        place: where they stand, for a warning of each former name; empty for none.
    """
    if not isinstance(options, dict):
        return options
    for former in _FORMER_OPTIONS.keys() & options.keys() if place else ():
        warnings.warn(f'{place}.{former} is the former name of {_FORMER_OPTIONS[former]}')
    return {
        _FORMER_OPTIONS.get(key, key): present_names(value, place and f'{place}.{key}')
        for key, value in options.items()
    }


def _renamed_tensors(state: State) -> State:
    """A state dict whose tensors have the names that the networks give them; files may hold other names of theirs."""
    return {re.sub(*_FORMER_TENSORS, key): value for key, value in state.items()}
