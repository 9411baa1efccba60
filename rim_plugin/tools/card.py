"""The model card of a weights file: how it was trained, what was measured, what it is for."""

from collections.abc import Mapping
from typing import Any

from rim_plugin.evaluation.metric import PairMetric, standard_metrics
from rim_plugin.markdown_table import markdown_table
from rim_plugin.tools.calibration import calibration_size
from rim_plugin.weights_file import Weights

_INTENDED = """\
Research on faces at low resolution: enlarging them, and comparing them with others at any resolution. A hallucinated
face is a guess: details that are not in the small picture are invented, the more the smaller it is. It is no evidence
of what a person looks like. A verdict on a small probe is often wrong, see above, and how often differs between groups
of people in a way that was not measured here. Not for decisions about persons, nor for watching people without their
consent. Faces are personal data: have a reason and the law on your side for each that you keep or compare. A verdict
is no proof of identity.

The code is under the licence of the repository (`LICENSE`). The faces that the networks learned from are not inside,
but most come under terms of non-commercial research: use these weights for research."""


def model_card(weights: Weights, name: str, notes: str = '') -> str:
    """The card as Markdown.

    Args:
        weights: with the facts of :func:`rim_plugin.tools.packing.training_facts`, ``recognisers`` (how many trainings
            HRN is the mean of), ``results`` (see :func:`rim_plugin.tools.packing.measure`) and the packing ``command``.
        name: of the weights.
        notes: Markdown that goes in as it is.
    """
    table = markdown_table(['', ''], list(_training_rows(weights).items()))
    return (
        f'# {name}\n\n{table}\n\n{notes}\n\n## Measured\n\n{_results(weights)}\n\n'
        f'## Intended use, licence\n\n{_INTENDED}\n'.replace('\n\n\n\n', '\n\n')
    )


def _training_rows(weights: Weights) -> dict[str, Any]:
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
    if count := facts['recognisers']:
        rows['recogniser'] = f'mean of {count} trainings' if count > 1 else 'of one training'
    return rows


def _network(weights: Weights, label: str) -> str:
    sizes = [value.numel() for key, value in weights.tensors.items() if key.startswith(f'{label}.')]
    return f'{weights.networks[label]["type"]} ({sum(sizes) / 1e6:.2f} million values)'


def _results(weights: Weights) -> str:
    results: Mapping[str, dict[str, Any]] = weights.facts['results']
    if not results:
        return 'Verification was not measured, and there are no thresholds.'
    columns = {
        key: metric
        for key, metric in standard_metrics(PairMetric).items()
        if all(key in result['figures'] for result in results.values())
    }
    thresholds = {each.size: each.threshold for each in weights.calibrations}
    header = ['pairs', 'probe, pixels', *(metric.title for metric in columns.values()), 'threshold']
    rows = []
    for name, result in results.items():
        size = result['protocol']['query_size']
        figures = [f'{result["figures"][key]:.{metric.digits}f}' for key, metric in columns.items()]
        rows.append([name, str(size or 'full'), *figures, f'{thresholds[calibration_size(size)]:.3f}'])
    protocol = next(iter(results.values()))['protocol']
    about = (
        f'`{protocol["pair_list"]}`, {protocol["pairs"]} pairs; gallery, at {protocol["gallery_size"]} pixels, '
        f'and probe both by these weights, embedding: {protocol["embedding"]}. Accuracy is over the folds; the '
        'threshold is that of the best accuracy on all pairs.'
    )
    return '\n'.join([markdown_table(header, rows), '', about, '', '```', weights.facts['command'], '```'])
