"""What a phase of the training is: which parts learn, from which losses, and what that requires."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from rim_plugin.batch import Batch
from rim_plugin.models.optimisation import Optimisation
from rim_plugin.options.schema import RIMTrain
from rim_plugin.pipeline import RIMPipeline

# Parts of the networks that learn by an optimizer of their own, and the letter of its options, ``optim_LETTER``; in the
# paper theta_G, theta_i, theta_d, theta_S and theta_A.
PARTS = {'generator': 'g', 'integrator': 'i', 'discriminator': 'd', 'student': 's', 'assistant': 'a'}
PHASES: dict[str, type[Phase]] = {}
# a loss to begin with, for who has none
EXAMPLES = {'pixel': 'MSELoss', 'distill': 'DistillationLoss', 'residual': 'ResidualDistillationLoss'}

Losses = dict[str, Tensor]


@dataclass(frozen=True)
class Networks:
    """The networks of a training as phases call them, wrapped for distributed runs and compiled where that is wanted.

    Attributes:
        generator: TriPathGenerator, or another SR network; None without ``network_g``.
        integrator: theta_i; None where the generator is another SR network.
        discriminator: theta_d; None without a domain loss.
        bare_discriminator: the same, not wrapped, for a turn in which it is constant.
        recogniser: HRN; None without ``network_r``.
        teacher: the frozen recogniser; None without ``network_t``.
    """

    generator: nn.Module | None = None
    integrator: nn.Module | None = None
    discriminator: nn.Module | None = None
    bare_discriminator: nn.Module | None = None
    recogniser: nn.Module | None = None
    teacher: nn.Module | None = None


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
        nets: see there.
        losses: the terms of the options, by name.
        pipeline: RIM of the averaged networks, through whose eyes student and assistant see probes.
        options: ``train:``.
        recogniser_is_trained: whether the HRN begins with weights of a training, or of the teacher.
        autocast: mixed precision, as a context.
        warn: logs a line, once.
    """

    nets: Networks
    losses: Mapping[str, nn.Module]
    pipeline: RIMPipeline
    options: RIMTrain
    recogniser_is_trained: bool
    autocast: Callable[[], AbstractContextManager]
    warn: Callable[[str], None]


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

    def loss(self, name: str) -> nn.Module | None:
        """A loss of the options by its term; None where the options have none."""
        return self.setting.losses.get(name)

    @abstractmethod
    def losses(self, batch: Batch) -> Losses:
        """The terms that the parts minimise together, by name: scalars with their graphs."""

    def step(self, chunks: Sequence[Batch], iteration: int, optimisation: Optimisation) -> None:
        """One step of all the phase's parts.

        Args:
            chunks: the batch in its micro-batches.
            iteration: of the training, from 1.
            optimisation: takes gradients and steps.

        Raises:
            FloatingPointError: a loss is NaN or infinite; raised before any weight changes because of it.
        """
        for chunk in chunks:
            optimisation.backward(self.losses(chunk))
        optimisation.step(self.parts)


def check_requirements(phase: str, needs: Requirements, networks: Iterable[str], losses: Iterable[str]) -> None:
    """Check that options have what a phase needs.

    Args:
        phase: its name.
        needs: see there.
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
        example = EXAMPLES[group[0]]
        raise ValueError(f'train.{group[0]}_opt is missing: phase {phase} needs it; add e.g. {{type: {example}}}')
