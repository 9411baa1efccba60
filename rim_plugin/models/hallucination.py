"""Training of the face hallucination network: Eqs. 1 to 10."""

from contextlib import nullcontext

import torch

from rim_plugin.archs.fhn_arch import FHN
from rim_plugin.archs.layers import probe_groups

from basicsr.utils import get_root_logger

PRIORS = (('landmark', 'heatmaps'), ('parsing', 'parsing'))


class HallucinationTraining:
    """What RIMModel does with ``network_g`` and ``network_d``.

    ``network_g`` is a TriPathGenerator, with ``network_d``; or any SR network of the registry, which then learns from
    the pixel loss alone.
    """

    @staticmethod
    def compose_fhn(nets):
        """``lq`` to SR image: the FHN of generator and integrator, another SR network itself, or None."""
        return FHN.from_parts(nets['g'], nets['d'].integrator) if 'd' in nets else nets.get('g')

    def _tri_paths(self, chunk):
        """Tri-path output of the probes, and of the HR faces where this iteration has a domain loss."""
        with self.autocast():
            found = self.net_g(chunk['lq'], chunk['gt'] if self.domain_now else None)
        return found if self.domain_now else (found, None)

    def discriminator_step(self, chunks, logs):
        """Eq. 6 on detached features. Returns the outputs with their graphs where there is one chunk, to use again."""
        pairs = []
        for chunk in chunks:
            with nullcontext() if len(chunks) == 1 else torch.no_grad():
                pair = self._tri_paths(chunk)
            loss = -self._domain_loss(self.discriminator, *(found.fused.detach() for found in pair))
            self.backward({'d': loss}, loss, logs)
            pairs.append(pair if len(chunks) == 1 else None)
        self.step('d')
        return pairs

    def _domain_loss(self, discriminator, fused_probe, fused_hr):
        with self.autocast():
            embeddings = discriminator(torch.cat([fused_probe, fused_hr]))
        return self.losses['domain'](*embeddings.float().chunk(2))

    def hallucination_terms(self, chunk, pair=None):
        """SR images (N, 3, S, S), and the terms of Eq. 1 and the coarse loss by name.

        Args:
            chunk (dict): tensors of the batch.
            pair (tuple | None): what the discriminator's step found in the chunk, if there was one.
        """
        if 'd' not in self.bare:
            with self.autocast():
                sr = torch.cat([self.net_g(probes) for probes in probe_groups(chunk['lq'])])
            return sr, {'pixel': self.losses['pixel'](sr.float(), chunk['gt'])}
        probe, hr = pair or self._tri_paths(chunk)
        with self.autocast():
            sr = self.integrator(probe.fused, probe.coarse)
        terms = {'pixel': self.losses['pixel'](sr.float(), chunk['gt'])}
        if 'coarse' in self.losses:
            terms['coarse'] = self.losses['coarse'](probe.coarse.float(), chunk['gt'])
        for name, key in PRIORS:
            estimate = getattr(probe, key)
            if name in self.losses and self._has_prior(name, estimate, key, chunk):
                terms[name] = self.losses[name](estimate.float(), chunk[key])
        if hr is not None:
            self.bare['d'].discriminator.requires_grad_(False)
            terms['domain'] = self._domain_loss(self.bare['d'].discriminator, probe.fused, hr.fused)
            self.bare['d'].discriminator.requires_grad_(True)
        return sr, terms

    def _has_prior(self, name, estimate, key, chunk):
        if estimate is None:
            fault = 'network_g has no such path'
        elif key not in chunk:
            fault = f"the training data have no '{key}'"
        elif key == 'heatmaps' and chunk[key].shape[1] != estimate.shape[1]:
            fault = (
                f'the training faces have {chunk[key].shape[1]} landmarks, network_g:num_landmarks is '
                f'{estimate.shape[1]}'
            )
        else:
            return True
        if name not in self.warned:
            self.warned.add(name)
            get_root_logger().warning(f'{name}_opt is off: {fault}.')
        return False
