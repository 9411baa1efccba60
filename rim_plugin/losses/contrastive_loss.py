"""Contrastive distillation of the embedding: nearer to the teacher's of the same face than to those of other people."""

import torch
from torch import nn
from torch.nn import functional as F

from rim_plugin.losses.distributed import all_ranks

from basicsr.utils.registry import LOSS_REGISTRY


@LOSS_REGISTRY.register()
class ContrastiveDistillationLoss(nn.Module):
    r"""Which of many teacher's embeddings is that of the student's face (InfoNCE; van den Oord et al., 2018, Eq. 4).

    .. math::
        -\log \frac{\exp(s \cdot t_0 / \tau)}{\exp(s \cdot t_0 / \tau) + \sum_i \exp(s \cdot t_i / \tau)}

    with s the student's embedding of the probe, t_0 the teacher's of the same face, and t_i the teacher's of the faces
    last seen, in this batch and in those before (a queue as in He et al., Momentum Contrast, 2020; the teacher being
    constant, it does not grow stale), all of length 1. Faces that the teacher takes for the same person as t_0 are left
    out of the sum. Not in the paper, whose Eq. 11 asks for likeness alone.

    Args:
        loss_weight (float): factor on the result. Default: 1.0.
        temperature (float): tau, > 0. Default: 0.07.
        queue_size (int): how many of the teacher's embeddings are kept, those of all ranks together. Default: 4096.
        same_person (float): cosine with t_0 above which a face counts as the same person, above -1 and below 1: at 1, t_0
            itself, which the queue holds, would count as another. Default: 0.5.

    Raises:
        ValueError: an option out of its range, or embeddings of different shapes.
    """

    def __init__(self, loss_weight=1.0, temperature=0.07, queue_size=4096, same_person=0.5):
        super().__init__()
        if temperature <= 0:
            raise ValueError(f'ContrastiveDistillationLoss: temperature must be above 0, not {temperature}')
        if queue_size < 1:
            raise ValueError(f'ContrastiveDistillationLoss: queue_size must be 1 or more, not {queue_size}')
        if not -1 < same_person < 1:
            raise ValueError(f'ContrastiveDistillationLoss: same_person must be between -1 and 1, not {same_person}')
        self.loss_weight, self.temperature = loss_weight, temperature
        self.queue_size, self.same_person = queue_size, same_person
        self.register_buffer('queue', torch.zeros(0, 0))

    def forward(self, student, teacher):
        """
        Args:
            student (RecogniserOutput): embedding (N, D); nothing else is read.
            teacher (RecogniserOutput): embedding (N, D); constant. It joins the queue.

        Returns:
            Tensor: scalar, float32 or float64.
        """
        student, teacher = student.embedding, teacher.embedding.detach()
        if student.shape != teacher.shape:
            raise ValueError(
                'ContrastiveDistillationLoss: embedding must have one shape: '
                f'student {tuple(student.shape)}, teacher {tuple(teacher.shape)}'
            )
        dtype = torch.promote_types(torch.promote_types(student.dtype, teacher.dtype), torch.float32)
        student, teacher = F.normalize(student.to(dtype)), F.normalize(teacher.to(dtype))
        self._enqueue(teacher)
        own = (student * teacher).sum(1, keepdim=True)
        others = (student @ self.queue.T).masked_fill(teacher @ self.queue.T > self.same_person, -torch.inf)
        logits = torch.cat([own, others], 1) / self.temperature
        return self.loss_weight * F.cross_entropy(logits, torch.zeros_like(logits[:, 0], dtype=torch.long))

    @torch.no_grad()
    def _enqueue(self, embeddings):
        latest = all_ranks(embeddings)
        self.queue = torch.cat([self.queue.to(latest).reshape(-1, latest.shape[1]), latest])[-self.queue_size :]
