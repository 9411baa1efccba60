"""What the phases of the recognition sub-net share: the terms of Eqs. 11 and 12, and of the embedding."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rim_plugin.archs.hrn_arch import HRN, HRNOutput
from rim_plugin.archs.recogniser import RecogniserOutput
from rim_plugin.batch import Batch
from rim_plugin.errors import OptionsError
from rim_plugin.models.phases.base import Losses, Setting

LIKENESS = ('distill', 'embedding', 'contrast')
TERMS = (*LIKENESS, 'residual', 'identity', 'octuplet')
BOTH = ('student', 'assistant')


class RecognitionLosses:
    """Losses of the HRN against the teacher, which sees HR faces.

    Args:
        setting: of the phase.
        branches: of HRN, those that see faces, see :meth:`HRN.forward`.
        without: terms that the phase leaves out.
    """

    def __init__(self, setting: Setting, branches: Sequence[str] = BOTH, without: Sequence[str] = ()) -> None:
        self.setting, self.pipeline = setting, setting.pipeline
        self.branches, self.terms = tuple(branches), [name for name in TERMS if name not in without]

    def check_head(self) -> None:
        """Check that an own head learns: it does from a loss on the embedding alone; untrained, it projects at random.

        Raises:
            ValueError: nothing trains it.
        """
        own_head = self.pipeline.hrn is not None and self.pipeline.hrn.own_head
        on_embedding = {'embedding', 'contrast', 'identity', 'octuplet'} & set(self.setting.losses)
        if own_head and not self.setting.recogniser_is_trained and not on_embedding:
            raise ValueError(
                'network_r.head is own, and nothing trains it: add train.embedding_opt, e.g. {type: DistillationLoss, '
                'target: embedding, distance: cosine}, or set head: teacher'
            )

    def check_teacher(self) -> None:
        """Check that there is a teacher for the losses that compare with one.

        Raises:
            ValueError: there is none.
        """
        compared = [f'{name}_opt' for name in self.terms if name != 'identity' and name in self.setting.losses]
        if compared and self.setting.nets.teacher is None:
            raise ValueError(f'network_t is missing: {", ".join(compared)}: identity_opt alone needs no teacher')

    def of_probes(self, batch: Batch) -> Losses:
        """The terms on what the hallucination network, which is constant, makes of the probes."""
        with self.setting.autocast(), torch.no_grad():
            unseen = self.branches == ('assistant',) and self.pipeline.hrn is not None and self.pipeline.hrn.sees_probe
            faces = None if unseen else self.pipeline.student_input(batch.probes)
        return self.of_faces(batch, faces)

    def of_faces(self, batch: Batch, faces: Tensor | None) -> Losses:
        """The terms by name.

        Args:
            batch: with ``gt``, and ``identity`` for losses on labels.
            faces: (N, 3, h, w), the probes hallucinated; Eq. 11 reaches beyond them where they have a graph. None where
                nobody looks at them.

        Raises:
            ValueError: a loss on labels, and data without.
        """
        nets = self.setting.nets
        assert nets.recogniser is not None  # as the requirements say
        with self.setting.autocast():
            with torch.no_grad():
                teacher: RecogniserOutput | None = nets.teacher(batch.truth) if nets.teacher is not None else None
            probe = self.pipeline.assistant_input(batch.probes) if 'assistant' in self.branches else None
            output: HRNOutput = nets.recogniser(faces, probe, branches=self.branches)
            embedding = HRN.embed(output, self.pipeline.teacher)
        student = RecogniserOutput(output.assistant if self.branches == ('assistant',) else output.student, embedding)
        wanted, loss = self.setting.losses.keys() & set(self.terms), self.setting.loss
        terms = {name: loss(name, student, teacher) for name in LIKENESS if name in wanted}
        if 'residual' in wanted and output.student and output.assistant and teacher is not None:
            terms['residual'] = loss('residual', output.assistant, output.student, teacher.blocks)
        return {**terms, **self._of_persons(batch, student, teacher, wanted)}

    def _of_persons(
        self, batch: Batch, student: RecogniserOutput, teacher: RecogniserOutput | None, wanted: set[str]
    ) -> Losses:
        """The terms that need to know who the faces are."""
        labelled = [name for name in ('identity', 'octuplet') if name in wanted]
        if labelled and batch.identity is None:
            raise OptionsError(
                f"{labelled[0]}_opt needs to know who the faces are: set the dataset's identities, or leave it out"
            )
        given = {'identity': (student,), 'octuplet': (student, teacher)}
        return {name: self.setting.loss(name, *given[name], batch.identity) for name in labelled}
