"""Hallucination: Eqs. 1 to 10. theta_d maximises the domain loss, theta_G and theta_i minimise the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from rim_plugin.archs.fhn_arch import TriPathOutput
from rim_plugin.batch import Batch
from rim_plugin.models.optimisation import Optimisation
from rim_plugin.models.phases.base import Losses, Phase, Requirements
from rim_plugin.options.schema import RIMTrain

PRIORS = (('landmark', 'heatmaps'), ('parsing', 'parsing'))  # term, and its name in TriPathOutput and Batch


class TriPaths(NamedTuple):
    """What the generator makes of the probes, and of the HR faces where the iteration has a domain loss."""

    probe: TriPathOutput
    hr: TriPathOutput | None


class FHNPhase(Phase):
    """The face hallucination network.

    ``network_g`` is a TriPathGenerator, with ``network_d``; or any SR network of the registry, which then learns from
    the pixel loss alone.
    """

    name = 'fhn'
    parts: ClassVar[tuple[str, ...]] = ('generator', 'integrator', 'discriminator')
    terms: ClassVar[tuple[str, ...]] = ('pixel', 'coarse', 'landmark', 'parsing', 'domain')

    @classmethod
    def requirements(cls, options: RIMTrain) -> Requirements:
        return Requirements(('network_g',), (('pixel',),))

    def active_terms(self) -> Iterable[str]:
        return self.terms if self.nets.integrator is not None else ('pixel',)

    def step(self, chunks: Sequence[Batch], iteration: int, optimisation: Optimisation) -> None:
        """One step of theta_d, where the iteration has a domain loss, then one of all the other parts together."""
        adversarial = self.has_domain_loss(iteration)
        outputs = self.step_discriminator(chunks, optimisation) if adversarial else [None] * len(chunks)
        for chunk, output in zip(chunks, outputs, strict=True):
            optimisation.backward(self.losses(chunk, output, adversarial))
        optimisation.step([part for part in self.parts if part != 'discriminator'])

    def has_domain_loss(self, iteration: int) -> bool:
        """Whether the iteration is one of every ``domain_interval``; never without the loss."""
        return self.nets.discriminator is not None and iteration % self.options.domain_interval == 0

    def losses(self, batch: Batch, output: TriPaths | None = None, adversarial: bool = False) -> Losses:
        """The terms of Eq. 1, and the coarse loss.

        Args:
            batch: with ``gt``.
            output: what :meth:`step_discriminator` has computed for the batch, to be used again.
            adversarial: whether the domain loss is among the terms.
        """
        return self.hallucinate(batch, output, adversarial)[1]

    def hallucinate(self, batch: Batch, output: TriPaths | None, adversarial: bool) -> tuple[Tensor, Losses]:
        """SR images (N, 3, S, S) with their graph, and :meth:`losses`."""
        if self.nets.integrator is None:
            return self._other_network(batch)
        probe, hr = output or self.tri_paths(batch, adversarial)
        with self.setting.autocast():
            sr = self.nets.integrator(probe.fused, probe.coarse)
        losses = {'pixel': self.setting.losses['pixel'](sr.float(), batch.truth)}
        if (coarse := self.loss('coarse')) is not None:
            losses['coarse'] = coarse(probe.coarse.float(), batch.truth)
        for term, name in PRIORS:
            estimate, truth = getattr(probe, name), getattr(batch, name)
            if (loss := self.loss(term)) is not None and self._has_prior(term, name, estimate, truth):
                losses[term] = loss(estimate.float(), truth)
        if hr is not None:
            losses['domain'] = self._constant_discriminator_loss(probe.fused, hr.fused)
        return sr, losses

    def _other_network(self, batch: Batch) -> tuple[Tensor, Losses]:
        assert self.nets.generator is not None  # as the requirements say
        with self.setting.autocast():
            sr = torch.cat([self.nets.generator(probes) for probes in batch.probes])
        return sr, {'pixel': self.setting.losses['pixel'](sr.float(), batch.truth)}

    def tri_paths(self, batch: Batch, adversarial: bool) -> TriPaths:
        """The generator's output for the probes, and for the HR faces where a domain loss compares the two."""
        assert self.nets.generator is not None
        probes = batch.probes if len(batch.probes) > 1 else batch.probes[0]
        with self.setting.autocast():
            output = self.nets.generator(probes, batch.truth if adversarial else None)
        return TriPaths(*output) if adversarial else TriPaths(output, None)

    def step_discriminator(self, chunks: Sequence[Batch], optimisation: Optimisation) -> list[TriPaths | None]:
        """Eq. 6 on detached features: theta_d's step.

        Returns:
            The generator's outputs with their graphs where there is one chunk, to use again; of several, only None, so
            that one graph lies in memory at a time.
        """
        outputs: list[TriPaths | None] = []
        for chunk in chunks:
            with nullcontext() if len(chunks) == 1 else torch.no_grad():
                output = self.tri_paths(chunk, True)
            assert output.hr is not None
            loss = -self._domain_loss(self.nets.discriminator, output.probe.fused.detach(), output.hr.fused.detach())
            optimisation.backward({'d': loss})
            outputs.append(output if len(chunks) == 1 else None)
        optimisation.step(['discriminator'])
        return outputs

    def _constant_discriminator_loss(self, fused_probe: Tensor, fused_hr: Tensor) -> Tensor:
        """The domain loss that theta_G minimises, theta_d being constant (Eq. 10)."""
        discriminator = self.nets.bare_discriminator
        assert discriminator is not None
        discriminator.requires_grad_(False)
        loss = self._domain_loss(discriminator, fused_probe, fused_hr)
        discriminator.requires_grad_(True)
        return loss

    def _domain_loss(self, discriminator: torch.nn.Module | None, fused_probe: Tensor, fused_hr: Tensor) -> Tensor:
        """MK-MMD (Eqs. 7 to 9) between the embeddings of two sets of fused features (N, C, P, P)."""
        assert discriminator is not None
        with self.setting.autocast():
            embeddings = discriminator(torch.cat([fused_probe, fused_hr]))
        return self.setting.losses['domain'](*embeddings.float().chunk(2))

    def _has_prior(self, term: str, name: str, estimate: Tensor | None, truth: Tensor | None) -> bool:
        if estimate is None:
            fault = 'network_g has no such path'
        elif truth is None:
            fault = f"the training data have no '{name}'"
        elif name == 'heatmaps' and truth.shape[1] != estimate.shape[1]:
            fault = (
                f'the training faces have {truth.shape[1]} landmarks, network_g:num_landmarks is {estimate.shape[1]}'
            )
        else:
            return True
        self.setting.warn(f'{term}_opt is off: {fault}.')
        return False
