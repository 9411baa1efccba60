"""Options and batches of trainings that are timed."""

import pytest

from rim_plugin.benchmark.random_training import training_batch, training_options
from rim_plugin.options.reading import read_options


@pytest.mark.parametrize('file, count', [('fhn_small', 8), ('baselines/subpixel_resnet', 16)])
def test_batches_are_what_the_options_want(file, count):
    path = f'options/{file}.yml'
    batch = training_batch(read_options(path))
    assert batch['lq'].shape == (count, 3, 28, 28) and batch['gt'].shape == (count, 3, 224, 224)
    assert batch['landmarks'].shape == (count, 68, 2) and batch['heatmaps'].shape == (count, 68, 56, 56)
    assert batch['parsing'].shape == (count, 56, 56) and batch['parsing'].max() <= 10
    assert training_batch(read_options(path), 3)['gt'].shape[0] == 3
    assert training_options(path, ['train:amp=bf16'])['train']['amp'] == 'bf16'
    assert training_options(path)['is_train'] is True
