"""What changes before a training goes on: told key by key, and applied where it can be."""

from fnmatch import fnmatch
from types import SimpleNamespace

import pytest
import torch
from support.tiny_training import TinyNet

from rim_plugin.compat import changed_options
from rim_plugin.options.conversion import fields_of
from rim_plugin.options.schema import BaselineGANTrain, BaselineTrain, RIMTrain
from rim_plugin.run_state import RUN

from basicsr.models.lr_scheduler import CosineAnnealingRestartLR, MultiStepRestartLR

pytestmark = pytest.mark.filterwarnings('ignore:Detected call of')
OPTIONS = {'manual_seed': 7, 'train': {'optim_g': {'type': 'RMSprop', 'lr': 0.1}, 'scheduler': {'gamma': 0.5}}}


@pytest.fixture(autouse=True)
def run():
    RUN.reset()
    RUN.options = OPTIONS
    yield
    RUN.reset()


def model(kind=torch.optim.RMSprop, lr=0.1, milestones=(3, 6), gamma=0.5, width=4, **options):
    """A model of one optimizer with memory of one step, its scheduler stepped to iteration 1."""
    net = TinyNet(width)
    optimizer = kind(net.parameters(), lr=lr, **options)
    scheduler = MultiStepRestartLR(optimizer, list(milestones), gamma)
    return SimpleNamespace(net=net, optimizers=[optimizer], schedulers=[scheduler])


def trained(steps, **options):
    """A model after so many iterations, and its state."""
    it = model(**options)
    for iteration in range(1, steps + 1):
        if iteration > 1:
            it.schedulers[0].step()
        it.net(torch.ones(2, 3, 8, 8)).square().mean().backward()
        it.optimizers[0].step()
    return it, {
        'iter': steps,
        'options': OPTIONS,
        'solvers': changed_options.solvers(it),
        'optimizers': [it.optimizers[0].state_dict()],
        'schedulers': [it.schedulers[0].state_dict()],
    }


def changed(path, value):
    *parents, last = path.split('.')
    tree = {**OPTIONS, 'train': {key: dict(block) for key, block in OPTIONS['train'].items()}}
    block = tree
    for parent in parents:
        block = block[parent]
    block[last] = value
    return tree


def memory(optimizer):
    return optimizer.state_dict()['state']


def equal(one, two):
    return all(torch.equal(one[i][key], two[i][key]) for i in one for key in one[i])


def test_keys_are_told_once_as_applied_or_not():
    before = {'a': 1, 'gone': {'b': 2}, 'same': [1], 'path': {'resume_state': None, 'pretrain_network_g': None}}
    now = {'a': 2, 'same': [1], 'new': None, 'path': {'resume_state': 'x', 'pretrain_network_g': 'g.pth'}}
    lines = [change.told(()) for change in changed_options.changes(before, now)]
    assert lines == [
        'a: 1 -> 2: applied',
        "gone: {'b': 2} -> absent: applied",
        "path.pretrain_network_g: ~ -> 'g.pth': not applied: the weights are those of the training state",
        'new: absent -> ~: applied',
    ]


def test_the_weights_of_a_frozen_network_are_read_again():
    (change,) = changed_options.changes({'path': {'pretrain_network_t': 'a'}}, {'path': {'pretrain_network_t': 'b'}})
    assert change.told(['network_t']).endswith(': applied')
    assert 'not applied' in change.told(['network_r'])


# Read anew in every iteration, or when the model is built, of which the state brings nothing back.
READ_ANEW = {'total_iter', 'warmup_iter', 'ema_decay', 'channels_last', 'phase', 'phases', 'assistant_target'}
READ_ANEW |= {'grad_clip', 'domain_interval', 'accumulate', 'amp', 'compile', 'captured', 'level_weights'}
READ_ANEW |= {'clip_over_lr', 'net_d_iters', 'net_d_init_iters'}
WITH_THE_OPTIMIZERS = {'scheduler', 'classifier_lr', 'last_layer_lr'}
TOO_LATE = {'start_from_teacher'}


def test_of_each_option_of_a_training_it_is_known_whether_a_change_takes_effect():
    options = {key for struct in (RIMTrain, BaselineTrain, BaselineGANTrain) for key in fields_of(struct)}
    assert options == READ_ANEW | WITH_THE_OPTIMIZERS | TOO_LATE
    for key in options:
        (change,) = changed_options.changes({'train': {key: 1}}, {'train': {key: 2}})
        assert change.told(()).endswith(': applied') == (key not in TOO_LATE)
        remakes = any(fnmatch(change.key, pattern) for pattern in changed_options._SOLVERS)
        assert remakes == (key in WITH_THE_OPTIMIZERS)


def test_a_state_that_does_not_know_its_options_tells_nothing():
    assert changed_options.since_state({}) == []


def test_nothing_changed_is_loaded_as_it_was():
    before, state = trained(5)
    after = model()
    assert changed_options.resume_solvers(after, state) == []
    assert after.optimizers[0].param_groups[0]['lr'] == before.optimizers[0].param_groups[0]['lr'] == 0.05
    assert after.schedulers[0].state_dict() == before.schedulers[0].state_dict()
    assert equal(memory(after.optimizers[0]), memory(before.optimizers[0]))


@pytest.mark.parametrize(
    'path, value, options, rate',
    [
        ('train.optim_g.lr', 0.4, {'lr': 0.4}, 0.2),
        ('train.scheduler.gamma', 0.1, {'gamma': 0.1}, 0.01),
        ('train.scheduler.milestones', [9], {'milestones': [9]}, 0.1),
        ('train.optim_g.alpha', 0.5, {'alpha': 0.5}, 0.05),
        ('train.classifier_lr', 0.4, {'lr': 0.4}, 0.2),
        ('train.last_layer_lr', 0.4, {'lr': 0.4}, 0.2),
    ],
)
def test_rate_and_schedule_are_those_that_the_options_have_at_this_iteration(path, value, options, rate):
    before, state = trained(5)
    RUN.options = changed(path, value)
    after = model(**options)
    assert changed_options.resume_solvers(after, state) == []
    assert after.optimizers[0].param_groups[0]['lr'] == pytest.approx(rate)
    assert after.optimizers[0].param_groups[0]['alpha'] == options.get('alpha', 0.99)
    assert after.schedulers[0].last_epoch == before.schedulers[0].last_epoch == 4
    assert equal(memory(after.optimizers[0]), memory(before.optimizers[0]))


def test_another_course_of_the_rate_begins_where_it_would_be():
    _, state = trained(5)
    RUN.options = changed('train.scheduler.type', 'CosineAnnealingRestartLR')
    after = model()
    after.schedulers = [CosineAnnealingRestartLR(after.optimizers[0], [8], eta_min=0)]
    changed_options.resume_solvers(after, state)
    assert after.optimizers[0].param_groups[0]['lr'] == pytest.approx(0.05)  # half of the way


def test_another_optimizer_or_other_weights_begin_without_memory():
    _, state = trained(5)
    RUN.options = changed('train.optim_g.type', 'Adam')
    after = model(torch.optim.Adam)
    assert changed_options.resume_solvers(after, state) == ['The optimizer of 0, Adam, begins without memory.']
    assert memory(after.optimizers[0]) == {} and after.optimizers[0].param_groups[0]['lr'] == 0.05
    RUN.options = changed('train.optim_g.lr', 0.1)
    after = model(width=8)
    assert changed_options.resume_solvers(after, state) == ['The optimizer of 0, RMSprop, begins without memory.']


def test_optimizers_find_their_own_by_name():
    before, state = trained(5)
    state['solvers'][0]['name'] = 'student'
    after = SimpleNamespace(
        optimizers=[*model().optimizers, *(same := model()).optimizers],
        schedulers=[*model().schedulers, *same.schedulers],
        optimizer_names=['generator', 'student'],
    )
    assert changed_options.resume_solvers(after, state) == [
        'The optimizer of generator, RMSprop, begins without memory.'
    ]
    assert equal(memory(after.optimizers[1]), memory(before.optimizers[0])) and not memory(after.optimizers[0])


def test_a_state_of_before_with_other_optimizers_begins_without_memory():
    _, state = trained(2)
    state = {**state, 'solvers': [], 'optimizers': state['optimizers'] * 2}
    assert len(changed_options.resume_solvers(model(), state)) == 1


def test_best_results_know_the_metrics_of_today():
    best = {'faces': {'psnr': {'better': 'higher', 'val': 30.0, 'iter': 4}, 'gone': {'better': 'higher', 'val': 1}}}
    changed_options.fit_best_results(best, {'psnr': {'better': 'higher'}, 'nme': {'better': 'lower'}, 'ssim': {}})
    assert best['faces']['psnr']['val'] == 30.0
    assert best['faces']['nme'] == {'better': 'lower', 'val': float('inf'), 'iter': -1}
    assert best['faces']['ssim'] == {'better': 'higher', 'val': float('-inf'), 'iter': -1}
    changed_options.fit_best_results(best, {'psnr': {'better': 'lower'}})
    assert best['faces']['psnr'] == {'better': 'lower', 'val': float('inf'), 'iter': -1}


def test_networks_that_changed_are_named_with_the_error():
    assert changed_options.networks_changed() == ''
    RUN.resumed = {'options': {**OPTIONS, 'network_g': {'width': 4}}}
    RUN.options = {**OPTIONS, 'network_g': {'width': 8}}
    assert 'network_g.width: 4 -> 8: take that back' in changed_options.networks_changed()
