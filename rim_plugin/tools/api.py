"""RIM in a few lines of Python: hallucinate, embed and compare faces."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch

from rim_plugin.archs.layers import resize
from rim_plugin.archs.recogniser import FACE_SIZE
from rim_plugin.data.heatmaps import heatmap_landmarks
from rim_plugin.data.resize import check_image, to_tensor
from rim_plugin.tools.calibration import at_size, probability
from rim_plugin.tools.images import MIN_SIDE
from rim_plugin.tools.inference import Inference
from rim_plugin.weights_file import build_packed, load_weights, shipped_weights

_OTHER_SR_SIZE = 224  # what networks other than FHN are trained to make here


class Verification(NamedTuple):
    """Whether two faces are one person's.

    Attributes:
        similarity: cosine of the embeddings, -1 to 1.
        threshold: similarity from which faces of these sizes count as one person's.
        same: whether it is reached.
        confidence: probability of the verdict, 0.5 to 1, where one person and two are equally likely beforehand.
        sizes: sides of the two faces in pixels. The threshold is for the smaller one against a large one.
    """

    similarity: float
    threshold: float
    same: bool
    confidence: float
    sizes: tuple


class Priors(NamedTuple):
    """What the prior paths find in a face; None without that path.

    Attributes:
        landmarks: ndarray (L, 2), x and y in pixels of the hallucinated face.
        peaks: ndarray (L, ), heights of their heatmaps, about 1 where the network is sure.
        parsing: Tensor (11, P, P), class logits.
    """

    landmarks: np.ndarray
    peaks: np.ndarray
    parsing: torch.Tensor


class RIM:
    """A trained RIM.

    Faces are aligned as ArcFace has them (``scripts/prepare_faces.py``, :func:`rim_plugin.data.alignment.align_face`),
    ndarrays uint8 (q, q, 3), RGB; one, or a list of any sizes.

    Args:
        weights (Weights): as :func:`rim_plugin.tools.weights.load_weights` gives them.
        device (str | None): ``cuda``, ``cpu``; by default the GPU where there is one.
        batch (int): faces that go through the networks at a time.
        name (str | Path): of the weights, for errors.

    Raises:
        OptionsError: the weights are of another architecture.
    """

    def __init__(self, weights, device=None, batch=32, name='weights'):
        device = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
        fhn, hrn = (build_packed(weights, label, name) for label in ('fhn', 'hrn'))
        self.weights, self.batch, self.name = weights, batch, name
        self.inference = Inference(fhn, hrn, device, batch)

    @classmethod
    def from_pretrained(cls, path=None, device=None, batch=32):
        """RIM from a weights file.

        Args:
            path (str | Path | None): NAME.safetensors; by default the weights of the repository.
            device, batch: see RIM.

        Raises:
            OptionsError: the file is missing, damaged, not of this format or of another architecture.
        """
        path = shipped_weights() if path is None else path
        return cls(load_weights(path), device, batch, path)

    @property
    def image_size(self):
        """Side in pixels of hallucinated faces."""
        return getattr(getattr(self._network('fhn'), 'generator', None), 'image_size', _OTHER_SR_SIZE)

    def check_small(self, image):
        """ValueError unless hallucination can enlarge ``image``: a square face, 4 pixels to below ``image_size``."""
        check_face(image)
        if len(image) >= self.image_size:
            raise ValueError(
                f'{len(image)}x{len(image)} pixels: hallucination makes faces of {self.image_size} pixels '
                'out of smaller ones; in whole photos faces are detected first (--detect)'
            )

    @torch.no_grad()
    def hallucinate(self, images):
        """Small faces to large ones.

        Args:
            images (ndarray | list[ndarray]): faces of 4 pixels up to less than ``image_size``.

        Returns:
            ndarray | list[ndarray]: uint8 (S, S, 3), RGB; S is 224 in the paper.

        Raises:
            ValueError: an image is no such face, or the weights have no hallucination network.
        """
        fhn, images = self._network('fhn'), self._small(images)

        def faces(probes):
            found = fhn(probes).clamp(0, 1).mul(255).round().byte()
            return list(found.permute(0, 2, 3, 1).contiguous().cpu().numpy())

        return self._of_each(images, faces)

    @torch.no_grad()
    def priors(self, images):
        """What the prior paths estimate in small faces.

        Args:
            images (ndarray | list[ndarray]): as for :meth:`hallucinate`.

        Returns:
            Priors | list[Priors]

        Raises:
            ValueError: an image is no such face, or the hallucination network has no prior paths.
        """
        fhn = self._network('fhn')
        if not getattr(getattr(fhn, 'generator', None), 'priors', None):
            raise ValueError(f'{self.name}: its hallucination network has no prior paths')
        images = self._small(images)

        def estimates(probes):
            found = fhn.generator(probes)
            landmarks = peaks = parsing = [None] * len(probes)
            if found.heatmaps is not None:
                landmarks = heatmap_landmarks(found.heatmaps, found.coarse.shape[-1]).cpu().numpy()
                peaks = found.heatmaps.amax((2, 3)).cpu().numpy()
            if found.parsing is not None:
                parsing = found.parsing.cpu()
            return [Priors(*each) for each in zip(landmarks, peaks, parsing)]

        return self._of_each(images, estimates)

    @torch.no_grad()
    def embed(self, images):
        """Faces to embeddings; the product of two is their similarity.

        Args:
            images (ndarray | list[ndarray]): of 4 pixels or more. Below 112 pixels they are hallucinated first.

        Returns:
            ndarray: float32 (D, ), or (N, D) of a list, of length 1; of face and mirror image added.

        Raises:
            ValueError: an image is no such face, or the weights have no recogniser.
        """
        size = self._network('hrn').student.net.embedding_size
        found = self._of_each(images, lambda probes: self.inference.unit_embeddings(probes).cpu().numpy(), FACE_SIZE)
        return np.array(found, np.float32).reshape(-1, size) if isinstance(found, list) else found

    def verify(self, a, b):
        """Whether two faces, of any sizes, are one person's.

        Args:
            a, b (ndarray): uint8 (q, q, 3), RGB.

        Returns:
            Verification

        Raises:
            ValueError: as for :meth:`embed`, or the weights have no thresholds.
        """
        first, second = self.embed([a, b])
        return self.judge(float(first @ second), (len(a), len(b)))

    def judge(self, similarity, sizes):
        """Verification of two faces from the similarity of their embeddings and their sides in pixels.

        Raises:
            ValueError: the weights have no thresholds.
        """
        if not self.weights.calibrations:
            raise ValueError(f'{self.name}: holds no thresholds; pack it with --verify')
        threshold, slope = at_size(self.weights.calibrations, min(*sizes, FACE_SIZE))
        same = similarity >= threshold
        likely = probability(similarity, threshold, slope)
        return Verification(similarity, threshold, same, likely if same else 1 - likely, tuple(sizes))

    def _network(self, label):
        net = self.inference.net_eval if label == 'fhn' else self.inference.averaged.get('r')
        if net is None:
            what = 'hallucination network' if label == 'fhn' else 'recogniser'
            raise ValueError(f'{self.name}: holds no {what}; name other weights')
        return net

    def _small(self, images):
        images = images if _is_one(images) else list(images)
        for image in _listed(images):
            self.check_small(image)
        return images

    def _of_each(self, images, function, largest=None):
        """``function`` of the faces, (n, 3, q, q) to n results, in batches of one size; in the order of ``images``.

        Args:
            largest (int | None): larger faces are reduced to it, as the recogniser would, so that they are one batch.
        """
        single, images = _is_one(images), _listed(images)
        groups, results = defaultdict(list), [None] * len(images)
        for index, image in enumerate(images):
            check_face(image)
            groups[min(len(image), largest or len(image))].append(index)
        for size, indices in groups.items():
            for start in range(0, len(indices), self.batch):
                part = indices[start : start + self.batch]
                probes = torch.stack([resize(to_tensor(images[i])[None], size)[0] for i in part])
                for index, result in zip(part, function(probes.to(self.inference.device))):
                    results[index] = result
        return results[0] if single else results


def _is_one(images):
    return isinstance(images, np.ndarray) and images.ndim < 4 or not isinstance(images, Iterable)


def _listed(images):
    return [images] if _is_one(images) else list(images)


def check_face(image):
    """ValueError unless ``image`` is a square uint8 (q, q, 3) of at least 4 pixels."""
    check_image(image)
    height, width = image.shape[:2]
    if height != width or width < MIN_SIDE:
        raise ValueError(
            f'{width}x{height} pixels are no aligned face, which is square and of at least {MIN_SIDE} '
            'pixels; in whole photos faces are detected first (--detect)'
        )
