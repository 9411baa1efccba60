"""From a training to a weights file with thresholds, measured results and a model card."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rim_plugin.archs.hrn_arch import template_options
from rim_plugin.archs.mix_discriminator_arch import mixed_options
from rim_plugin.archs.recogniser import FACE_SIZE
from rim_plugin.archs.recogniser_weights import load_recogniser_weights
from rim_plugin.calibration_values import Calibration
from rim_plugin.data.face_pairs import FacePairs
from rim_plugin.environment import environment
from rim_plugin.errors import OptionsError
from rim_plugin.evaluation.driver import evaluate
from rim_plugin.evaluation.embeddings import KnownEmbeddings
from rim_plugin.evaluation.pair_evaluator import PairEvaluator
from rim_plugin.files import write_atomically
from rim_plugin.options.reading import read_options
from rim_plugin.shipped import shipped
from rim_plugin.tensor_files import read_weights
from rim_plugin.tools.api import RIM
from rim_plugin.tools.calibration import calibrate, pair_sizes
from rim_plugin.tools.card import model_card, save_diagrams
from rim_plugin.tools.face_calibration import Measured, known_faces, measure_calibration
from rim_plugin.weights_file import GENERATORS, Weights, build_packed, save_weights

from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY

_HALF_MAX = torch.finfo(torch.float16).max


@dataclass(frozen=True)
class KnownPersons:
    """Faces that calibrate: see :func:`rim_plugin.tools.face_calibration.known_faces`."""

    store: str
    identities: str
    exclude: str | None
    persons: int


def pack(
    options_file: str,
    output: str | os.PathLike[str],
    fhn: str | None = None,
    hrn: Sequence[str] = (),
    teacher: bool = False,
    verify: str | None = None,
    commit: str | None = None,
    notes: str | None = None,
    command: Sequence[str] = (),
    calibration: KnownPersons | None = None,
) -> Weights:
    """Write NAME.safetensors, NAME.json and the model card NAME.md; with ``calibration`` also its diagrams,
    NAME_reliability.png and NAME_rejection.png.

    Args:
        options_file: of the training.
        output: NAME.safetensors.
        fhn, hrn, teacher: the training's ``net_fhn_*.pth`` and ``net_r_*.pth``, and whether its teacher goes in, see
            :func:`trained_weights`.
        verify: options file whose pairs of faces are measured; without ``calibration`` they teach the thresholds.
        commit: of the training. Default: today's.
        notes: text file for the card: data and their terms, other results.
        command: that packs, for the card.
        calibration: faces of persons that no training saw, which teach thresholds, false match rates and quality.

    Raises:
        OptionsError: a file is missing or does not fit, see :func:`trained_weights`.
        ValueError, FileNotFoundError: faces or pairs of ``verify`` are not there, or teach nothing.
    """
    output = Path(output)
    if output.suffix != '.safetensors':
        raise OptionsError(f'{output}: the name of a weights file ends with .safetensors')
    notes = Path(notes).read_text(encoding='utf-8') if notes else ''
    options = read_options(options_file)
    known = calibration and known_faces(*astuple(calibration))
    weights = trained_weights(options, fhn, hrn, teacher)
    facts = training_facts(options, options_file, [path for path in (fhn, *hrn) if path], commit)
    facts['recognisers'] = len(hrn)
    output.parent.mkdir(parents=True, exist_ok=True)
    calibrations, facts['results'] = measure(weights, verify) if verify else ([], {})
    facts['command'] = shlex.join(command)
    weights = weights._replace(calibrations=tuple(calibrations), facts=facts)
    if known:
        weights = calibrated(weights, measure_calibration(RIM(weights, engine='torch'), known), output)
    weights = save_weights(weights, output)
    write_atomically(output.with_suffix('.md'), model_card(weights, output.stem, notes))
    return weights


def calibrated(weights: Weights, measured: Measured, output: Path) -> Weights:
    """Weights with what calibration measured, whose diagrams are written beside ``output``."""
    save_diagrams(measured, output)
    facts = {**weights.facts, 'calibration': measured.facts}
    return weights._replace(calibrations=measured.calibrations, qualities=measured.qualities, facts=facts)


def training_facts(
    options: Mapping[str, Any], options_file: str, files: Sequence[str], commit: str | None
) -> dict[str, Any]:
    """What a card says of a training, JSON values, from its options."""
    train, here = options.get('train') or {}, environment()
    faces = (options.get('datasets') or {}).get('train') or {}
    return {
        'options_file': _below(options_file),
        'commit': commit or here['commit'],
        'files': [_below(path) for path in files],
        'data': faces.get('dataroot_gt') or faces.get('type'),
        'seed': options.get('manual_seed'),
        'iterations': train.get('total_iter'),
        'phases': train.get('phases'),
        'batch': faces.get('batch_size_per_gpu'),
        'teacher': (options.get('path') or {}).get('pretrain_network_t'),
        'starts_from_teacher': bool(train.get('start_from_teacher')),
        'packages': here['packages'],
    }


def _below(path: str) -> str:
    """A path as it is below the current folder or the plugin's, where it is: a card names no machine's folders."""
    absolute = Path(os.path.abspath(path))
    roots = [root for root in (Path.cwd(), shipped('.')) if absolute.is_relative_to(root)]
    return str(absolute.relative_to(roots[0])) if roots else path


def measure(weights: Weights, options_file: str) -> tuple[list[Calibration], dict[str, dict[str, Any]]]:
    """Verification of weights on every dataset of face pairs of an options file.

    Returns:
        Calibrations of sizes that occur in pairs, and by name of the dataset its ``protocol`` and ``figures``.

    Raises:
        OptionsError: the file names no pairs of faces.
        ValueError, FileNotFoundError: faces or pairs are not there, or teach nothing.
    """
    rim = RIM(weights, engine='torch')
    calibrations: dict[tuple[int, int], Calibration] = {}
    results: dict[str, dict[str, Any]] = {}
    known = KnownEmbeddings()
    for options in (read_options(options_file).get('datasets') or {}).values():
        kind = DATASET_REGISTRY.get(options['type'])
        if not issubclass(kind, FacePairs):
            continue
        dataset = kind({**options, 'phase': 'test'})
        evaluator = PairEvaluator(dataset, rim.pipeline, mirror=True, known=known, device=rim.device)
        evaluate(evaluator.faces, None, [evaluator], batch_size=rim.batch, progress=True)
        output = evaluator.compute()
        sizes = pair_sizes(output.protocol)
        calibrations[sizes] = calibrate(sizes, output.data['scores'], output.data['issame'])
        results[options['name']] = {'protocol': output.protocol, 'figures': output.figures}
    if not results:
        raise OptionsError(f'{options_file}: names no dataset with pairs of faces, such as FacePairDataset')
    return list(calibrations.values()), results


def trained_weights(
    options: Mapping[str, Any], fhn: str | None = None, hrn: Sequence[str] = (), teacher: bool = False
) -> Weights:
    """The averaged weights (``params_ema``) of a training, in half precision.

    Args:
        options: of the training, with ``network_g`` (and ``network_d``) for ``fhn``, ``network_r`` and ``network_t``
            for ``hrn``.
        fhn: ``net_fhn_*.pth``, or ``net_g_*.pth`` of an SR network without priors.
        hrn: ``net_r_*.pth``. Of several the mean is taken, which often surpasses each where they began with the same
            weights (model soups: Wortsman et al., ICML 2022).
        teacher: whether ``network_t`` goes in, with the weights of ``path.pretrain_network_t``: it then embeds faces of
            112 pixels and more.

    Returns:
        Weights without calibrations and facts; their ``sides`` are those of the training's probes.

    Raises:
        OptionsError: a file cannot be read or does not fit the options; no file is named; the recogniser cannot embed
            without its teacher.
    """
    files = {label: paths for label, paths in (('fhn', [fhn] if fhn else []), ('hrn', list(hrn))) if paths}
    if not files:
        raise OptionsError('no weights are named: net_fhn_*.pth, net_r_*.pth or both')
    networks = {label: _network_options(options, label) for label in files}
    if not teacher and networks.get('hrn', {}).get('teacher_weights'):
        raise OptionsError('network_r.teacher_weights adds the embedding of the teacher: pack it, too (--teacher)')
    tensors = {}
    for label, paths in files.items():
        states = [_folded_state(networks, label, path) for path in paths]
        tensors.update({f'{label}.{key}': _half(_mean([state[key] for state in states])) for key in states[0]})
    if teacher:
        networks['teacher'], net = _teacher(options)
        tensors.update({f'teacher.{key}': _half(value) for key, value in net.state_dict().items()})
    return Weights(networks, tensors, sides=trained_sides(options) if fhn else None)


def trained_sides(options: Mapping[str, Any]) -> tuple[int, int] | None:
    """Least and largest side of the probes that a training hallucinates, from its options; None where they do not tell
    it. Those of 112 pixels and more go to the recogniser as they are."""
    sides = ((options.get('datasets') or {}).get('train') or {}).get('query_size')
    if sides is None:
        return None
    small = [side for side in (sides if isinstance(sides, list) else [sides]) if side < FACE_SIZE]
    return (min(small), max(small)) if small else None


def _teacher(options: Mapping[str, Any]) -> tuple[dict[str, Any], nn.Module]:
    """Options of a training's teacher, and the network with its weights."""
    block, path = dict(options.get('network_t') or {}), (options.get('path') or {}).get('pretrain_network_t')
    if not block or not path:
        raise OptionsError('--teacher: the options file has no network_t with weights, path.pretrain_network_t')
    net = ARCH_REGISTRY.get(block['type'])(**{key: value for key, value in block.items() if key != 'type'})
    load_recogniser_weights(net, path)
    return block, fold_statistics(net.eval())


def _folded_state(networks: dict[str, dict[str, Any]], label: str, path: str) -> dict[str, Tensor]:
    tensors = {f'{label}.{key}': value for key, value in read_weights(path, 'params_ema').items()}
    net = build_packed(Weights({label: networks[label]}, tensors), label, path)
    assert net is not None  # its options are there
    return fold_statistics(net).state_dict()


def _mean(values: Sequence[Tensor]) -> Tensor:
    return torch.as_tensor(sum(values) / len(values)) if values[0].is_floating_point() else values[0]


def fold_statistics(net: nn.Module) -> nn.Module:
    """Fold BatchNorm's running statistics into its scales and shifts, so that mean 0 and variance 1 stay behind.

    In evaluation the network computes what it did. Statistics that training never touched (``norm_eval``) are those of
    the network whose weights it began with; what is left after folding are numbers that were trained.

    Args:
        net: changed in place; its BatchNorm layers have scales and shifts.

    Returns:
        ``net``.
    """
    for layer in net.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            assert layer.running_mean is not None and layer.running_var is not None
            scale = layer.weight.data * (layer.running_var + layer.eps).rsqrt()
            layer.bias.data -= scale * layer.running_mean
            layer.weight.data = scale * (1 + layer.eps) ** 0.5
            layer.reset_running_stats()
    return net


def _network_options(options: Mapping[str, Any], label: str) -> dict[str, Any]:
    """Options that ARCH_REGISTRY builds a network of a training from."""
    needed = 'network_g' if label == 'fhn' else 'network_r'
    if needed not in options:
        raise OptionsError(f'the options file has no {needed}, whose weights are to be packed')
    block = options[needed]
    if label == 'fhn':
        if block['type'] not in GENERATORS:
            return dict(block)
        mixed = mixed_options(options['network_d'], ARCH_REGISTRY.get(block['type']).integrator_type)
        return {'type': 'FHN', 'generator': dict(block), 'integrator': mixed.get('integrator') or {}}
    if block.get('head', 'teacher') != 'own':
        raise OptionsError(
            'network_r.head is teacher: embeddings would need the weights of the teacher, which do not '
            'go into the file; train with head: own'
        )
    return {**block, 'teacher': template_options(block, options.get('network_t'))}


def _half(value: Tensor) -> Tensor:
    """Half precision, but as it is where that cannot hold it; contiguous, as safetensors wants it."""
    representable = value.is_floating_point() and value.abs().max() <= _HALF_MAX
    return (value.half() if representable else value).contiguous()
