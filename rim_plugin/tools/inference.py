"""Inference over loaded networks: RIMModel's own, without options files and training."""

import torch
import torch.nn.functional as F

from rim_plugin.models.recognition import RecognitionTraining
from rim_plugin.pipeline import RIMPipeline


class Inference(RecognitionTraining):
    """``embed_probe``, ``embed_gallery`` and ``embed_faces`` of RIMModel with ``val: gallery: hrn``, without teacher.

    Args:
        fhn (nn.Module | None): hallucination network; without one, probes are enlarged by bicubic interpolation.
        hrn (HRN | None): recogniser with its own head; without one there are no embeddings.
        device (torch.device): where the networks are to work.
        batch (int): faces at a time in ``embed_faces``.
    """

    gallery = 'hrn'
    teacher = None

    def __init__(self, fhn, hrn, device, batch):
        self.device, self.net_eval = device, fhn
        self.bare = self.averaged = {} if hrn is None else {'r': hrn}
        self.opt = {'val': {'batch_size': batch, 'pbar': True}}
        for net in (fhn, hrn):
            if net is not None:
                net.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)

    @property
    def pipeline(self):
        """The networks as :class:`RIMPipeline`."""
        return RIMPipeline(self.net_eval, self.averaged.get('r'))

    def unit_embeddings(self, probes):
        """Embeddings of face and mirror image added, of length 1.

        Args:
            probes (Tensor): (N, 3, q, q), RGB in [0, 1]; from 112 pixels on they go to the recogniser as they are.

        Returns:
            Tensor: float32, (N, D).
        """
        return F.normalize(self.embed_probe(probes) + self.embed_probe(probes.flip(3)))
