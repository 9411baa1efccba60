"""Datasets of pairs for tests of packing."""

import numpy as np
from PIL import Image


def face_pairs(folder, make_face):
    """Datasets of pairs of six persons, two photos each, with 8-pixel probes and at full resolution."""
    (folder / 'lfw').mkdir()
    lines, rng = ['3\t2'], np.random.default_rng(0)
    for person in range(6):
        for i in (1, 2):
            image = make_face(64, person) + rng.normal(0, 2, (64, 64, 3))
            Image.fromarray(image.clip(0, 255).round().astype(np.uint8)).save(folder / f'lfw/P{person}_{i:04d}.png')
    for fold in range(3):
        persons = (2 * fold, 2 * fold + 1)
        lines += [f'P{person}\t1\t2' for person in persons]
        lines += [f'P{person}\t1\tP{(person + 1) % 6}\t2' for person in persons]
    (folder / 'pairs.txt').write_text('\n'.join(lines) + '\n')
    pairs = {
        'type': 'FacePairDataset',
        'dataroot_gt': str(folder / 'lfw'),
        'pair_list': str(folder / 'pairs.txt'),
        'landmarks': 'aligned',
        'gt_size': 64,
    }
    return {
        'test_8': {**pairs, 'name': 'lfw_8', 'query_size': 8},
        'test': {**pairs, 'name': 'lfw', 'probe_side': 'none'},
    }
