"""RIM at inference: networks in, tensors out. Training, Python API, commands, benchmark and export go through it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import compress
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import rim_plugin.archs.subpixel_fhn_arch  # noqa: F401  known by name at once: a search would import BasicSR
from rim_plugin.archs.fhn_arch import FHN, TriPathOutput
from rim_plugin.archs.hrn_arch import HRN
from rim_plugin.archs.layers import bicubic, probe_groups, resize, resize_groups
from rim_plugin.archs.recogniser import FACE_SIZE, Recogniser
from rim_plugin.errors import check_choice

GALLERY = ('teacher', 'hrn')
IMAGE_SIZE = 224  # side of hallucinated faces, where the network does not tell
_FADE = 4 / 3  # factor beyond a network's sides over which bicubic interpolation takes over


class Restored(NamedTuple):
    """Hallucinated faces (N, 3, S, S), not clamped, and what the prior paths estimate on the way, if there are any."""

    sr: Tensor
    priors: TriPathOutput | None


def add_mirrored(embed: Callable[[Tensor], Tensor], faces: Tensor) -> Tensor:
    """Embeddings (N, D) of faces (N, 3, q, q) and of their mirror images, added."""
    return embed(faces) + embed(faces.flip(3))


@contextmanager
def inference_mode(*nets: nn.Module) -> Iterator[None]:
    """Networks in evaluation mode; afterwards every layer is in the mode in which it was."""
    modes = [(layer, layer.training) for net in nets for layer in net.modules()]
    for net in nets:
        net.eval()
    try:
        yield
    finally:
        for layer, training in modes:
            layer.training = training


class RIMPipeline(nn.Module):
    """Hallucination network, recogniser and teacher, as far as they are there.

    Probes are hallucinated, seen by student and assistant, and embedded as f_S^K + f_A^K (section 3.3 of the paper).
    Faces of 112 pixels and more have all that a recogniser looks at and go to it as they are.

    Args:
        fhn: probes (n, 3, q, q) to faces (n, 3, S, S); FHN also takes a list of several sizes. Without one, probes are
            enlarged by bicubic interpolation.
        hrn: student and assistant. Without one, the teacher embeds probes.
        teacher: embeds faces at full resolution, and the fused map of an HRN without head of its own.
        gallery: who embeds faces at full resolution, ``teacher`` or ``hrn``. Default: the teacher, where there is one.
        sides: the least and the largest side in pixels of probes that ``fhn`` was trained for; smaller and larger ones
            fade to bicubic interpolation, see :meth:`share`. None: any.

    Raises:
        ValueError: an unknown ``gallery``, or one that is not there.
    """

    def __init__(
        self,
        fhn: nn.Module | None = None,
        hrn: HRN | None = None,
        teacher: Recogniser | None = None,
        gallery: str | None = None,
        sides: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.sides = sides
        self.fhn, self.hrn, self.teacher = fhn, hrn, teacher
        self.gallery = gallery or ('hrn' if teacher is None and hrn is not None else 'teacher')
        check_choice('gallery', self.gallery, GALLERY)
        if self.gallery == 'hrn' and hrn is None:
            raise ValueError('val.gallery is hrn, but there is no network_r: leave it out, or set it to teacher')

    @property
    def image_size(self) -> int:
        """Side in pixels of hallucinated faces."""
        return getattr(getattr(self.fhn, 'generator', None), 'image_size', IMAGE_SIZE)

    @property
    def gallery_network(self) -> nn.Module:
        """All that :meth:`embed_gallery` depends on: the teacher, or the pipeline itself."""
        return self if self.gallery == 'hrn' or self.teacher is None else self.teacher

    @property
    def has_priors(self) -> bool:
        """Whether the hallucination network estimates landmarks or a parsing map."""
        return isinstance(self.fhn, FHN) and len(self.fhn.generator.priors) > 0

    @property
    def upscaling(self) -> str:
        """How probes are enlarged, in the words of a result file."""
        if self.fhn is None:
            return f"bicubic (a = -0.75) to {IMAGE_SIZE} px, then antialiased to the recogniser's size"
        return f'{type(self.fhn).__name__}; from {FACE_SIZE} px on as they are, to the {self.gallery}'

    def share(self, side: float) -> float:
        """Share of the hallucination network, 0 to 1, in faces of probes of a side; the rest is bicubic interpolation.

        1 within ``sides``, 0 from ``image_size`` on; it falls linearly in octaves to 0 at 3/4 of the least and 4/3 of
        the largest side, so that no face is worse than bicubic interpolation's, and there is no jump.
        """
        if self.fhn is None or self.sides is None:
            return float(self.fhn is not None)
        if side >= self.image_size:
            return 0.0
        least, largest = self.sides
        beyond = max(least / side, side / largest, 1)
        return max(0.0, 1 - math.log(beyond) / math.log(_FADE))

    def hallucinate(self, probes: Tensor | list[Tensor]) -> Tensor:
        """Probes to faces; outside of ``sides`` their bicubic interpolation.

        Args:
            probes: (N, 3, q, q), RGB in [0, 1], or groups of several sizes, N in all.

        Returns:
            (N, 3, S, S) in about [0, 1], not clamped.

        Raises:
            ValueError: there is no hallucination network.
        """
        return self.restore(probes, estimates=False).sr

    def restore(self, probes: Tensor | list[Tensor], estimates: bool = True) -> Restored:
        """:meth:`hallucinate`, and :meth:`priors` in the same pass: None where there are no prior paths.

        Args:
            probes: as for :meth:`hallucinate`.
            estimates: False leaves heatmaps and parsing out, see :meth:`TriPathGenerator.encode`.
        """
        if self.fhn is None:
            raise ValueError('network_g is missing: there is nothing that hallucinates faces')
        groups = probe_groups(probes)
        shares = [self.share(int(group.shape[-1])) for group in groups]
        if not any(shares) and not estimates:
            return Restored(torch.cat([_at_size(group, self.image_size) for group in groups]), None)
        if isinstance(self.fhn, FHN):
            sr, priors = self.fhn.restore(probes, estimates)
        else:
            sr, priors = torch.cat([self.fhn(group) for group in groups]), None
        if min(shares, default=1) == 1:
            return Restored(sr, priors)
        enlarged = [_at_size(group, self.image_size) for group in groups]
        faded = [each.lerp(part, share) for each, part, share in zip(enlarged, _split(sr, groups), shares)]
        return Restored(torch.cat(faded), priors)

    def priors(self, probes: Tensor | list[Tensor]) -> TriPathOutput:
        """Coarse image, fused features, heatmaps and parsing logits of probes.

        Args:
            probes: as for :meth:`hallucinate`.

        Raises:
            ValueError: the hallucination network has no tri-path generator.
        """
        return self._generator(probes)

    def heatmaps(self, probes: Tensor | list[Tensor]) -> Tensor | None:
        """Heatmaps of :meth:`priors` alone, which take less time; None without a landmark path."""
        return self._generator.heatmaps(probes)

    @property
    def _generator(self) -> Any:
        if not isinstance(self.fhn, FHN):
            raise ValueError('the hallucination network has no prior paths')
        return self.fhn.generator

    def student_input(self, groups: list[Tensor], sr: Tensor | None = None) -> Tensor:
        """The faces that the student sees: hallucinated, but as they are from 112 pixels on.

        Args:
            groups: probes (n, 3, q, q), RGB in [0, 1], of one size each; N in all.
            sr: (N, 3, S, S), all probes hallucinated, where that is done already.

        Returns:
            (N, 3, h, w); of 112 pixels for probes of several sizes.
        """
        small = [group.shape[-1] < FACE_SIZE for group in groups]
        if sr is None:
            faces = iter(self._enlarged_groups(list(compress(groups, small))))
        else:
            faces = compress(_split(sr, groups), small)
        return _one_batch(next(faces) if is_small else group for group, is_small in zip(groups, small))

    def _enlarged_groups(self, groups: list[Tensor]) -> Iterable[Tensor]:
        """Each group below 112 pixels hallucinated, or enlarged without a network."""
        if not groups or self.fhn is None:
            return [_enlarged(group) for group in groups]
        return _split(self.hallucinate(groups), groups)

    def assistant_input(self, groups: list[Tensor]) -> Tensor | None:
        """The probes enlarged without hallucination, for an assistant that sees these; else None."""
        if self.hrn is None or not self.hrn.sees_probe:
            return None
        return _one_batch(_enlarged(group) for group in groups)

    def embed_probe(self, probes: Tensor, sr: Tensor | None = None) -> Tensor:
        """RIM's embedding of probes, f_S^K + f_A^K; the teacher's without HRN, and from 112 pixels on.

        Where the HRN has ``teacher_weights``, the teacher's embedding of the probe, enlarged by bicubic interpolation,
        is added: both of length 1, the teacher's times its weight for this size. (With ``gallery`` ``hrn`` the HRN's at
        every size.)

        Args:
            probes: (N, 3, q, q), RGB in [0, 1].
            sr: (N, 3, S, S), the probes hallucinated, where that is done already.

        Returns:
            (N, D), not normalised.

        Raises:
            ValueError: there is neither HRN nor teacher.
        """
        faces = self.student_input([probes], sr)
        if self.hrn is None or (probes.shape[-1] >= FACE_SIZE and self.gallery == 'teacher'):
            return self._teacher_embedding(faces)
        embedding = self.hrn.embed(self.hrn(faces, self.assistant_input([probes])), self.teacher)
        weight = self.hrn.teacher_weight(int(probes.shape[-1]))  # a tensor, when it is traced
        if weight == 0:
            return embedding
        return F.normalize(embedding) + weight * F.normalize(self._teacher_embedding(_enlarged(probes)))

    def embed_gallery(self, faces: Tensor) -> Tensor:
        """Embedding of faces at full resolution by the ``gallery``'s network.

        Args:
            faces: (N, 3, h, w), RGB in [0, 1].

        Returns:
            (N, D), not normalised.
        """
        return self.embed_probe(faces) if self.gallery == 'hrn' else self._teacher_embedding(faces)

    def _teacher_embedding(self, faces: Tensor) -> Tensor:
        if self.teacher is None:
            raise ValueError('network_t is missing: there is nothing that recognises faces')
        return self.teacher(faces).embedding

    def forward(self, probes: Tensor) -> Tensor:
        """Unit embeddings (N, D) of probes (N, 3, q, q) and their mirror images added."""
        return F.normalize(add_mirrored(self.embed_probe, probes))


class Hallucination(nn.Module):
    """:meth:`RIMPipeline.hallucinate` of a pipeline as a network of its own, (n, 3, q, q) to (n, 3, S, S); faces of
    more than S pixels stay as they are."""

    def __init__(self, pipeline: RIMPipeline) -> None:
        super().__init__()
        self.pipeline = RIMPipeline(pipeline.fhn, sides=pipeline.sides)
        self.eval()  # else an export leaves the network that they share in training mode

    def forward(self, probes: Tensor) -> Tensor:
        return probes if int(probes.shape[-1]) > self.pipeline.image_size else self.pipeline.hallucinate(probes)


class Recognition(nn.Module):
    """:meth:`RIMPipeline.forward` of a pipeline, with two signs of how well it sees each face beside the embedding."""

    def __init__(self, pipeline: RIMPipeline) -> None:
        super().__init__()
        self.pipeline = pipeline
        self.eval()  # as for Hallucination

    def forward(self, probes: Tensor) -> Tensor:
        """Probes (N, 3, q, q), RGB in [0, 1], to (N, D + 2): unit embeddings; the cosine, -1 to 1, of the embeddings of
        face and mirror image that are added in them; and the probe's noise in levels of 255.

        The noise is what the hallucinated face, reduced, lacks of the probe, as a root mean square: noise and traces of
        compression, which the network leaves out. 0 where nothing is hallucinated.
        """
        side, noise, sr = int(probes.shape[-1]), torch.zeros_like(probes[:, 0, 0, 0]), None
        if self.pipeline.fhn is not None and side < FACE_SIZE:
            sr = self.pipeline.hallucinate(probes)
            noise = 255 * (resize(sr, side) - probes).square().mean((1, 2, 3)).sqrt()
        face, mirrored = self.pipeline.embed_probe(probes, sr), self.pipeline.embed_probe(probes.flip(3))
        signs = torch.stack([F.cosine_similarity(face, mirrored), noise], 1)
        return torch.cat([F.normalize(face + mirrored), signs], 1)


def _enlarged(probes: Tensor) -> Tensor:
    """Probes enlarged by bicubic interpolation, but as they are from 112 pixels on."""
    return probes if probes.shape[-1] >= FACE_SIZE else bicubic(probes, IMAGE_SIZE)


def _split(faces: Tensor, groups: list[Tensor]) -> Sequence[Tensor]:
    """Faces (N, ...) by the groups; one group is not split, since an exported network takes any number of probes."""
    return faces.split([len(group) for group in groups]) if len(groups) > 1 else [faces]


def _at_size(faces: Tensor, size: int) -> Tensor:
    """Faces enlarged by bicubic interpolation, or reduced, antialiased."""
    return bicubic(faces, size) if faces.shape[-1] <= size else resize(faces, size)


def _one_batch(groups: Iterable[Tensor]) -> Tensor:
    """Faces of several sizes as one tensor, of 112 pixels then."""
    faces = list(groups)
    return faces[0] if len(faces) == 1 else resize_groups(faces, FACE_SIZE)
