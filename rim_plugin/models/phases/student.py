"""The student: theta_S minimises Eq. 11, on SR images against the teacher on HR images."""

from __future__ import annotations

from collections.abc import Iterable

from rim_plugin.batch import Batch
from rim_plugin.models.phases.base import Losses, Phase, Requirements, Setting
from rim_plugin.models.phases.recognition import TERMS, RecognitionLosses
from rim_plugin.options.schema import RIMTrain


class StudentPhase(Phase):
    """Learns block K (``distill``), the embedding, and the identities of faces where they are known."""

    name = 'student'
    parts = ('student',)
    terms = TERMS

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.recognition = RecognitionLosses(setting, ('student',), without=('residual',))

    @classmethod
    def requirements(cls, options: RIMTrain) -> Requirements:
        return Requirements(('network_r',), (('distill', 'embedding', 'identity'),))

    def active_terms(self) -> Iterable[str]:
        return self.recognition.terms

    def check(self) -> None:
        self.recognition.check_head()
        self.recognition.check_teacher()

    def losses(self, batch: Batch) -> Losses:
        return self.recognition.of_probes(batch)
