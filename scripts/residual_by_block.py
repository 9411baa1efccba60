#!/usr/bin/env python
"""What student and assistant miss of the teacher's maps, block by block, along a training: a CSV file and a plot."""

import argparse
import csv
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from rim_plugin.benchmark.measure import build_method
from rim_plugin.data.face_store import FaceStore
from rim_plugin.data.photo_files import decode_image
from rim_plugin.data.resize import degrade, to_tensor
from rim_plugin.evaluation.curves import new_figure, save_figure
from rim_plugin.options.reading import read_options
from rim_plugin.pipeline import RIMPipeline

COLUMNS = ('faces', 'iteration', 'block', 'student', 'both')
BATCH = 16
EMBEDDING = 'embedding'


def probes_and_faces(folder: str, count: int, side: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of probes (n, 3, side, side) and faces (n, 3, S, S), RGB in [0, 1], spread over a prepared store."""
    store = FaceStore(folder, 'lmdb')
    keys = store.keys[:: max(len(store.keys) // count, 1)][:count]
    faces = [decode_image(store.read('gt', key)) for key in keys]
    parts = [faces[start : start + BATCH] for start in range(0, len(faces), BATCH)]
    return [
        (torch.stack([to_tensor(degrade(face, side)) for face in part]), torch.stack([*map(to_tensor, part)]))
        for part in parts
    ]


@torch.no_grad()
def missed(
    pipeline: RIMPipeline, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]
) -> dict[str, tuple[float, float]]:
    """What the student alone, and what student and assistant together miss of the teacher.

    Returns:
        Of each block, ``1`` to ``K``, the norms of f_T^k - f_S^k and of f_T^k less the fused map, over that of f_T^k,
        all faces together; of the ``embedding`` 1 less the mean cosine.
    """
    hrn = pipeline.hrn
    sums: list[np.ndarray] = []
    cosines: list[np.ndarray] = []
    for probes, faces in batches:
        truth = pipeline.teacher(faces)
        seen = hrn(pipeline.student_input([probes]), pipeline.assistant_input([probes]))
        fused = [hrn.fusion_weight * (f_s + f_a) for f_s, f_a in zip(seen.student, seen.assistant, strict=True)]
        rows = zip(truth.blocks, seen.student, fused, strict=True)
        errors = [(f_t, f_t - f_s, f_t - f) for f_t, f_s, f in rows]
        sums.append(np.array([[float(each.double().square().sum()) for each in row] for row in errors]))
        head = hrn.student.net.head if hrn.own_head else pipeline.teacher.head
        pair = [F.cosine_similarity(head(last), truth.embedding) for last in (seen.student[-1], fused[-1])]
        cosines.append(torch.stack(pair, 1).numpy())
    total = sum(sums)
    ratios = np.sqrt(total[:, 1:] / total[:, :1])
    left = 1 - np.concatenate(cosines).mean(0)
    return {**{str(number): tuple(row) for number, row in enumerate(ratios, 1)}, EMBEDDING: tuple(left)}


def states(folder: Path) -> dict[int, Path]:
    """Saved recognisers by iteration."""
    found = {
        int(match[1]): path for path in folder.glob('net_r_*.pth') if (match := re.search(r'_(\d+)\.pth$', path.name))
    }
    return dict(sorted(found.items()))


def plot(rows: list[Mapping[str, object]], file: str) -> None:
    names, blocks = (list(dict.fromkeys(str(row[key]) for row in rows)) for key in ('faces', 'block'))
    title = 'missed of the teacher by the student (thin), by both (thick)'
    figure, axes = new_figure(title, 'iteration', 'norm over the teacher’s; embedding: 1 - cosine')
    for name, style in zip(names, ('-', '--', ':', '-.')):
        for number, block in enumerate(blocks):
            mine = [row for row in rows if (row['faces'], row['block']) == (name, block)]
            label = block if block == EMBEDDING else f'block {block}'
            steps, look = [row['iteration'] for row in mine], {'color': f'C{number}', 'ls': style}
            axes.plot(steps, [row['both'] for row in mine], **look, lw=2, label=f'{label}, {name}')
            axes.plot(steps, [row['student'] for row in mine], **look, lw=0.7, alpha=0.6)
    figure.legend(loc='outside lower center', ncols=2, fontsize='small', frameon=False)
    save_figure(figure, file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('-opt', required=True, help='the options of the training')
    parser.add_argument('--models', type=Path, help='its folder of networks (experiments/NAME/models)')
    parser.add_argument('--faces', nargs='+', default=['datasets/helen_celeba', 'datasets/helen_test'])
    parser.add_argument('--count', type=int, default=128, help='faces of each store (%(default)s)')
    parser.add_argument('--side', type=int, default=14, help='of the probes, px (%(default)s)')
    parser.add_argument('-o', '--output', default='residuals.csv', help='CSV; the plot lies beside it (%(default)s)')
    args = parser.parse_args()
    options = read_options(args.opt)
    models = args.models or Path('experiments', options['name'], 'models')
    if not (saved := states(models)):
        parser.error(f'{models}: no net_r_ITERATION.pth; train with logger:save_checkpoint_freq, or name --models')
    if not options.get('network_r', {}).get('assistant'):
        parser.error(f'{args.opt}: network_r has no assistant; name the options of a training of one')
    networks = {label: options[f'network_{label}'] for label in 'gdr' if f'network_{label}' in options}
    given = {label: options['path'].get(f'pretrain_network_{label}') for label in 'gd' if label in networks}
    teacher = {**options['network_t'], 'weights': options['path']['pretrain_network_t']}
    stores = {Path(folder).name: probes_and_faces(folder, args.count, args.side) for folder in args.faces}
    rows = []
    for iteration, file in saved.items():
        weights = {**{label: path for label, path in given.items() if path}, 'r': str(file)}
        pipeline = build_method(networks, weights, teacher)
        for name, batches in stores.items():
            for block, values in missed(pipeline, batches).items():
                rows.append(dict(zip(COLUMNS, (name, iteration, block, *map(float, values)))))
    with open(args.output, 'w', newline='') as out:
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    plot(rows, str(Path(args.output).with_suffix('.png')))


if __name__ == '__main__':
    main()
