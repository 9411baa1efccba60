"""What a run knows of itself: place in the data, newest checkpoint, finite losses."""

from types import SimpleNamespace

import pytest
import torch

from rim_plugin.run_state import RUN, Run, check_finite, last_checkpoint, training_states


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_check_finite_names_iteration_term_and_checkpoint(tmp_path, monkeypatch, bad):
    for name in ('90.state', '100.state', 'x.state'):
        (tmp_path / name).touch()
    model = SimpleNamespace(opt={'path': {'training_states': str(tmp_path)}})
    monkeypatch.setattr(RUN, 'iteration', 123)
    check_finite(model, {'l_pix': torch.tensor(1.0)})
    with pytest.raises(FloatingPointError, match=r'iteration 123: l_mmd is (nan|inf).*100\.state'):
        check_finite(model, {'l_pix': torch.tensor(1.0), 'l_mmd': torch.tensor(bad)})


def test_the_newest_state_is_the_one_of_the_highest_iteration(tmp_path):
    for name in ('9.state', '100.state', '20.state', 'best.state', '\u00b2.state', '300.pth', '400'):
        (tmp_path / name).touch()
    opt = {'path': {'training_states': str(tmp_path)}}
    assert training_states(opt) == [str(tmp_path / f'{number}.state') for number in (100, 20, 9)]
    assert last_checkpoint(opt) == str(tmp_path / '100.state')


@pytest.mark.parametrize('path', [{}, {'training_states': '/nowhere'}])
def test_a_run_without_states(path):
    assert training_states({'path': path}) == [] and last_checkpoint({'path': path}) == 'none'


def test_a_resumed_epoch_goes_on_where_it_was():
    run = Run(seed=1, iteration=13, batches_per_epoch=5)
    run.begin_epoch(2)
    run.iteration = 16
    state = {'iter': 16, 'epoch': 2, **run.progress()}
    assert state['batches_done'] == 3
    resumed = Run(seed=9, batches_per_epoch=5)
    resumed.resume(state)
    assert (resumed.seed, resumed.iteration) == (1, 16)
    assert [resumed.batches_to_skip(epoch) for epoch in (1, 2, 3)] == [0, 3, 0]
    resumed.begin_epoch(2)
    assert resumed.progress() == run.progress()


def test_with_another_batch_size_the_epoch_begins_anew():
    run = Run(batches_per_epoch=4)
    run.resume({'iter': 16, 'epoch': 2, 'batches_per_epoch': 5, 'batches_done': 3})
    assert run.batches_to_skip(2) == 0


def test_reset_forgets_everything():
    run = Run()
    run.resume({'iter': 16, 'epoch': 2, 'batches_per_epoch': 5, 'batches_done': 3})
    run.begin_epoch(2)
    run.stop_signal = 2
    run.reset(4)
    assert run == Run(seed=4)
