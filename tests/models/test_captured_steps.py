"""Recorded steps against the same steps as they are, with CUDA graphs stood in for by operators that run again."""

import pytest
import torch
from support.recorded import RecordedGraphs
from support.tiny_recognition import HRN, mixed, recogniser
from support.tiny_rim import batch, rim_model, state_of

from rim_plugin.batch import Batch
from rim_plugin.models import captured_steps, trainer
from rim_plugin.models.captured_steps import WARM_UPS, copied, is_capturable, signature
from rim_plugin.models.phases.base import Phase
from rim_plugin.muon import Muon

ADAM = {'type': 'Adam', 'lr': 1e-3, 'fused': True}  # as on a GPU; else it looks at its count of steps
MUON = {'type': 'Muon', 'lr': 1e-3}
FAST = {'optim_g': MUON, 'optim_i': MUON, 'optim_d': ADAM, 'optim_s': ADAM, 'optim_a': ADAM, 'grad_clip': 0.5}
CONTRAST = {'contrast_opt': {'type': 'ContrastiveDistillationLoss', 'queue_size': 7}}
STEPS = WARM_UPS + 4


@pytest.fixture
def teacher(tiny_teacher):
    return tiny_teacher


@pytest.fixture
def graphs(monkeypatch):
    """Those that were made, one for each phase."""
    made = []

    def new_graphs(device):
        made.append(RecordedGraphs())
        return made[-1]

    monkeypatch.setattr(trainer, 'new_graphs', new_graphs)
    monkeypatch.setattr(trainer, 'can_capture', lambda model: True)
    return made


def trained(model, batches, warmup=4):
    """Logs of steps with rates that rise and fall, and all weights and buffers afterwards, averaged ones too."""
    logs = []
    for iteration, data in enumerate(batches, 1):
        model.update_learning_rate(iteration, warmup)
        model.feed_data(data)
        model.optimize_parameters(iteration)
        logs.append(dict(model.get_current_log()))
    nets = (*model.nets.learning.values(), *model.trainer.ema_nets.learning.values())
    return logs, [state_of(net) for net in nets]


def check_equal(build, batches, graphs, records):
    """That a training with graphs does what one without does; ``records``: how many there are in the end, by phase."""
    (logs, states), (expected_logs, expected) = (trained(build(captured), batches) for captured in (True, False))
    assert [len(each.records) for each in graphs] == records
    for log, other in zip(logs, expected_logs, strict=True):
        assert log == pytest.approx(other, rel=1e-5)
    for ours, theirs in zip(states, expected, strict=True):
        for key, value in theirs.items():
            torch.testing.assert_close(ours[key], value, atol=1e-6, rtol=1e-4, msg=key)


def batches(count=STEPS, of=batch):
    return [{**of(4), **batch(4, seed)} if of is batch else of(4) for seed in range(count)]


SCHEDULE = {'scheduler': {'type': 'MultiStepLR', 'milestones': [WARM_UPS + 2], 'gamma': 0.1}}


@pytest.mark.slow
@pytest.mark.parametrize(
    'options, records',
    [
        ({'domain_opt': None}, 2),
        ({'domain_opt': None, 'accumulate': 2}, 2),
        ({'domain_opt': None, 'amp': 'bf16'}, 2),
        ({'domain_opt': None, 'optim_g': {'type': 'SGD', 'lr': 1e-3}}, 1),
        ({'domain_interval': 2}, 2),
    ],
    ids=['losses', 'micro-batches', 'bf16', 'an optimizer that cannot be recorded', 'domain loss every other step'],
)
def test_hallucination_learns_as_without_graphs(graphs, options, records):
    def build(captured):
        return rim_model(captured=captured, **{**FAST, **SCHEDULE, **options})

    check_equal(build, batches(2 * STEPS if 'domain_interval' in options else STEPS), graphs, [records])


@pytest.mark.slow
@pytest.mark.parametrize('phase', ['student', 'assistant', 'joint'])
def test_recognition_learns_as_without_graphs(graphs, teacher, phase):
    def build(captured):
        hrn = {**HRN, 'norm_eval': False}  # statistics of batches are state, too
        networks = {'network_r': hrn}
        options = {**FAST, **CONTRAST, 'phase': phase, 'domain_opt': None, 'captured': captured}
        return recogniser(teacher, networks, **options)

    check_equal(build, batches(), graphs, [2])


@pytest.mark.slow
def test_each_shape_has_a_graph_and_each_phase_its_own(graphs, teacher):
    def build(captured):
        phases = {'fhn': 2 * STEPS, 'student': STEPS}
        options = {**FAST, 'phases': phases, 'total_iter': 3 * STEPS, 'domain_opt': None, 'captured': captured}
        return recogniser(teacher, **options)

    two_shapes = [data for plain in batches() for data in (plain, mixed(4))]
    check_equal(build, two_shapes + batches(), graphs, [4, 2])


@pytest.mark.slow
def test_a_replay_takes_the_batch_the_rate_and_the_weights_of_its_time(graphs):
    def build(captured):
        return rim_model(captured=captured, domain_opt=None, **FAST)

    check_equal(build, batches(WARM_UPS + 3), graphs, [2])


@pytest.mark.slow
def test_beyond_the_most_shapes_it_goes_on_without_graphs(graphs, monkeypatch):
    monkeypatch.setattr(captured_steps, 'MOST_GRAPHS', 1)
    model, lines = rim_model(captured=True, domain_opt=None, **FAST), []
    model.trainer.enter_phase(1)
    model.trainer._captured._warn = lines.append
    trained(model, [batch(4), batch(3)])
    assert len(lines) == 1 and 'phase fhn have more than 1 shapes' in lines[0]


@pytest.mark.slow
def test_a_replay_stops_before_weights_change_because_of_a_number_that_is_none(graphs):
    model = rim_model(captured=True, domain_opt=None, **FAST)
    trained(model, batches())
    before = state_of(model.nets.generator)
    with pytest.raises(FloatingPointError, match='l_pixel is nan'):
        trained(model, [{**batch(4), 'gt': torch.full((4, 3, 64, 64), torch.nan)}])
    assert all(torch.equal(before[key], value) for key, value in model.nets.generator.state_dict().items())


@pytest.mark.slow
def test_optimizers_keep_numbers_and_no_gradients_are_left(graphs):
    model = rim_model(captured=True, domain_opt=None, **{**FAST, 'optim_g': ADAM})
    trained(model, batches())
    groups = [group for optimizer in model.optimizers for group in optimizer.param_groups]
    assert all(isinstance(group['lr'], float) and group.get('capturable') in (None, False) for group in groups)
    assert all(value.grad is None for net in model.nets.learning.values() for value in net.parameters())


@pytest.mark.slow
def test_a_phase_of_two_steps_in_one_says_so(graphs):
    class TwoSteps(Phase):
        parts = ('generator',)

        @classmethod
        def requirements(cls, options):
            raise NotImplementedError

        def check_data(self, batch):
            pass

        def losses(self, batch):
            return {'a': self.nets.generator(batch.probes).coarse.mean()}

        def step(self, chunks, iteration, optimisation):
            super().step(chunks, iteration, optimisation)
            return super().step(chunks, iteration, optimisation)

    model = rim_model(captured=True, domain_opt=None, **FAST)
    phase = TwoSteps(model.trainer.phases['fhn'].setting)
    phase.name = 'twice'
    model.trainer.phases['fhn'] = phase
    message = (
        'train.captured: a step of phase twice cannot be recorded .its gradients depend on a step of another part.'
    )
    with pytest.raises(ValueError, match=message):
        trained(model, batches())


def test_without_a_gpu_a_warning_says_that_it_is_off(caplog):
    model = rim_model(captured=True, domain_opt=None)
    trained(model, batches(1))
    assert model.trainer._captured is None
    assert 'train.captured is off: it needs a GPU' in caplog.text


def test_fp16_is_refused():
    with pytest.raises(ValueError, match='train.captured records steps as they are'):
        rim_model(captured=True, amp='fp16')


def test_signatures_tell_shapes_types_groups_and_what_lies_elsewhere():
    here, there = torch.device('cpu'), torch.device('meta')
    probes = torch.rand(4, 3, 8, 8)
    one = Batch([probes], identity=torch.tensor([1, 2, 3, 4]))
    assert signature(one, here) == signature(Batch([probes + 1], identity=torch.zeros(4, dtype=torch.int64)), here)
    others = [
        Batch([probes]),
        Batch([probes[:2], probes[2:]], identity=one.identity),
        Batch([probes.double()], identity=one.identity),
        Batch([probes[:, :, :7]], identity=one.identity),
    ]
    assert signature(one, here) not in [signature(each, here) for each in others]
    moved = Batch([probes.to('meta')], identity=one.identity)
    assert signature(moved, there) != signature(Batch(moved.probes, identity=one.identity + 1), there)
    kept = copied(moved, there)
    assert kept.identity is one.identity and kept.probes[0] is not moved.probes[0]


def test_copies_keep_the_memory_format():
    probes = torch.rand(4, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    (own,) = copied(Batch([probes]), torch.device('cpu')).probes
    assert torch.equal(own, probes) and own.stride() == probes.stride() and own.data_ptr() != probes.data_ptr()


def test_which_optimizers_can_be_recorded():
    weights = [torch.zeros(3, 3, 3, 3, requires_grad=True)]
    kinds = {kind: is_capturable(kind(weights, lr=0.1)) for kind in (Muon, torch.optim.Adam, torch.optim.SGD)}
    assert list(kinds.values()) == [True, True, False]
    assert is_capturable(torch.optim.RMSprop(weights))
