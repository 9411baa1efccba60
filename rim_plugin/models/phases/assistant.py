"""The assistant: theta_A minimises Eq. 12, the student being constant; or it learns as a second student."""

from __future__ import annotations

from collections.abc import Iterable

from rim_plugin.batch import Batch
from rim_plugin.models.phases.base import Losses, Phase, Requirements, Setting
from rim_plugin.models.phases.recognition import TERMS, RecognitionLosses
from rim_plugin.options.schema import RIMTrain

# what it learns from at least, by ``assistant_target``
LEAST = {'sum': ('residual', 'embedding'), 'own': ('distill', 'embedding')}


class AssistantPhase(Phase):
    """The losses see f_S^K + f_A^K, and Eq. 12 counts (``assistant_target: sum``); or its own maps alone (``own``)."""

    name = 'assistant'
    parts = ('assistant',)
    terms = TERMS

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        if self.options.assistant_target == 'own':
            self.recognition = RecognitionLosses(setting, ('assistant',), without=('residual',))
        else:  # distill is the student's, which is constant
            self.recognition = RecognitionLosses(setting, without=('distill',))

    @classmethod
    def requirements(cls, options: RIMTrain) -> Requirements:
        return Requirements(('network_r',), (LEAST[options.assistant_target],))

    def active_terms(self) -> Iterable[str]:
        return self.recognition.terms

    def check(self) -> None:
        if self.pipeline.hrn is not None and self.pipeline.hrn.assistant is None:
            raise ValueError(f'network_r.assistant is none: phase {self.name} trains it')
        self.recognition.check_teacher()

    def losses(self, batch: Batch) -> Losses:
        return self.recognition.of_probes(batch)
