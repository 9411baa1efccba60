"""What a phase of the training is: which parts learn, from which losses, and what that requires."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, TypeAlias, overload

from torch import Tensor, nn

from rim_plugin.archs.fhn_arch import TriPathOutput
from rim_plugin.archs.hrn_arch import HRNOutput
from rim_plugin.archs.recogniser import RecogniserOutput
from rim_plugin.batch import Batch
from rim_plugin.errors import OptionsError
from rim_plugin.models.optimisation import Optimisation
from rim_plugin.options.schema import RIMTrain
from rim_plugin.pipeline import RIMPipeline

# Parts of the networks that learn by an optimizer of their own, and the letter of its options, ``optim_LETTER``; in the
# paper theta_G, theta_i, theta_d, theta_S and theta_A.
PARTS = {'generator': 'g', 'integrator': 'i', 'discriminator': 'd', 'student': 's', 'assistant': 'a'}
PHASES: dict[str, type[Phase]] = {}
# a loss to begin with where the options have none
EXAMPLES = {'pixel': 'MSELoss', 'distill': 'DistillationLoss', 'residual': 'ResidualDistillationLoss'}

Losses: TypeAlias = dict[str, Tensor]
Maps: TypeAlias = tuple[Tensor, ...]  # block maps (N, C_k, h_k, w_k)
Probes: TypeAlias = Tensor | list[Tensor]  # (N, 3, q, q), or groups of several sizes, N in all


class Hallucinator(Protocol):
    """``network_g`` as an SR network alone: probes to SR images (N, 3, S, S)."""

    def __call__(self, probes: Tensor, /) -> Tensor: ...


class Generator(Protocol):
    """``network_g`` as a TriPathGenerator: with HR faces (N, 3, S, S), a pair of outputs."""

    @overload
    def __call__(self, probes: Probes, hr: None, /) -> TriPathOutput: ...
    @overload
    def __call__(self, probes: Probes, hr: Tensor, /) -> tuple[TriPathOutput, TriPathOutput]: ...


class Integrator(Protocol):
    """theta_i: fused features and coarse image to the SR image (N, 3, S, S)."""

    def __call__(self, fused: Tensor, coarse: Tensor, /) -> Tensor: ...


class Discriminator(Protocol):
    """theta_d: fused features to embeddings (N, E)."""

    def __call__(self, fused: Tensor, /) -> Tensor: ...


class RecognitionNet(Protocol):
    """HRN, see :meth:`HRN.forward`."""

    def __call__(self, image: Tensor | None, probe: Tensor | None, *, branches: tuple[str, ...]) -> HRNOutput: ...


class Teacher(Protocol):
    """HR faces (N, 3, S, S) to block maps and embedding."""

    def __call__(self, faces: Tensor, /) -> RecogniserOutput: ...


@dataclass(frozen=True)
class Networks:
    """The networks of a training as phases call them, wrapped for distributed runs and compiled where that is wanted.

    Attributes:
        generator: theta_G; None without a TriPathGenerator.
        hallucinator: another SR network in its place.
        integrator: theta_i; None without a generator.
        discriminator: theta_d; None without a domain loss.
        constant_discriminator: the same network, not wrapped, for the turn in which it is constant.
        recogniser: HRN; None without ``network_r``.
        teacher: the frozen recogniser; None without ``network_t``.
    """

    generator: Generator | None = None
    hallucinator: Hallucinator | None = None
    integrator: Integrator | None = None
    discriminator: Discriminator | None = None
    constant_discriminator: nn.Module | None = None
    recogniser: RecognitionNet | None = None
    teacher: Teacher | None = None


class TensorLoss(Protocol):
    """A loss between an estimate and the truth, or between two sets of embeddings."""

    def __call__(self, estimate: Tensor, truth: Tensor, /) -> Tensor: ...


class LikenessLoss(Protocol):
    """Eq. 11, or another likeness of block maps or embeddings."""

    def __call__(self, student: RecogniserOutput, teacher: RecogniserOutput, /) -> Tensor: ...


class ResidualLoss(Protocol):
    """Eq. 12 on the block maps of assistant, student and teacher."""

    def __call__(self, assistant: Maps, student: Maps, teacher: Maps, /) -> Tensor: ...


class IdentityLoss(Protocol):
    """A loss of embeddings and the numbers (N, ) of persons."""

    def __call__(self, student: RecogniserOutput, identities: Tensor, /) -> Tensor: ...


class StepResult(NamedTuple):
    """What a step has done: every term, averaged over its micro-batches and without graph, by its name in the log."""

    losses: Losses


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
        nets: as the phase calls them.
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

    def tensor_loss(self, term: str) -> TensorLoss | None:
        """The loss of a term that compares tensors; None where the options have none."""
        return self.losses.get(term)

    def likeness_loss(self, term: str) -> LikenessLoss | None:
        """The loss of a term that compares outputs of recognisers; None where the options have none."""
        return self.losses.get(term)

    @property
    def residual_loss(self) -> ResidualLoss | None:
        """``residual_opt``."""
        return self.losses.get('residual')

    @property
    def identity_loss(self) -> IdentityLoss | None:
        """``identity_opt``."""
        return self.losses.get('identity')


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

    def step(self, chunks: Sequence[Batch], iteration: int, optimisation: Optimisation) -> StepResult:
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
        return StepResult(optimisation.finish())

    def check_data(self, batch: Batch) -> None:
        """Check that a batch has what the phase requires.

        Raises:
            OptionsError: it lacks some of it.
        """
        for name in self.requirements(self.options).data:
            if getattr(batch, name) is None:
                raise OptionsError(f"phase {self.name} needs '{name}', which the training data do not have")


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
