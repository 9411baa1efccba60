"""All processes of a training go on from the same checkpoint, or none does."""

from multiprocessing import get_context

import pytest
import torch

from rim_plugin.compat.agreement import agreed_state
from rim_plugin.errors import OptionsError

SIX, OTHER = ({'iter': 6, 'networks': {'net_g_6.pth': digest}} for digest in ('aa', 'bb'))
EIGHT = {'iter': 8, 'networks': {'net_g_8.pth': 'aa'}}
DAMAGED = OptionsError('net_g_6.pth: no such file')
SHARED = 'the folder of experiments has to be one that all nodes share'
CASES = [  # what each process finds, what all get
    ((None, None), None),
    ((SIX, dict(SIX)), SIX),
    ((SIX, None), f'process 0 goes on from iteration 6, process 1 begins anew: {SHARED}'),
    ((SIX, EIGHT), f'process 0 goes on from iteration 6, process 1 goes on from iteration 8: {SHARED}'),
    ((SIX, OTHER), f'process 0 goes on from iteration 6, process 1 goes on from iteration 6: {SHARED}'),
    ((DAMAGED, SIX), f'process 0 cannot go on ({DAMAGED}), process 1 goes on from iteration 6: {SHARED}'),
    ((DAMAGED, DAMAGED), str(DAMAGED)),
]


def found(outcome):
    if isinstance(outcome, OptionsError):
        raise outcome
    return outcome


def every_case(rank, store, pipe):
    torch.distributed.init_process_group('gloo', f'file://{store}', rank=rank, world_size=2)
    for outcomes, _ in CASES:
        try:
            pipe.send(agreed_state(lambda outcomes=outcomes: found(outcomes[rank]), 2))
        except OptionsError as error:
            pipe.send(str(error))
    torch.distributed.destroy_process_group()


@pytest.fixture(scope='module')
def results(tmp_path_factory):
    """Of every case what the two processes get."""
    context, store = get_context('fork'), tmp_path_factory.mktemp('group') / 'store'
    pipes = [context.Pipe() for _ in range(2)]
    processes = [context.Process(target=every_case, args=(rank, store, pipe)) for rank, (_, pipe) in enumerate(pipes)]
    for process in processes:
        process.start()
    got = [[pipe.recv() for _ in CASES] for pipe, _ in pipes if pipe.poll(60)]
    for process in processes:
        process.join()
    return list(zip(*got))


@pytest.mark.slow
@pytest.mark.parametrize('case', range(len(CASES)))
def test_all_processes_get_the_same(results, case):
    _, expected = CASES[case]
    for result in results[case]:
        assert result.startswith(expected) if isinstance(expected, str) else result == expected
