"""The last lines of a training."""

import json

import pytest

from rim_plugin.models.summary import closing_lines


def options(root, **logger):
    paths = {'visualization': root / 'pictures', 'models': root / 'models', 'experiments_root': root}
    return {'name': 'run', 'path': {key: str(path) for key, path in paths.items()}, 'logger': logger}


def test_a_whole_training(tmp_path):
    for folder in ('pictures/pairs', 'pictures/faces', 'models'):
        (tmp_path / folder).mkdir(parents=True)
    for number, accuracy in ((400, 0.9), (1000, 0.95), (600, 0.7)):
        report = json.dumps({'figures': {'accuracy': accuracy}})
        (tmp_path / f'pictures/pairs/verification_{number}.json').write_text(report)
    for name in ('net_fhn_latest.pth', 'net_r_latest.pth', 'net_g_latest.pth'):
        (tmp_path / 'models' / name).touch()
    own = {'network_r': {'head': 'own'}}
    assert closing_lines({**options(tmp_path, use_tb_logger=True), **own}) == [
        'Verification on pairs: accuracy 0.9000 at the first validation, 0.9500 at the end.',
        f'Pictures and curves: {tmp_path}/pictures',
        'Course of losses and results: tensorboard --logdir tb_logger/run',
        f'Next: rim pack {tmp_path}/options.yml --fhn {tmp_path}/models/net_fhn_latest.pth '
        f'--hrn {tmp_path}/models/net_r_latest.pth -o run.safetensors; '
        'then rim hallucinate PHOTO.png -o out --weights run.safetensors',
    ]


@pytest.mark.parametrize(
    ('recogniser', 'rest'),
    [({'head': 'own', 'teacher_weights': [[28, 1]]}, ' --hrn {}/net_r_latest.pth --teacher -o'), ({}, ' -o')],
)
def test_the_next_command_is_one_that_packs(tmp_path, recogniser, rest):
    models = tmp_path / 'models'
    models.mkdir()
    for name in ('net_fhn_latest.pth', 'net_r_latest.pth'):
        (models / name).touch()
    line = closing_lines({**options(tmp_path), 'network_r': recogniser})[-1]
    assert f'--fhn {models}/net_fhn_latest.pth{rest.format(models)} run.safetensors' in line


def test_another_network_without_pictures(tmp_path):
    assert closing_lines(options(tmp_path)) == [
        f'Pictures and curves: {tmp_path}/pictures',
        f'Weights: {tmp_path}/models',
    ]
