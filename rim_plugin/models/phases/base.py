"""What a phase of the training is: which parts learn, from which losses, and what that requires."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeAlias

import torch
from torch import Tensor

from rim_plugin.batch import Batch
from rim_plugin.errors import OptionsError
from rim_plugin.losses.inputs import one_number
from rim_plugin.models.fitting import bare, called
from rim_plugin.models.networks import RIMNets
from rim_plugin.models.optimisation import Optimisation
from rim_plugin.options.schema import RIMTrain
from rim_plugin.pipeline import RIMPipeline

# Parts of the networks that learn by an optimizer of their own, and the letter of its options, ``optim_LETTER``; in the
# paper theta_G, theta_i, theta_d, none, theta_S and theta_A.
PARTS = {
    'generator': 'g',
    'integrator': 'i',
    'discriminator': 'd',
    'image_discriminator': 'd',
    'component_discriminator': 'd',
    'student': 's',
    'assistant': 'a',
}
PHASES: dict[str, type[Phase]] = {}
# a loss to begin with where the options have none
EXAMPLES = {'pixel': 'MSELoss', 'distill': 'DistillationLoss', 'residual': 'ResidualDistillationLoss'}

AMP = {'none': None, 'bf16': torch.bfloat16, 'fp16': torch.float16}

Losses: TypeAlias = dict[str, Tensor]


class Requirements(NamedTuple):
    """What a phase cannot do without.

    Attributes:
        networks: names of options, such as ``network_g``.
        losses: groups of terms, of each of which one at least is needed.
        data: fields of :class:`Batch`.
    """

    networks: tuple[str, ...]
    losses: tuple[tuple[str, ...], ...]
    data: tuple[str, ...] = ('gt',)


@dataclass(frozen=True)
class Setting:
    """What a phase works with.

    Attributes:
        nets: as the phase calls them: compiled, and wrapped for distributed runs, where that is wanted.
        losses: the terms of the options, by name.
        pipeline: RIM of the averaged networks, through whose eyes student and assistant see probes.
        options: ``train:``.
        recogniser_is_trained: whether the HRN begins with weights of a training, or of the teacher.
        device: of networks and batches.
        warn: logs a line, once.
    """

    nets: RIMNets
    losses: Mapping[str, Callable[..., Tensor]]
    pipeline: RIMPipeline
    options: RIMTrain
    recogniser_is_trained: bool
    device: torch.device
    warn: Callable[[str], Any]

    def loss(self, term: str, *inputs: Any, **options: Any) -> Tensor:
        """A term of the options, scalar.

        Raises:
            OptionsError: the loss cannot take these inputs, or gives no number.
        """
        place, loss = f'train.{term}_opt', self.losses[term]
        value = called(place, loss, *inputs, **options)
        return called(place, one_number, bare(loss), value)

    def autocast(self) -> torch.autocast:
        """Mixed precision as ``train.amp`` has it, as a context."""
        return torch.autocast(self.device.type, AMP[self.options.amp], enabled=self.options.amp != 'none')


class Phase(ABC):
    """Base of the phases. A subclass with a ``name`` registers itself in PHASES.

    Attributes:
        name: in ``train: phases``.
        parts: those of PARTS that learn.
        terms: the losses that it knows; the options of TERM are ``train: TERM_opt``.
    """

    name: ClassVar[str] = ''
    parts: ClassVar[tuple[str, ...]] = ()
    terms: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.name:
            PHASES[cls.name] = cls

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.nets, self.pipeline, self.options = setting.nets, setting.pipeline, setting.options

    @classmethod
    @abstractmethod
    def requirements(cls, options: RIMTrain) -> Requirements:
        """What the phase cannot do without, given the options of the training."""

    def active_terms(self) -> Iterable[str]:
        """Names of the terms that the phase makes use of with these networks and options."""
        return self.terms

    def check(self) -> None:  # noqa: B027  most phases have nothing to add
        """Check what :class:`Requirements` cannot say.

        Raises:
            ValueError: something does not fit; names the option.
        """

    @abstractmethod
    def losses(self, batch: Batch) -> Losses:
        """The terms that the parts minimise together, by name: scalars with their graphs."""

    def step(self, chunks: Sequence[Batch], iteration: int, optimisation: Optimisation) -> Losses:
        """One step of all the phase's parts.

        Args:
            chunks: the batch in its micro-batches.
            iteration: of the training, from 1.
            optimisation: takes gradients and steps.

        Returns:
            Every term, averaged over its micro-batches and without graph, by its name in the log.

        Raises:
            FloatingPointError: a loss is NaN or infinite; raised before any weight changes because of it.
        """
        for chunk in chunks:
            optimisation.backward(self.losses(chunk))
        optimisation.step(self.parts)
        return optimisation.finish()

    def is_capturable(self, iteration: int) -> bool:
        """Whether an iteration takes all its gradients before its only step, so that it can be recorded as a graph."""
        return True

    def check_data(self, batch: Batch) -> None:
        """Check that a batch has what the phase requires.

        Raises:
            OptionsError: it lacks some of it.
        """
        for name in self.requirements(self.options).data:
            if getattr(batch, name) is None:
                raise OptionsError(f"phase {self.name} needs '{name}', which the training data do not have")


def loss_terms() -> list[str]:
    """Every TERM of ``train: TERM_opt``."""
    return list(dict.fromkeys(term for phase in PHASES.values() for term in phase.terms))


def check_requirements(phase: str, needs: Requirements, networks: Iterable[str], losses: Iterable[str]) -> None:
    """Check that options have what a phase needs.

    Args:
        phase: its name.
        needs: of the phase.
        networks: names of the options' blocks, ``network_g`` and so on.
        losses: the terms of the options.

    Raises:
        ValueError: a network or a loss is missing; names it, and an example.
    """
    for network in needs.networks:
        if network not in networks:
            raise ValueError(f'{network} is missing: phase {phase} trains it')
    for group in needs.losses:
        require_losses(phase, group, losses)


def require_losses(phase: str, group: Sequence[str], losses: Iterable[str]) -> None:
    """ValueError unless one term of ``group`` is among ``losses``, the terms of the options."""
    if not set(group) & set(losses):
        example = f'; add e.g. {{type: {EXAMPLES[group[0]]}}}' if group[0] in EXAMPLES else ''
        raise ValueError(f'train.{group[0]}_opt is missing: phase {phase} needs it{example}')
