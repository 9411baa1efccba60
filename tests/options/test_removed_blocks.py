"""``--force_yml BLOCK=~`` takes any block away: what is left works, or one line says what it needs."""

from pathlib import Path

import pytest
import yaml
from support.runs import train, write_options

from rim_plugin.errors import OptionsError
from rim_plugin.options.checking import check
from rim_plugin.options.reading import read_options

OPTIONS = Path(__file__).parents[2] / 'options'
FILES = ('rim_demo.yml', 'rim.yml')
QUICK = ('network_r', 'datasets')


def blocks(options, place=()):
    """Paths of all blocks, ``train:pixel_opt``."""
    for key, value in options.items():
        if isinstance(value, dict):
            yield ':'.join([*place, key])
            yield from blocks(value, (*place, key))


CASES = [
    pytest.param(file, block, marks=() if file == FILES[0] and block in QUICK else pytest.mark.slow)
    for file in FILES
    for block in blocks(read_options(str(OPTIONS / file)))
]
NEEDED = {'datasets', 'datasets:train', 'path', 'train', 'train:scheduler', 'train:pixel_opt', 'logger', 'network_g'}
NEEDED |= {'network_d', 'network_t', 'network_r', 'network_r:student', 'network_r:assistant', 'train:phases'}
EQUATIONS = {'train:distill_opt', 'train:residual_opt'}  # of rim.yml, whose phases have no other loss


@pytest.mark.parametrize('file, block', CASES)
def test_what_is_left_passes_the_check_or_is_told(file, block):
    path, needed = str(OPTIONS / file), NEEDED | (EQUATIONS if file == 'rim.yml' else set())
    try:
        check(read_options(path, [f'{block}=~']), path, True, look_for_files=False)
    except OptionsError as error:
        assert str(error).startswith(f'{path}: ') and '\n' not in str(error)
        assert block in needed or block.endswith('io_backend')
        assert block.rsplit(':', 1)[-1] in str(error)
    else:
        assert block not in needed


@pytest.mark.slow
@pytest.mark.timeout(900)  # seven runs
def test_a_training_without_all_that_it_can_do_without(tmp_path):
    """What the check lets pass trains: each group of blocks away in a run of its own."""
    options = write_options(tmp_path)
    whole = yaml.safe_load(options.read_text())
    losses = [f'train:{key}' for key in whole['train'] if key.endswith('_opt') and key != 'pixel_opt']
    solvers = [f'train:{key}' for key in whole['train'] if key.startswith('optim_')]
    metrics = [f'val:metrics:{key}' for key in whole['val']['metrics']]
    for group in (losses, solvers, metrics, ['val:metrics'], ['datasets:val'], ['val'], ['network_d:discriminator']):
        name = group[0].replace(':', '_')
        removed = [f'{block}=~' for block in group]
        output = train(tmp_path, options, '--force_yml', f'name={name}', 'train:total_iter=2', *removed)
        assert 'Traceback' not in output
        assert (tmp_path / f'experiments/{name}/models/net_g_2.pth').is_file()
