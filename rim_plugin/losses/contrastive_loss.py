"""Contrastive distillation of the embedding: nearer to the teacher's of the same face than to those of other people."""

from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.nn import functional as F

from rim_plugin.archs.recogniser import RecogniserOutput
from rim_plugin.losses.distributed import all_ranks
from rim_plugin.losses.inputs import check_shapes, full_precision, widened
from rim_plugin.options.kinds import Count, Positive

from basicsr.utils.registry import LOSS_REGISTRY


def contrastive_distillation_loss(
    student: Tensor, teacher: Tensor, seen: Tensor, temperature: float = 0.07, same_person: float = 0.5
) -> Tensor:
    r"""Which of many teacher's embeddings is that of the student's face (InfoNCE; van den Oord et al., 2018, Eq. 4).

    .. math::
        -\log \frac{\exp(s \cdot t_0 / \tau)}{\exp(s \cdot t_0 / \tau) + \sum_i \exp(s \cdot t_i / \tau)}

    with s the student's embedding, t_0 the teacher's of the same face, and t_i the teacher's of other faces. Faces that
    the teacher takes for the same person as t_0 are left out of the sum.

    Args:
        student: (N, D), of length 1.
        teacher: (N, D), of length 1; constant.
        seen: (M, D), of length 1; the t_i of every face. Rows of zeros are empty places, which do not count.
        temperature: tau, > 0.
        same_person: cosine with t_0 above which a face counts as the same person.

    Returns:
        Scalar.

    Example:
        >>> faces = torch.eye(4)
        >>> contrastive_distillation_loss(faces, faces, faces, temperature=1.0)  # log(1 + 3 / e)
        tensor(0.7437)
    """
    own = (student * teacher).sum(1, keepdim=True)
    left_out = (teacher @ seen.T > same_person) | ~seen.any(1)
    others = (student @ seen.T).masked_fill(left_out, -torch.inf)
    logits = torch.cat([own, others], 1) / temperature
    return F.cross_entropy(logits, torch.zeros_like(logits[:, 0], dtype=torch.long))


@LOSS_REGISTRY.register()
class ContrastiveDistillationLoss(nn.Module):
    """Contrast of the student's embedding with the teacher's, see :func:`contrastive_distillation_loss`.

    The teacher's embeddings of the faces last seen, in this batch and in those before, are kept (a queue as in He et
    al., Momentum Contrast, 2020; the teacher being constant, it does not grow stale). Not in the paper, whose Eq. 11
    asks for likeness alone. The queue has its full length from the first batch on, with zeros in front until it is
    full: one place in memory, where a CUDA graph finds it.

    Args:
        loss_weight: factor on the result.
        temperature: tau, > 0.
        queue_size: how many of the teacher's embeddings are kept, those of all ranks together.
        same_person: cosine with t_0 above which a face counts as the same person, above -1 and below 1: at 1, t_0
            itself, which the queue holds, would count as another.
    """

    queue: Tensor

    def __init__(
        self,
        loss_weight: float = 1.0,
        temperature: Positive = 0.07,
        queue_size: Count = 4096,
        same_person: Annotated[float, Meta(gt=-1, lt=1)] = 0.5,
    ) -> None:
        super().__init__()
        self.loss_weight, self.temperature = loss_weight, temperature
        self.queue_size, self.same_person = queue_size, same_person
        self.register_buffer('queue', torch.zeros(0, 0))

    def forward(self, student: RecogniserOutput, teacher: RecogniserOutput) -> Tensor:
        """Contrast of embeddings, any floating dtype; computed in float32 at least.

        Args:
            student: embedding (N, D); nothing else is read.
            teacher: embedding (N, D); constant. It joins the queue.

        Returns:
            Scalar, float32 or float64.

        Raises:
            ValueError: embeddings of different shapes.
        """
        pair = {'student': student.embedding, 'teacher': teacher.embedding.detach()}
        check_shapes('ContrastiveDistillationLoss', 'embedding', **pair)
        f_s, f_t = (F.normalize(embedding) for embedding in widened(*pair.values()))
        self._enqueue(f_t)
        with full_precision(f_s):
            loss = contrastive_distillation_loss(f_s, f_t, self.queue, self.temperature, self.same_person)
        return self.loss_weight * loss

    @torch.no_grad()
    def _enqueue(self, embeddings: Tensor) -> None:
        latest = all_ranks(embeddings)
        shape = (self.queue_size, latest.shape[1])
        if self.queue.shape != shape or self.queue.dtype != latest.dtype:  # the first batch, or another queue_size
            kept = self.queue.to(latest).reshape(-1, shape[1])[-self.queue_size :]
            self.queue = torch.cat([latest.new_zeros(self.queue_size - len(kept), shape[1]), kept])
        self.queue.copy_(torch.cat([self.queue, latest])[-self.queue_size :])
