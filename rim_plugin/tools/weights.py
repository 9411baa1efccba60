"""Weights files: NAME.safetensors in half precision, which says how to rebuild its networks, and NAME.json beside it.

The tensors of the hallucination network begin with ``fhn.``, those of the recogniser with ``hrn.``; the metadata
``rim`` hold as JSON the format's number, each network's options, the calibrations and how they were trained.
NAME.json holds the SHA-256 and the same facts to read. The teacher is not inside: only its options, from which HRN takes
strides and normalisation.
"""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import torch
from basicsr.utils.registry import ARCH_REGISTRY
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from rim_plugin.compat.checkpoints import read_weights, require_digest, require_fit
from rim_plugin.data.lmdb_writer import write_atomically
from rim_plugin.options import OptionsError
from rim_plugin.tools.calibration import Calibration

FORMAT = 1
_HALF_MAX = torch.finfo(torch.float16).max
_HOW_TO_MAKE = 'scripts/pack_weights.py makes one from a training'


class Weights(NamedTuple):
    """What a weights file holds.

    Attributes:
        networks: label (``fhn``, ``hrn``) to the options that ARCH_REGISTRY builds the network from; either may lack.
        tensors: ``LABEL.KEY`` to tensor, half precision.
        calibrations: tuple of Calibration.
        facts: how the networks were trained and what was measured, JSON values.
        sha256: of the file, hexadecimal; empty before there is one.
    """
    networks: dict
    tensors: dict
    calibrations: tuple = ()
    facts: dict = {}
    sha256: str = ''


def trained_weights(options, fhn=None, hrn=()):
    """The averaged weights (``params_ema``) of a training, in half precision.

    Args:
        options (dict): of the training, with ``network_g`` (and ``network_d``) for ``fhn``, ``network_r`` and
            ``network_t`` for ``hrn``.
        fhn (str | None): ``net_fhn_*.pth``, or ``net_g_*.pth`` of an SR network without priors.
        hrn (Sequence[str]): ``net_r_*.pth``. Of several the mean is taken, which often surpasses each where they began
            with the same weights (model soups: Wortsman et al., ICML 2022).

    Returns:
        Weights: without calibrations and facts.

    Raises:
        OptionsError: a file cannot be read or does not fit the options; no file is named; the recogniser cannot embed
            without its teacher.
    """
    files = {label: paths for label, paths in (('fhn', [fhn] if fhn else []), ('hrn', list(hrn))) if paths}
    if not files:
        raise OptionsError('no weights are named: net_fhn_*.pth, net_r_*.pth or both')
    networks, tensors = {label: _network_options(options, label) for label in files}, {}
    for label, paths in files.items():
        states = [_folded_state(networks, label, path) for path in paths]
        tensors.update({f'{label}.{key}': _half(_mean([state[key] for state in states])) for key in states[0]})
    return Weights(networks, tensors)


def _folded_state(networks, label, path):
    found = {f'{label}.{key}': value for key, value in read_weights(path, 'params_ema').items()}
    return fold_statistics(build_network(Weights(networks, found), label, path)).state_dict()


def _mean(values):
    return sum(values) / len(values) if values[0].is_floating_point() else values[0]


def fold_statistics(net):
    """Fold BatchNorm's running statistics into its scales and shifts, so that mean 0 and variance 1 stay behind.

    In evaluation the network computes what it did. Statistics that training never touched (``norm_eval``) are those of
    the network whose weights it began with; what is left after folding are numbers that were trained.

    Args:
        net (nn.Module): changed in place; its BatchNorm layers have scales and shifts.

    Returns:
        nn.Module: ``net``.
    """
    for layer in net.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            scale = layer.weight.data * (layer.running_var + layer.eps).rsqrt()
            layer.bias.data -= scale * layer.running_mean
            layer.weight.data = scale * (1 + layer.eps)**0.5
            layer.reset_running_stats()
    return net


def _network_options(options, label):
    """Options that ARCH_REGISTRY builds a network of a training from."""
    needed = 'network_g' if label == 'fhn' else 'network_r'
    if needed not in options:
        raise OptionsError(f'the options file has no {needed}, whose weights are to be packed')
    block = options[needed]
    if label == 'fhn':
        if block['type'] != 'TriPathGenerator':
            return dict(block)
        generator = {key: value for key, value in block.items() if key != 'type'}
        return {'type': 'FHN', 'generator': generator, 'integrator': options['network_d'].get('integrator') or {}}
    if block.get('head', 'teacher') != 'own':
        raise OptionsError('network_r.head is teacher: embeddings would need the weights of the teacher, which do not '
                           'go into the file; train with head: own')
    return {**block, 'teacher': dict(options['network_t'])}


def _half(value):
    """Half precision, but as it is where that cannot hold it; contiguous, as safetensors wants it."""
    fits = value.is_floating_point() and value.abs().max() <= _HALF_MAX
    return (value.half() if fits else value).contiguous()


def build_network(weights, label, path=''):
    """The network of a label (``fhn``, ``hrn``) with its weights, in single precision; None where the file has none.

    Args:
        weights (Weights): see there. label (str): which network. path (str | Path): named in the error.

    Raises:
        OptionsError: this version has no such network, or another one than the weights are of.
    """
    if label not in weights.networks:
        return None
    options = dict(weights.networks[label])
    kind = options.pop('type')
    try:
        net = ARCH_REGISTRY.get(kind)(**options)
    except (KeyError, TypeError, ValueError) as error:
        raise OptionsError(f'{path}: {kind} cannot be built with the options in it ({error}); use the version of '
                           'rim_plugin that made the file') from None
    state = {key.removeprefix(f'{label}.'): value for key, value in weights.tensors.items()
             if key.startswith(f'{label}.')}
    require_fit(net, state, path)
    net.load_state_dict(state)
    return net


def save_weights(weights, path):
    """Write NAME.safetensors and NAME.json.

    Args:
        weights (Weights): see there. path (str | Path): the ``.safetensors`` file.

    Returns:
        Weights: with the SHA-256 of the file.
    """
    path = Path(path)
    header = {'format': FORMAT, 'networks': weights.networks,
              'calibrations': [each._asdict() for each in weights.calibrations], 'facts': weights.facts}
    content = save(weights.tensors, {'rim': json.dumps(header)})
    digest = hashlib.sha256(content).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
    sidecar = {'file': path.name, 'sha256': digest, **{key: header[key] for key in ('calibrations', 'facts')}}
    write_atomically(path.with_suffix('.json'), json.dumps(sidecar, indent=2) + '\n')
    return weights._replace(sha256=digest)


def load_weights(path):
    """Read a weights file, after its SHA-256 is found to be that of NAME.json.

    Args:
        path (str | Path): NAME.safetensors.

    Returns:
        Weights

    Raises:
        OptionsError: no such file, not of this format, of a later one, without NAME.json, or of another SHA-256.
    """
    path = Path(path)
    if not path.is_file():
        raise OptionsError(f'{path}: no such weights file; {_HOW_TO_MAKE}')
    header, tensors = _read(path)
    if header.get('format') != FORMAT:
        raise OptionsError(f'{path}: is of format {header.get("format")}, and this version of rim_plugin reads format '
                           f'{FORMAT}: update it')
    digest = require_digest(path)
    calibrations = tuple(Calibration(**each) for each in header['calibrations'])
    return Weights(header['networks'], tensors, calibrations, header['facts'], digest)


def _read(path):
    """Metadata (dict) and tensors of the file."""
    try:
        open(path, 'rb').close()  # safetensors calls a file that may not be read a missing one
        with safe_open(path, 'pt') as file:
            metadata = file.metadata() or {}
            if 'rim' not in metadata:
                raise OptionsError(f'{path}: a safetensors file, but no weights file of RIM; {_HOW_TO_MAKE}')
            return json.loads(metadata['rim']), {key: file.get_tensor(key) for key in file.keys()}
    except (SafetensorError, json.JSONDecodeError) as error:
        raise OptionsError(f'{path}: damaged, or no weights file of RIM ({error}); {_HOW_TO_MAKE}') from None
