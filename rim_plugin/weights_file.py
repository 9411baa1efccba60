"""The format of weights files, NAME.safetensors of this package, and how networks are built and loaded from them.

NAME.safetensors holds networks in half precision and how to rebuild them; NAME.json lies beside it. The tensors of the
hallucination network begin with ``fhn.``, those of the recogniser with ``hrn.``, those of a teacher, where its licence
lets it travel, with ``teacher.``; the metadata ``rim`` hold as JSON the format's number, each network's options, the
calibrations, the sides of probes that the hallucination network is for, and how they were trained. NAME.json holds the
SHA-256 and the same facts to read. Where the teacher is not inside, its options are, from which HRN takes strides and
normalisation.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from safetensors.torch import save
from torch import nn

from rim_plugin.building import build_network
from rim_plugin.calibration_values import Calibration, Quality, calibration_values, read_calibration, read_quality
from rim_plugin.errors import MissingPackage, OptionsError, first_words
from rim_plugin.files import read_metadata, write_atomically
from rim_plugin.former_names import present_names
from rim_plugin.tensor_files import (
    State,
    is_packed,
    misfit,
    read_safetensors,
    read_weights,
    require_digest,
    require_fit,
)

FORMATS = {False: 1, True: 2}  # without and with a teacher inside, by whose embedding faces of 112 pixels go
_UNTOLD_SIDES = (7, 56)  # of files that do not tell: those of query_size in options/rim_more.yml
_HOW_TO_MAKE = 'scripts/pack_weights.py makes one from a training'

# Tri-path generators, which are half of an FHN.
GENERATORS = ('TriPathGenerator', 'SubPixelTriPathGenerator')
# Prefix of a network's tensors in NAME.safetensors, and in the network itself; 'fhn.' and none for other SR networks.
_PACKED = {
    'HRN': ('hrn.', ''),
    **dict.fromkeys(GENERATORS, ('fhn.generator.', '')),
    'MixAdversarialDiscriminator': ('fhn.integrator.', 'integrator.'),
}


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
        networks: label of LABELS to the options that build_network takes; each may lack.
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
        'calibrations': [calibration_values(each) for each in weights.calibrations],
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
    digest, tensors = require_digest(path), read_safetensors(path)
    try:
        networks, calibrations = present_names(header['networks']), tuple(map(read_calibration, header['calibrations']))
        qualities, sides = tuple(map(read_quality, header.get('qualities', ()))), _sides(header)
        return Weights(networks, tensors, calibrations, header['facts'], digest, qualities, sides)
    except (KeyError, TypeError, ValueError) as error:
        raise _unknown_metadata(path, error) from None


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
    options = weights.networks[label]
    try:
        net = build_network(options)
    except MissingPackage as error:
        raise OptionsError(f'{path}: {error}') from None
    except (KeyError, TypeError, ValueError) as error:
        message = f'cannot be built with the options in it ({error}); use the rim_plugin that made the file'
        raise OptionsError(f'{path}: {options.get("type")} {message}') from None
    state = _part(weights.tensors, f'{label}.')
    require_fit(net, state, path)
    net.load_state_dict(state)
    return net


def packed_options(path: str | os.PathLike[str], label: str) -> dict[str, Any]:
    """Options of a network, ``fhn`` or ``hrn``, in NAME.safetensors; empty for other files."""
    if not str(path).endswith('.safetensors'):
        return {}
    return present_names(_read_header(Path(path)).get('networks', {}).get(label, {}))


def packed_student(weights: State) -> State:
    """HRN's student among the tensors of NAME.safetensors, as a recogniser of its own; empty where there is none."""
    return _part(weights, 'hrn.student.net.')


def packed_teacher(weights: State) -> State:
    """The teacher among the tensors of NAME.safetensors; empty where it is not inside."""
    return _part(weights, 'teacher.')


def _part(weights: State, prefix: str) -> State:
    return {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}


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
