"""From a training to a weights file with thresholds, measured results and a model card."""

import shlex
from pathlib import Path

import torch
from torch import nn

from rim_plugin.archs.recogniser import FACE_SIZE
from rim_plugin.data.face_pair_dataset import FacePairDataset
from rim_plugin.environment import environment
from rim_plugin.errors import OptionsError
from rim_plugin.evaluation.driver import evaluate
from rim_plugin.evaluation.pair_evaluator import PairEvaluator
from rim_plugin.files import write_atomically
from rim_plugin.options.reading import read_options
from rim_plugin.tools.api import RIM
from rim_plugin.tools.calibration import calibrate
from rim_plugin.weights_file import Weights, build_packed, read_weights, save_weights

_HALF_MAX = torch.finfo(torch.float16).max
_COLUMNS = {
    'accuracy': 'accuracy over the folds',
    'tar_at_far_1e-3': 'TAR at FAR 1e-3',
    'eer': 'EER',
    'auc': 'AUC',
    'rank_1': 'rank 1',
    'rank_5': 'rank 5',
}
_INTENDED = """\
Research on faces at low resolution: enlarging them, and comparing them with others at any resolution. A hallucinated
face is a guess: details that are not in the small picture are invented, the more the smaller it is. It is no evidence
of what a person looks like. A verdict on a small probe is often wrong, see above, and how often differs between groups
of people in a way that was not measured here. Not for decisions about persons, nor for watching people without their
consent. Faces are personal data: have a reason and the law on your side for each that you keep or compare. A verdict
is no proof of identity.

The code is under the licence of the repository (`LICENSE`). The faces that the networks learned from are not inside,
but most come under terms of non-commercial research: use these weights for research."""


def pack(options_file, output, fhn=None, hrn=(), verify=None, commit=None, notes=None, command=()):
    """Write NAME.safetensors, NAME.json and the model card NAME.md.

    Args:
        options_file (str): of the training.
        output (str | Path): NAME.safetensors.
        fhn (str | None), hrn (Sequence[str]): the training's ``net_fhn_*.pth`` and ``net_r_*.pth``, see
            :func:`~rim_plugin.tools.weights.trained_weights`.
        verify (str | None): options file whose pairs of faces are measured, and teach the thresholds.
        commit (str | None): of the training. Default: today's.
        notes (str | None): text file for the card: data and their terms, other results.
        command (Sequence[str]): that packs, for the card.

    Returns:
        Weights

    Raises:
        OptionsError: a file is missing or does not fit, see :func:`~rim_plugin.tools.weights.trained_weights`.
        ValueError, FileNotFoundError: faces or pairs of ``verify`` are not there, or teach nothing.
    """
    output = Path(output)
    if output.suffix != '.safetensors':
        raise OptionsError(f'{output}: the name of a weights file ends with .safetensors')
    notes = Path(notes).read_text(encoding='utf-8') if notes else ''
    options = read_options(options_file)
    weights = trained_weights(options, fhn, hrn)
    facts = training_facts(options, options_file, [path for path in (fhn, *hrn) if path], commit)
    facts['recognisers'] = len(hrn)
    calibrations, facts['results'] = measure(weights, verify) if verify else ((), {})
    facts['command'] = shlex.join(command)
    weights = save_weights(weights._replace(calibrations=tuple(calibrations), facts=facts), output)
    write_atomically(output.with_suffix('.md'), model_card(weights, output.stem, notes))
    return weights


def training_facts(options, options_file, files, commit):
    """What a card says of a training, JSON values, from its options."""
    train, found = options.get('train') or {}, environment()
    faces = (options.get('datasets') or {}).get('train') or {}
    return {
        'options_file': str(options_file),
        'commit': commit or found['commit'],
        'files': [str(path) for path in files],
        'data': faces.get('dataroot_gt') or faces.get('type'),
        'seed': options.get('manual_seed'),
        'iterations': train.get('total_iter'),
        'phases': train.get('phases'),
        'batch': faces.get('batch_size_per_gpu'),
        'teacher': (options.get('path') or {}).get('pretrain_network_t'),
        'starts_from_teacher': bool(train.get('start_from_teacher')),
        'packages': found['packages'],
    }


def measure(weights, options_file):
    """Verification of weights on every dataset of face pairs of an options file.

    Returns:
        tuple[list[Calibration], dict]: by size of the probe, and by name of the dataset its protocol and figures.
    """
    inference = RIM(weights).inference
    calibrations, results, galleries = {}, {}, {}
    for options in (read_options(options_file).get('datasets') or {}).values():
        if options['type'] != 'FacePairDataset':
            continue
        dataset = FacePairDataset({**options, 'phase': 'test'})
        place = tuple(dataset.protocol[key] for key in ('faces', 'pair_list', 'gallery_size'))
        evaluator = PairEvaluator(dataset, inference.pipeline, None, True, galleries.get(place), inference.device)
        evaluate(evaluator.faces, None, [evaluator], progress=True)
        found = evaluator.compute()
        galleries[place] = found.embeddings[0]
        size = min(dataset.protocol['query_size'] or FACE_SIZE, FACE_SIZE)
        calibrations[size] = calibrate(size, found.data['scores'], found.data['issame'])
        results[dataset.opt['name']] = {'protocol': found.protocol, 'figures': found.figures}
    if not results:
        raise OptionsError(f'{options_file}: names no dataset of type FacePairDataset')
    return list(calibrations.values()), results


def model_card(weights, name, notes=''):
    """The card as Markdown, see :class:`~rim_plugin.tools.weights.Weights`; ``notes`` (str) go in as they are."""
    facts = weights.facts
    steps = ', '.join(f'{phase} {count}' for phase, count in (facts['phases'] or {}).items())
    rows = {
        'networks': ', '.join(_network(weights, label) for label in weights.networks),
        'precision': 'half, computed in single',
        'SHA-256': f'`{weights.sha256}`',
        'options': f'`{facts["options_file"]}`',
        'commit': f'`{facts["commit"]}`',
        'training data': f'`{facts["data"]}`',
        'iterations of the options': f'{facts["iterations"]}{f" ({steps})" if steps else ""}, '
        f'{facts["batch"]} faces each',
        'seed': facts['seed'],
        'taught by': f'`{facts["teacher"]}`, which is not needed with these' if facts['teacher'] else 'no teacher',
        'began as': "copies of the teacher's weights" if facts['starts_from_teacher'] else 'random weights',
        'packed from': ', '.join(f'`{path}`' for path in facts['files']),
    }
    if facts['recognisers']:
        count = facts['recognisers']
        rows['recogniser'] = f'mean of {count} trainings' if count > 1 else 'of one training'
    table = '\n'.join(f'| {key} | {value} |' for key, value in rows.items())
    return (
        f'# {name}\n\n| | |\n|---|---|\n{table}\n\n{notes}\n\n## Measured\n\n{_results(weights)}\n\n'
        f'## Intended use, licence\n\n{_INTENDED}\n'.replace('\n\n\n\n', '\n\n')
    )


def _network(weights, label):
    sizes = [value.numel() for key, value in weights.tensors.items() if key.startswith(f'{label}.')]
    return f'{weights.networks[label]["type"]} ({sum(sizes) / 1e6:.2f} million values)'


def _results(weights):
    results = weights.facts['results']
    if not results:
        return 'Verification was not measured, and there are no thresholds.'
    keys = [key for key in _COLUMNS if all(key in result['figures'] for result in results.values())]
    sizes = {each.size: each for each in weights.calibrations}
    lines = [
        '| pairs | probe, pixels | ' + ' | '.join(_COLUMNS[key] for key in keys) + ' | threshold |',
        '|---' * (len(keys) + 3) + '|',
    ]
    for name, result in results.items():
        size = result['protocol']['query_size']
        figures = ' | '.join(f'{result["figures"][key]:.4f}' for key in keys)
        threshold = sizes[min(size or FACE_SIZE, FACE_SIZE)].threshold
        lines.append(f'| {name} | {size or "full"} | {figures} | {threshold:.3f} |')
    protocol = next(iter(results.values()))['protocol']
    about = (
        f'`{protocol["pair_list"]}`, {protocol["pairs"]} pairs; gallery, at {protocol["gallery_size"]} pixels, '
        f'and probe both by these weights, embedding: {protocol["embedding"]}. The threshold is that of the '
        'best accuracy on all pairs.'
    )
    return '\n'.join([*lines, '', about, '', '```', weights.facts['command'], '```'])


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
    return fold_statistics(build_packed(Weights(networks, found), label, path)).state_dict()


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
            layer.weight.data = scale * (1 + layer.eps) ** 0.5
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
        raise OptionsError(
            'network_r.head is teacher: embeddings would need the weights of the teacher, which do not '
            'go into the file; train with head: own'
        )
    return {**block, 'teacher': dict(options['network_t'])}


def _half(value):
    """Half precision, but as it is where that cannot hold it; contiguous, as safetensors wants it."""
    fits = value.is_floating_point() and value.abs().max() <= _HALF_MAX
    return (value.half() if fits else value).contiguous()
