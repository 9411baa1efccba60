"""Trainings that are killed, stopped and damaged at random moments end with the weights of one left alone.

``pytest --kills 200 -s tests/compat/test_kills.py`` tries longer and tells the counts.
"""

import os
import random
import signal
import sys
import time
from collections import Counter

import pytest
import torch
from support.forked_training import ForkedTraining
from support.runs import leaves
from support.tiny_training import write_options

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(0),
    pytest.mark.skipif(not sys.platform.startswith('linux'), reason='forks'),
]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
KILLS_A_RUN = 6
SLEEP = 0.02  # seconds an iteration takes longer
DAMAGES = {
    'removed': lambda path, chance: path.unlink(),
    'empty': lambda path, chance: path.write_bytes(b''),
    'truncated': lambda path, chance: os.truncate(path, chance.randrange(path.stat().st_size)),
    'overwritten': lambda path, chance: overwrite(path, chance, 20),
    'of a flipped bit': lambda path, chance: overwrite(path, chance, 1),
    'a folder': lambda path, chance: (path.unlink(), path.mkdir()),
}


def overwrite(path, chance, count):
    content = bytearray(path.read_bytes())
    start = chance.randrange(len(content) - count)
    content[start : start + count] = bytes(value ^ 1 << chance.randrange(8) for value in content[start : start + count])
    path.write_bytes(content)


def damage_newest(folder, chance):
    """Damage a file of the newest checkpoint, if there is one before it; what was done, or None."""
    states = sorted(folder.glob('training_states/*.state'), key=lambda path: int(path.stem))
    if len(states) < 2:
        return None
    name = chance.choice(list(DAMAGES))
    file = chance.choice([states[-1], folder / f'models/net_g_{states[-1].stem}.pth'])
    if not file.is_file() or file.stat().st_size < 100:  # damaged before
        return None
    DAMAGES[name](file, chance)
    return name


def content(folder):
    """Weights, with their average, of the end, and the state but its options."""
    state = torch.load(folder / 'training_states/20.state', weights_only=True)
    del state['options']
    return leaves({'weights': torch.load(folder / 'models/net_g_20.pth', weights_only=True), 'state': state})


def run_to_the_end(root, seconds=120):
    code, printed = ForkedTraining(root, write_options(root / 'o.yml'), root / 'log').wait(seconds)
    assert code == 0 and 'Traceback' not in printed, printed
    return printed


@pytest.fixture(scope='module')
def unbroken(tmp_path_factory):
    """Content of a run that was left alone, and the seconds that a slowed one takes."""
    root = tmp_path_factory.mktemp('unbroken')
    run_to_the_end(root)
    slowed = tmp_path_factory.mktemp('slowed')
    began = time.monotonic()
    assert ForkedTraining(slowed, write_options(slowed / 'o.yml'), slowed / 'log', SLEEP).wait()[0] == 0
    return content(root / 'experiments/tiny'), time.monotonic() - began


def broken_run(root, chance, lasts):
    """A training with kills, and damages between them, until it comes to its end; counts of what happened."""
    options, counts, folder = write_options(root / 'o.yml'), Counter(), root / 'experiments/tiny'
    for _ in range(KILLS_A_RUN):
        training = ForkedTraining(root, options, root / 'log', SLEEP)
        time.sleep(chance.uniform(0, 0.7 * lasts))
        number = chance.choice(SIGNALS)
        training.signal(number)
        code, printed = training.wait()
        assert 'Traceback' not in printed, printed
        counts['fell back, told'] += 'Not resumed from' in printed
        if code == 0:
            return counts
        counts['kills'] += 1
        counts[f'{number.name}, exit {code}'] += 1
        if chance.random() < 0.5 and (damage := damage_newest(folder, chance)):
            counts[f'file {damage}'] += 1
    counts['fell back, told'] += 'Not resumed from' in run_to_the_end(root)
    return counts


def test_killed_and_damaged_at_random_equals_unbroken(unbroken, tmp_path, pytestconfig):
    expected, lasts = unbroken
    chance, counts = random.Random(0), Counter()
    while counts['kills'] < pytestconfig.getoption('kills'):
        root = tmp_path / str(counts['runs that end bit-equal'])
        root.mkdir()
        counts += broken_run(root, chance, lasts)
        got = content(root / 'experiments/tiny')
        assert {key: (value, got.get(key)) for key, value in expected.items() if got.get(key) != value} == {}, counts
        counts['runs that end bit-equal'] += 1
    print('', *(f'{count} {what}' for what, count in sorted(counts.items())), sep='\n  ')
