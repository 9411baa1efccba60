"""Hallucination: Eqs. 1 to 10. theta_d maximises the domain loss, theta_G and theta_i minimise the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from rim_plugin.archs.fhn_arch import TriPathOutput
from rim_plugin.batch import Batch
from rim_plugin.errors import OptionsError
from rim_plugin.models.fitting import bare, called, check_faces
from rim_plugin.models.optimisation import Optimisation
from rim_plugin.models.phases.base import Losses, Phase, Requirements
from rim_plugin.options.schema import RIMTrain

PRIORS = {'landmark': 'heatmaps', 'points': 'landmarks', 'parsing': 'parsing'}  # term, and its truth in the data


class TriPaths(NamedTuple):
    """What the generator makes of the probes, and of the HR faces where the iteration has a domain loss."""

    probe: TriPathOutput
    hr: TriPathOutput | None


class FHNPhase(Phase):
    """The face hallucination network.

    ``network_g`` is a TriPathGenerator, with ``network_d``; or any SR network of the registry, which then learns from
    the losses of SR images alone: pixel loss, BasicSR's perceptual loss, identity as the teacher sees it, face
    components, discriminators of images.

    Faces that are not full, see :class:`~rim_plugin.batch.Batch`, count in the loss of identity alone.
    """

    name = 'fhn'
    parts: ClassVar[tuple[str, ...]] = (
        *('generator', 'integrator', 'discriminator'),
        *('image_discriminator', 'component_discriminator'),
    )
    image_terms: ClassVar[tuple[str, ...]] = (
        *('pixel', 'perceptual', 'sr_identity', 'component'),
        *('gan', 'gan_component'),
    )
    terms: ClassVar[tuple[str, ...]] = (*image_terms, 'coarse', 'landmark', 'points', 'parsing', 'domain')

    @classmethod
    def requirements(cls, options: RIMTrain) -> Requirements:
        return Requirements(('network_g',), (('pixel',),))

    def active_terms(self) -> Iterable[str]:
        return self.image_terms if self.nets.mixed is None else self.terms

    def check(self) -> None:
        nets = self.nets
        learning = {'network_g': nets.generator, 'network_d': nets.image_discriminator, 'network_c': nets.components}
        for place, net in learning.items():
            if net is not None and not any(True for _ in net.parameters()):
                raise ValueError(f'{place}: {type(bare(net)).__name__} has no parameters to train')
        if 'sr_identity' in self.setting.losses and self.nets.teacher is None:
            raise ValueError('network_t is missing: sr_identity_opt compares faces as the teacher sees them')
        if 'gan' in self.setting.losses and self.nets.image_discriminator is None:
            place = 'network_d' if self.nets.mixed is None else 'network_d.image'
            raise ValueError(
                f'{place} is missing: gan_opt needs a discriminator of images, e.g. {{type: UNetDiscriminatorSN, '
                'num_in_ch: 3}'
            )
        if 'gan_component' in self.setting.losses and self.nets.components is None:
            raise ValueError(
                'network_c is missing: gan_component_opt needs discriminators of face components, e.g. {type: '
                'ComponentDiscriminator, net: {type: VGGDiscriminator}}'
            )

    def step(self, chunks: Sequence[Batch], iteration: int, optimisation: Optimisation) -> Losses:
        """One step of theta_d, where the iteration has a domain loss, then one of all the other parts together."""
        adversarial = self.has_domain_loss(iteration)
        outputs = self.step_discriminator(chunks, optimisation) if adversarial else [None] * len(chunks)
        for chunk, output in zip(chunks, outputs, strict=True):
            if losses := self.losses(chunk, output, adversarial):
                optimisation.backward(losses)
        optimisation.step([part for part in self.parts if part != 'discriminator'])
        return optimisation.finish()

    def is_capturable(self, iteration: int) -> bool:
        """With a domain loss, theta_d steps before the others' gradients."""
        return not self.has_domain_loss(iteration)

    def has_domain_loss(self, iteration: int) -> bool:
        """Whether the iteration is one of every ``domain_interval``; never without the loss."""
        compares = self.nets.mixed is not None and 'domain' in self.setting.losses
        return compares and iteration % self.options.domain_interval == 0

    def losses(self, batch: Batch, output: TriPaths | None = None, adversarial: bool = False) -> Losses:
        """The terms of Eq. 1, and the coarse loss; none of these where no face is full.

        Args:
            batch: with ``gt``.
            output: what :meth:`step_discriminator` has computed for the batch, to be used again.
            adversarial: whether the domain loss is among the terms.
        """
        return self.hallucinate(batch, output, adversarial)[1]

    def hallucinate(self, batch: Batch, output: TriPaths | None, adversarial: bool) -> tuple[Tensor, Losses]:
        """SR images (N, 3, S, S) with their graph, and :meth:`losses`."""
        both = self.nets.mixed
        if both is None:
            sr = self._sr_faces(batch)
            return sr, self._image_losses(sr.float(), batch)
        probe, hr = output or self.tri_paths(batch, adversarial)
        with self.setting.autocast():
            sr = called('network_d.integrator', both.integrator, probe.fused, probe.coarse)
        check_faces('network_d.integrator', both.integrator, sr, batch.truth)
        losses = {**self._image_losses(sr.float(), batch), **self._tri_path_losses(probe, batch)}
        if hr is not None:
            fused = batch.of_full(probe.fused)
            losses['domain'] = self._constant_discriminator_loss(both.discriminator, fused, hr.fused)
        return sr, losses

    def _sr_faces(self, batch: Batch) -> Tensor:
        """What another SR network than RIM's makes of the probes."""
        generator: Any = self.nets.generator  # there is one, as the requirements say
        with self.setting.autocast():
            faces = [called('network_g', generator, probes) for probes in batch.probes]
        truth = batch.truth.split([len(probes) for probes in batch.probes])
        return torch.cat([check_faces('network_g', generator, *pair) for pair in zip(faces, truth, strict=True)])

    def _image_losses(self, sr: Tensor, batch: Batch) -> Losses:
        """The pixel loss of Eqs. 2 and 5, which the requirements ask for, and others of SR and HR images."""
        wanted, loss = set(self.setting.losses), self.setting.loss
        full, full_sr = batch.full_faces, batch.of_full(sr)
        if not batch.has_full:
            self.setting.warn(
                'The faces of a batch, or of its part (accumulate), are all from further stores: it has no losses of '
                'pixels and priors.'
            )
            wanted &= {'sr_identity'}
        losses: Losses = {term: loss(term, full_sr, full.truth) for term in ('pixel', 'perceptual') if term in wanted}
        if 'sr_identity' in wanted and (teacher := self.nets.teacher) is not None:
            with self.setting.autocast():
                with torch.no_grad():
                    truth = teacher(batch.truth).embedding
                embedding = called('network_t', teacher, sr).embedding
            losses['sr_identity'] = loss('sr_identity', embedding, truth)
        if 'gan' in wanted:
            discriminator = self.nets.image_discriminator
            losses.update(self._gan_losses('gan', 'network_d', discriminator, full_sr, full.truth))
        return {**losses, **self._component_losses(full_sr, full)}

    def _component_losses(self, sr: Tensor, batch: Batch) -> Losses:
        """Losses of crops by landmarks, of full faces."""
        wanted, losses = {'component', 'gan_component'} & self.setting.losses.keys(), {}
        if not len(sr):
            return {}
        if batch.landmarks is None:
            for term in wanted:
                self.setting.warn(f"{term}_opt is off: the training data have no 'landmarks'.")
            return {}
        if 'component' in wanted:
            losses['component'] = self.setting.loss('component', sr, batch.truth, batch.landmarks)
        if 'gan_component' in wanted:
            points = batch.landmarks.repeat(2, 1, 1)
            discriminator = self.nets.components
            losses.update(self._gan_losses('gan_component', 'network_c', discriminator, sr, batch.truth, points))
        return losses

    def _tri_path_losses(self, probe: TriPathOutput, batch: Batch) -> Losses:
        """The coarse loss, and those of the priors (Eqs. 3 and 4)."""
        losses: Losses = {}
        if not batch.has_full:
            return losses
        full = batch.full_faces
        if 'coarse' in self.setting.losses:
            losses['coarse'] = self.setting.loss('coarse', batch.of_full(probe.coarse).float(), full.truth)
        priors = (
            ('landmark', probe.heatmaps, full.heatmaps),
            ('points', probe.points, full.points),
            ('parsing', probe.parsing, full.parsing),
        )
        for term, estimate, truth in priors:
            if term not in self.setting.losses:
                continue
            if fault := _prior_fault(term, estimate, truth):
                self.setting.warn(f'{term}_opt is off: {fault}.')
            elif estimate is not None and truth is not None:
                losses[term] = self.setting.loss(term, batch.of_full(estimate).float(), truth)
        return losses

    def _gan_losses(
        self, term: str, place: str, discriminator: Any, sr: Tensor, truth: Tensor, *given: Tensor
    ) -> Losses:
        """What the parts that make SR images minimise, a discriminator being constant, and what that one does.

        Args:
            term: of the loss, BasicSR's GANLoss.
            place: of the discriminator in the options.
            discriminator: of images.
            sr: (N, 3, S, S), SR images with their graph.
            truth: (N, 3, S, S), HR images.
            given: what it needs to know of all 2 N images.
        """
        with self.setting.autocast():
            logits = called(place, discriminator, torch.cat([truth, sr.detach()]), *given)
            true, false = _halves(place, discriminator, logits)
            with _held_constant(discriminator) as constant:  # with the same batch statistics
                fooled = _halves(place, discriminator, constant(torch.cat([truth, sr]), *given))[1]
        loss = self.setting.loss
        halves = loss(term, true, True, is_disc=True), loss(term, false, False, is_disc=True)
        return {term: loss(term, fooled, True, is_disc=False), f'{term}_d': (halves[0] + halves[1]) / 2}

    def tri_paths(self, batch: Batch, adversarial: bool) -> TriPaths:
        """The generator's output for the probes, and for the full HR faces where a domain loss compares the two."""
        assert self.nets.generator is not None  # as the requirements say
        with self.setting.autocast():
            if adversarial and batch.has_full:
                return TriPaths(*called('network_g', self.nets.generator, batch.probes, batch.full_faces.truth))
            return TriPaths(called('network_g', self.nets.generator, batch.probes), None)

    def step_discriminator(self, chunks: Sequence[Batch], optimisation: Optimisation) -> list[TriPaths | None]:
        """Eq. 6 on detached features: theta_d's step.

        Returns:
            The generator's outputs with their graphs where there is one chunk, to use again; of several, only None, so
            that one graph lies in memory at a time.
        """
        outputs: list[TriPaths | None] = []
        assert self.nets.mixed is not None  # as has_domain_loss says
        discriminator = self.nets.mixed.discriminator
        for chunk in chunks:
            with nullcontext() if len(chunks) == 1 else torch.no_grad():
                output = self.tri_paths(chunk, True)
            if output.hr is not None:
                fused = chunk.of_full(output.probe.fused)
                loss = -self._domain_loss(discriminator, fused.detach(), output.hr.fused.detach())
                optimisation.backward({'d': loss})
            outputs.append(output if len(chunks) == 1 else None)
        optimisation.step(['discriminator'])
        return outputs

    def _constant_discriminator_loss(self, discriminator: nn.Module, fused_probe: Tensor, fused_hr: Tensor) -> Tensor:
        """The domain loss that theta_G minimises, theta_d being constant (Eq. 10)."""
        with _held_constant(discriminator) as constant:
            return self._domain_loss(constant, fused_probe, fused_hr)

    def _domain_loss(self, discriminator: nn.Module, fused_probe: Tensor, fused_hr: Tensor) -> Tensor:
        """MK-MMD (Eqs. 7 to 9) between the embeddings of two sets of fused features (N, C, P, P)."""
        with self.setting.autocast():
            embeddings: Tensor = discriminator(torch.cat([fused_probe, fused_hr]))
        source, target = embeddings.float().chunk(2)
        return self.setting.loss('domain', source, target)


@contextmanager
def _held_constant(net: nn.Module) -> Iterator[nn.Module]:
    """A network whose weights are constants meanwhile, without its wrapper: it has no gradients to share with other
    ranks."""
    net = bare(net)
    net.requires_grad_(False)
    yield net
    net.requires_grad_(True)


def _halves(place: str, discriminator: Any, logits: Any) -> tuple[Any, Any]:
    """What a discriminator says of the first and of the second half of the images, in float32; in lists of several
    scales, too."""
    if isinstance(logits, Tensor):
        first, second = logits.float().chunk(2)
        return first, second
    if not isinstance(logits, list | tuple):
        raise OptionsError(
            f'{place}: {type(bare(discriminator)).__name__} gives {logits} where numbers of images belong'
        )
    pairs = [_halves(place, discriminator, each) for each in logits]
    return [first for first, _ in pairs], [second for _, second in pairs]


def _prior_fault(term: str, estimate: Tensor | None, truth: Tensor | None) -> str:
    """Why a prior's loss is off, in words; empty where it is not."""
    if estimate is None:
        return 'network_g has no such path'
    if truth is None:
        return f"the training data have no '{PRIORS[term]}'"
    if term != 'parsing' and truth.shape[1] != estimate.shape[1]:
        return f'the training faces have {truth.shape[1]} landmarks, network_g:num_landmarks is {estimate.shape[1]}'
    return ''
