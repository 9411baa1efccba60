"""A tiny RIMModel with teacher, student and assistant."""

from support.tiny_rim import rim_model

ALIKE = {'type': 'MobileFaceNet'}
LOSSES = {
    'distill_opt': {'type': 'DistillationLoss'},
    'residual_opt': {'type': 'ResidualDistillationLoss'},
    'embedding_opt': {'type': 'DistillationLoss', 'target': 'embedding', 'distance': 'cosine'},
    **{f'optim_{label}': {'type': 'Adam', 'lr': 1e-3} for label in 'sa'},
}


def recogniser(teacher, networks=None, path=None, **train):
    """RIMModel whose recognisers are MobileFaceNets; ``teacher`` is the file of the teacher's weights."""
    return rim_model(
        path={'pretrain_network_t': teacher, **(path or {})},
        **{'start_from_teacher': True, **LOSSES, **train},
        networks={
            'network_t': ALIKE,
            'network_r': {'type': 'HRN', 'student': ALIKE, 'assistant': ALIKE, 'norm_eval': True},
            **(networks or {}),
        },
    )
