"""What the recognition phases share: losses on identities and what they keep."""

import pytest
import torch
from support.tiny_recognition import ALIKE, learned, recogniser, weights
from support.tiny_rim import batch, rim_model

from rim_plugin.pipeline import inference_mode

IDENTITY = {'identity_opt': {'type': 'ArcFaceLoss', 'num_classes': 3, 'embedding_size': 128}}


def step_with_identities(model, iteration=1):
    model.feed_data({**batch(2), 'identity': torch.tensor([2, -1])})
    model.optimize_parameters(iteration)


def test_identities_train_the_student_and_their_own_weights(teacher):
    model = recogniser(teacher, phase='student', distill_opt=None, embedding_opt=None, **IDENTITY)
    before, students = model.trainer.losses['identity'].weight.clone(), weights(model)
    step_with_identities(model)
    assert set(model.get_current_log()) == {'l_identity'} and learned(students, weights(model)) == 's'
    assert not torch.equal(model.trainer.losses['identity'].weight, before)
    with pytest.raises(ValueError, match="identity_opt needs to know who the faces are: set the dataset's identities"):
        model.feed_data(batch(2))
        model.optimize_parameters(2)


ALONE = {'type': 'HRN', 'student': ALIKE, 'assistant': None, 'head': 'own'}


def alone(network_r=ALONE, **train):
    """A training without teacher."""
    solver = {'type': 'Adam', 'lr': 1e-3}
    return rim_model(networks={'network_r': network_r}, phase='student', optim_s=solver, **{**IDENTITY, **train})


def test_identities_alone_need_no_teacher():
    model = alone()
    before = [value.clone() for value in model.nets.recogniser.student.parameters()]
    for iteration in (1, 2):
        step_with_identities(model, iteration)
    assert set(model.get_current_log()) == {'l_identity'}
    changed = [not torch.equal(a, b) for a, b in zip(before, model.nets.recogniser.student.parameters(), strict=True)]
    assert all(changed)
    faces = torch.rand(2, 3, 112, 112)
    with inference_mode(model.pipeline), torch.no_grad():
        embedding = model.pipeline.embed_gallery(faces)
        assert embedding.shape == (2, 128)
        torch.testing.assert_close(embedding, model.pipeline.embed_probe(faces))


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'distill_opt': {'type': 'DistillationLoss'}}, 'network_t is missing: distill_opt: identity_opt alone'),
        ({'network_r': {**ALONE, 'head': 'teacher'}}, 'network_t is missing: student and assistant'),
        ({'network_r': {'type': 'HRN', 'head': 'own'}}, 'network_t is missing: student and assistant'),
        ({'identity_opt': None}, 'train.distill_opt is missing'),
    ],
)
def test_what_a_training_without_teacher_cannot_have_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        alone(**changes)


@pytest.mark.slow
def test_weights_of_identities_have_a_learning_rate_of_their_own(teacher):
    steps = {}
    for rate in ({}, {'classifier_lr': 1e-2}):  # Adam's first step is as long as the learning rate
        model = recogniser(teacher, phase='student', optim_s={'type': 'Adam', 'lr': 1e-4}, **rate, **IDENTITY)
        before, head = (
            model.trainer.losses['identity'].weight.clone(),
            next(model.nets.recogniser.student.parameters()).clone(),
        )
        step_with_identities(model)
        steps[len(rate)] = [
            (now - old).abs().max().item()
            for now, old in (
                (model.trainer.losses['identity'].weight, before),
                (next(model.nets.recogniser.student.parameters()), head),
            )
        ]
    assert steps == {0: pytest.approx([1e-4, 1e-4], rel=0.01), 1: pytest.approx([1e-2, 1e-4], rel=0.01)}
    with pytest.raises(ValueError, match='train.identity_opt is missing: train.classifier_lr'):
        recogniser(teacher, phase='student', classifier_lr=1e-2)


def test_weights_of_identities_rest_while_the_assistant_learns(teacher):
    model = recogniser(teacher, phases={'assistant': 1, 'student': 999}, **IDENTITY)
    before = model.trainer.losses['identity'].weight.clone()
    step_with_identities(model, 1)
    assert (
        torch.equal(model.trainer.losses['identity'].weight, before)
        and model.trainer.losses['identity'].weight.grad is None
    )
    step_with_identities(model, 2)
    assert not torch.equal(model.trainer.losses['identity'].weight, before)


@pytest.mark.slow
def test_what_losses_keep_is_in_the_training_state(teacher):
    models = [
        recogniser(teacher, phase='student', contrast_opt={'type': 'ContrastiveDistillationLoss'}, **IDENTITY)
        for _ in range(2)
    ]
    step_with_identities(models[0])
    state = models[0].loss_state
    assert {name: list(values) for name, values in state.items()} == {'contrast': ['queue'], 'identity': ['weight']}
    models[1].loss_state = state
    for name, values in state.items():
        for key, value in values.items():
            assert torch.equal(getattr(models[1].trainer.losses[name], key), value)
    assert isinstance(models[1].trainer.losses['identity'].weight, torch.nn.Parameter)
