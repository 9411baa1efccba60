"""All together: the losses of every part, the gradient of Eq. 11 reaching the hallucination network."""

from __future__ import annotations

from collections.abc import Iterable

from rim_plugin.batch import Batch
from rim_plugin.models.phases.assistant import LEAST
from rim_plugin.models.phases.base import PARTS, Losses, Requirements, Setting, require_losses
from rim_plugin.models.phases.fhn import FHNPhase, TriPaths
from rim_plugin.models.phases.recognition import TERMS, RecognitionLosses
from rim_plugin.models.phases.student import StudentPhase
from rim_plugin.options.schema import RIMTrain


class JointPhase(FHNPhase):
    """Hallucination as in its own phase, then recognition of the faces that it makes, in one graph."""

    name = 'joint'
    parts = tuple(PARTS)
    terms = FHNPhase.terms + TERMS

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.recognition = RecognitionLosses(setting)

    @classmethod
    def requirements(cls, options: RIMTrain) -> Requirements:
        hallucination, recognition = FHNPhase.requirements(options), StudentPhase.requirements(options)
        return Requirements(hallucination.networks + recognition.networks, hallucination.losses + recognition.losses)

    def check(self) -> None:
        super().check()
        self.recognition.check_head()
        self.recognition.check_teacher()
        if self.pipeline.hrn is not None and self.pipeline.hrn.assistant is not None:
            require_losses(self.name, LEAST[self.options.assistant_target], self.setting.losses)

    def active_terms(self) -> Iterable[str]:
        return [*super().active_terms(), *self.recognition.terms]

    def losses(self, batch: Batch, output: TriPaths | None = None, adversarial: bool = False) -> Losses:
        sr, losses = self.hallucinate(batch, output, adversarial)
        with self.setting.autocast():
            faces = self.pipeline.student_input(batch.probes, sr)
        return {**losses, **self.recognition.of_faces(batch, faces)}
