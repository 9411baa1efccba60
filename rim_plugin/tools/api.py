"""RIM in a few lines of Python: hallucinate, embed and compare faces."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeVar, cast, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from rim_plugin.archs.hrn_arch import HRN
from rim_plugin.archs.layers import bicubic, resize
from rim_plugin.archs.recogniser import FACE_SIZE, Recogniser
from rim_plugin.data.photo_files import MIN_SIDE, as_rgb
from rim_plugin.data.resize import check_image, degrade, to_tensor
from rim_plugin.effective_side import effective_sides, reduce_faces
from rim_plugin.heatmaps import heatmap_landmarks
from rim_plugin.pipeline import Hallucination, RIMPipeline
from rim_plugin.shipped import shipped_landmarks, shipped_weights
from rim_plugin.tools.calibration import Uncalibrated, at_sizes, probability, search_threshold
from rim_plugin.tools.engine_names import AUTO, parse_engine
from rim_plugin.tools.engines import Part, Run, make_run
from rim_plugin.tools.priors import Priors
from rim_plugin.tools.quality import SEEN, features, quality_at, scores
from rim_plugin.weights_file import LABELS, Weights, build_packed, load_weights

Faces = Sequence[np.ndarray] | Iterator[np.ndarray]  # also a generator
Result = TypeVar('Result')
_CLEARLY = 0.85  # of a face's side; what its effective side is above that may be the estimate's error


class Verification(NamedTuple):
    """Whether two faces are one person's.

    Attributes:
        similarity: cosine of the embeddings, -1 to 1.
        threshold: similarity from which faces of these sizes count as one person's; None where that was not measured.
        same: whether it is reached; None: no verdict, for the ``reason``.
        confidence: share of right verdicts among pairs of such sizes and similarity, 0.5 to 1, where one person and two
            are equally likely beforehand; None without a verdict.
        sizes: sides of the two faces in pixels.
        qualities: probability of each picture that it is an aligned face, 0 to 1; None where the weights cannot tell.
        reason: why there is no verdict; empty where there is one.
    """

    similarity: float
    threshold: float | None
    same: bool | None
    confidence: float | None
    sizes: tuple[int, int]
    qualities: tuple[float | None, float | None] = (None, None)
    reason: str = ''


class Identification(NamedTuple):
    """Whether a face found in a gallery is named.

    Attributes:
        threshold: similarity from which it is; None where that was not measured.
        named: whether it is reached.
        reason: why nobody can be named, whatever the similarity; empty elsewhere.
    """

    threshold: float | None
    named: bool
    reason: str = ''


class RestoredFace(NamedTuple):
    """A face, uint8 (S, S, 3), and whether the hallucination network has added detail to it."""

    image: np.ndarray
    has_gained: bool


class RIM:
    """A trained RIM.

    Faces are aligned as ArcFace has them (``scripts/prepare_faces.py``, :func:`rim_plugin.data.alignment.align_face`),
    uint8 (q, q, 3), RGB; one, or a list of any sizes. A path or one of Pillow's pictures may
    take the place of an array.

    Args:
        weights: as :func:`rim_plugin.weights_file.load_weights` gives them.
        device: ``cuda``, ``cpu``; by default the GPU where there is one.
        batch: faces that go through the networks at a time.
        name: of the weights, for errors.
        engine: what runs the networks, ``auto`` or ``NAME[:PRECISION]``, see :mod:`rim_plugin.tools.engine_names`.
            ``auto`` is PyTorch and, for many faces of one size, a faster engine that gives the same.
        calibration: faces, uint8 (q, q, 3), aligned, that calibrate int8; none: drawn ones.

    Raises:
        OptionsError: the weights are of another architecture; an unknown engine, one that is not installed, or not for
            this device.
    """

    def __init__(
        self,
        weights: Weights,
        device: str | torch.device | None = None,
        batch: int = 32,
        name: str | os.PathLike[str] = 'weights',
        engine: str = AUTO,
        calibration: Sequence[np.ndarray] = (),
    ) -> None:
        self.weights, self.batch, self.name, self.engine = weights, batch, name, parse_engine(engine)
        self.device = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
        fhn, hrn, teacher = (build_packed(weights, label, name) for label in LABELS)
        parts = fhn, cast(HRN | None, hrn), cast(Recogniser | None, teacher)
        pipeline = RIMPipeline(*parts, sides=weights.sides).eval().requires_grad_(False)
        self.pipeline = pipeline.to(self.device).to(memory_format=torch.channels_last)
        self._face = self._run('face', Hallucination(self.pipeline), calibration)
        self._embedding = self._run('embedding', self.pipeline, calibration)

    def _run(self, name: str, module: nn.Module, calibration: Sequence[np.ndarray]) -> Run:
        """What ``module`` makes of probes (n, 3, q, q), by the engine."""
        options = self.weights.networks, self.weights.sides
        return make_run(self.engine, Part(name, module, options, self.device, calibration))

    @classmethod
    def from_pretrained(
        cls,
        path: str | os.PathLike[str] | None = None,
        device: str | torch.device | None = None,
        batch: int = 32,
        engine: str = AUTO,
        calibration: Sequence[np.ndarray] = (),
    ) -> RIM:
        """RIM from a weights file.

        Args:
            path: NAME.safetensors; by default the weights of the repository.
            device, batch, engine, calibration: see RIM.

        Raises:
            OptionsError: the file is missing, damaged, not of this format or of another architecture; see RIM, too.
        """
        path = shipped_weights() if path is None else path
        return cls(load_weights(path), device, batch, path, engine, calibration)

    @property
    def image_size(self) -> int:
        """Side in pixels of hallucinated faces."""
        self._require_fhn()
        return self.pipeline.image_size

    @overload
    def effective_sides(self, images: np.ndarray) -> int: ...
    @overload
    def effective_sides(self, images: Faces) -> list[int]: ...
    def effective_sides(self, images: np.ndarray | Faces) -> int | list[int]:
        """How many pixels faces are worth, see :mod:`rim_plugin.effective_side`: what was enlarged, was less before.

        Args:
            images: faces of 4 pixels or more.

        Returns:
            Sides in pixels, 4 to the face's own; those of 212 and more are not told from the face's own.

        Raises:
            ValueError: an image is no such face.
        """
        sides = [_effective_side(_probe(face)) for face in _checked(images)]
        return sides[0] if _is_one(images) else sides

    @overload
    def hallucinate(self, images: np.ndarray) -> np.ndarray: ...
    @overload
    def hallucinate(self, images: Faces) -> list[np.ndarray]: ...
    def hallucinate(self, images: np.ndarray | Faces) -> np.ndarray | list[np.ndarray]:
        """Faces with the detail that their resolution leaves out, by what the network makes of their effective side.

        The detail is added to the face's own (bicubic) enlargement; a face that has more pixels' worth than the
        network is for (``weights.sides``) gets none, see :meth:`RIMPipeline.share`.

        Args:
            images: faces of 4 pixels or more.

        Returns:
            uint8 (S, S, 3), RGB; S is ``image_size``, 224 in the paper, or the face's own side if that is larger.

        Raises:
            ValueError: an image is no such face, or the weights have no hallucination network.
        """
        faces = cast(Faces, [images] if _is_one(images) else images)
        results = [restored.image for restored in self.restore(faces)]
        return results[0] if _is_one(images) else results

    @torch.no_grad()
    def restore(self, images: Faces) -> list[RestoredFace]:
        """:meth:`hallucinate` of several faces, and to which of them the network adds detail."""
        self._require_fhn()

        def restored(probes: Tensor, faces: list[Tensor]) -> Iterator[RestoredFace]:
            if not self.pipeline.share(probes.shape[-1]):
                details: Sequence[Tensor | None] = [None] * len(faces)
            else:
                details = (self._face(probes.to(self.device)).cpu() - bicubic(probes, self.image_size)).split(1)
            for face, detail in zip(faces, details):
                yield RestoredFace(_with_detail(face, detail, self.image_size), detail is not None)

        return cast(list[RestoredFace], self._of_each(images, restored, self._effective))

    @overload
    def priors(self, images: np.ndarray) -> Priors: ...
    @overload
    def priors(self, images: Faces) -> list[Priors]: ...
    @torch.no_grad()
    def priors(self, images: np.ndarray | Faces) -> Priors | list[Priors]:
        """What the prior paths estimate in faces.

        Args:
            images: as for :meth:`hallucinate`; what they have beyond the largest side that the network is for is not
                looked at.

        Raises:
            ValueError: an image is no such face, or the hallucination network has no prior paths.
        """
        self._require_fhn()
        if not self.pipeline.has_priors:
            raise ValueError(f'{self.name}: its hallucination network has no prior paths')

        def estimate(probes: Tensor, faces: list[Tensor]) -> list[Priors]:
            output = self.pipeline.priors(probes.to(self.device))
            columns: list[Iterable[Any]] = [[None] * len(probes)] * 3
            if output.heatmaps is not None:
                sides = [max(face.shape[-1], self.image_size) for face in faces]
                columns[0] = [
                    heatmap_landmarks(each[None], side)[0].cpu().numpy() for each, side in zip(output.heatmaps, sides)
                ]
                columns[1] = output.heatmaps.amax((2, 3)).cpu().numpy()
            if output.parsing is not None:
                columns[2] = output.parsing.cpu()
            return [Priors(*each) for each in zip(*columns)]

        return self._of_each(images, estimate, self._known)

    @torch.no_grad()
    def embed(self, images: np.ndarray | Faces) -> np.ndarray:
        """Faces to embeddings; the product of two is their similarity.

        Args:
            images: of 4 pixels or more. Those of less effective pixels than the hallucination network is for are
                hallucinated first; those of 112 and more go to the recogniser as they are.

        Returns:
            float32 (D, ), or (N, D) of a list, of length 1; of face and mirror image added.

        Raises:
            ValueError: an image is no such face, or the weights have no recogniser.
        """
        if self.pipeline.hrn is None:
            raise ValueError(f'{self.name}: holds no recogniser; name other weights')
        size = self.pipeline.hrn.student.net.embedding_size

        def embedding(probes: Tensor, faces: list[Tensor]) -> np.ndarray:
            return self._embedding(probes.to(self.device)).cpu().numpy()

        output = self._of_each(images, embedding, lambda face: _at_most(self._effective(face), FACE_SIZE))
        return np.array(output, np.float32).reshape(-1, size) if isinstance(output, list) else output

    @overload
    def quality(self, images: np.ndarray, sides: Sequence[int] | None = None) -> float | None: ...
    @overload
    def quality(self, images: Faces, sides: Sequence[int] | None = None) -> list[float | None]: ...
    @torch.no_grad()
    def quality(
        self, images: np.ndarray | Faces, sides: Sequence[int] | None = None
    ) -> float | None | list[float | None]:
        """How likely pictures are aligned faces, see :mod:`rim_plugin.tools.quality`.

        Args:
            images: of 4 pixels or more.
            sides: theirs, see :meth:`sides`, where they are known already.

        Returns:
            0 to 1, one for each picture; None where the weights hold nothing to tell it by.

        Raises:
            ValueError: an image is no such face.
        """
        faces = _checked(images)
        if not self.weights.qualities:
            return None if _is_one(images) else [None] * len(faces)
        values = [
            float(scores(quality_at(self.weights.qualities, side), each[None])[0])
            for side, each in zip(sides or self.sides(faces), self.quality_features(faces))
        ]
        return values[0] if _is_one(images) else list(values)

    def quality_features(self, faces: Sequence[np.ndarray]) -> np.ndarray:
        """Features (n, 4) of n pictures, see :func:`rim_plugin.tools.quality.features`."""
        network = landmark_network()
        seen = [face if len(face) <= SEEN else degrade(face, SEEN) for face in faces]
        rows = [features(priors, face, network.image_size) for priors, face in zip(network.priors(seen), seen)]
        return np.array(rows)

    def verify(self, a: np.ndarray, b: np.ndarray, min_quality: float | None = None) -> Verification:
        """Whether two faces (q, q, 3), of any sizes, are one person's.

        Args:
            a, b: the faces.
            min_quality: see :meth:`no_face_reason`.

        Raises:
            ValueError: as for :meth:`embed`, or the weights have no thresholds.
        """
        first, second = self.embed([a, b])
        sides = self.sides([a, b])
        qualities = self.quality([a, b], sides)
        return self.judge(float(first @ second), (sides[0], sides[1]), (qualities[0], qualities[1]), min_quality)

    def sides(self, faces: Sequence[np.ndarray]) -> list[int]:
        """Sides in pixels by which verdicts on faces (q, q, 3) go: those that are embedded, the effective ones."""
        return [self._effective(_probe(face)).shape[-1] for face in faces]

    def judge(
        self,
        similarity: float,
        sizes: tuple[int, int],
        qualities: tuple[float | None, float | None] = (None, None),
        min_quality: float | None = None,
    ) -> Verification:
        """Verification of two faces from the similarity of their embeddings.

        Args:
            similarity: cosine, -1 to 1.
            sizes: sides of the faces in pixels.
            qualities: of the faces, see :meth:`quality`.
            min_quality: see :meth:`no_face_reason`.

        Raises:
            ValueError: the weights have no thresholds.
        """
        self._require_thresholds()
        refusals = [self.no_face_reason(*each, min_quality) for each in zip(sizes, qualities)]
        reasons = [f'the {which} picture {told}' for which, told in zip(('first', 'second'), refusals) if told]
        verdict = Verification(similarity, None, None, None, sizes, qualities, '; '.join(reasons))
        try:
            threshold, *slopes = at_sizes(self.weights.calibrations, sizes)
        except Uncalibrated as error:
            return verdict._replace(reason='; '.join([*reasons, str(error)]))
        if reasons:
            return verdict._replace(threshold=threshold)
        likely = probability(similarity, threshold, *slopes)
        same = similarity >= threshold
        return verdict._replace(threshold=threshold, same=same, confidence=likely if same else 1 - likely)

    def identify(self, similarity: float, sizes: tuple[int, int], photos: int, fpir: float) -> Identification:
        """Whether the face that a search of a gallery found is named.

        Args:
            similarity: of probe and found face.
            sizes: their sides in pixels.
            photos: of the gallery.
            fpir: false-positive identification rate: how often a search of somebody who is not enrolled may name
                somebody, above 0 and below 1.

        Raises:
            ValueError: the weights have no thresholds.
        """
        self._require_thresholds()
        try:
            threshold = search_threshold(self.weights.calibrations, sizes, photos, fpir)
        except Uncalibrated as error:
            return Identification(None, False, str(error))
        return Identification(threshold, similarity >= threshold)

    def no_face_reason(self, side: int, quality: float | None, min_quality: float | None = None) -> str:
        """Why a picture gets no verdict, by its quality; empty where it does.

        Args:
            side: of the picture in pixels.
            quality: see :meth:`quality`; None: nothing can be told.
            min_quality: least quality; None: that which almost all faces of this size have.
        """
        if quality is None:
            return ''
        least = quality_at(self.weights.qualities, side).least if min_quality is None else min_quality
        return '' if quality >= least else f'is hardly an aligned face (quality {quality:.2f}, at least {least:.2f})'

    def _require_thresholds(self) -> None:
        if not self.weights.calibrations:
            raise ValueError(f'{self.name}: holds no thresholds; pack it with --calibrate')

    def _require_fhn(self) -> None:
        if self.pipeline.fhn is None:
            raise ValueError(f'{self.name}: holds no hallucination network; name other weights')

    def _effective(self, face: Tensor) -> Tensor:
        """A face (1, 3, q, q) at its effective side, where the hallucination network has a share in it; else itself."""
        side = _effective_side(face)
        return reduce_faces(face, side) if side < _CLEARLY * face.shape[-1] and self._gains(side) else face

    def _gains(self, side: int) -> bool:
        """Whether a face of so many pixels or of fewer has less detail than the hallucination network gives."""
        least, _ = self.weights.sides or (side, side)
        return side < self.pipeline.image_size and self.pipeline.share(max(side, least)) > 0

    def _known(self, face: Tensor) -> Tensor:
        """A face (1, 3, q, q) at its effective side, but at most the largest one that the network is for."""
        largest = self.weights.sides[1] if self.weights.sides else self.image_size
        face = self._effective(face)
        return reduce_faces(face, largest) if face.shape[-1] > largest else face

    def _of_each(
        self,
        images: np.ndarray | Faces,
        function: Callable[[Tensor, list[Tensor]], Iterable[Result]],
        probe: Callable[[Tensor], Tensor],
    ) -> Result | list[Result]:
        """``function`` of the faces in batches of probes of one size; results in the order of ``images``.

        Args:
            images: one face, or several.
            function: of a batch, probes (n, 3, q, q) and the faces (1, 3, h, h) that they are of; n results.
            probe: of a face (1, 3, h, h) what the networks get of it, (1, 3, q, q).

        Raises:
            ValueError: an image is no face.
        """
        faces = [_probe(face) for face in _checked(images)]
        groups: dict[int, list[tuple[int, Tensor]]] = defaultdict(list)
        results: dict[int, Result] = {}
        for index, small in enumerate(map(probe, faces)):
            groups[small.shape[-1]].append((index, small))
        for group in groups.values():
            for start in range(0, len(group), self.batch):
                indices, probes = zip(*group[start : start + self.batch])
                results.update(zip(indices, function(torch.cat(probes), [faces[index] for index in indices])))
        return results[0] if _is_one(images) else [results[index] for index in range(len(faces))]


@cache
def landmark_network() -> RIM:
    """The RIM whose landmark path tells faces from other pictures; limits of its certainty are for its weights."""
    return RIM.from_pretrained(shipped_landmarks(), engine='torch')


def _is_one(images: Any) -> bool:
    """Whether this is a single face, or something that is none, rather than several."""
    if isinstance(images, np.ndarray):
        return images.ndim < 4
    return isinstance(images, (str, os.PathLike, Image.Image)) or not isinstance(images, Iterable)


def _checked(images: Any) -> list[np.ndarray]:
    faces = [as_rgb(each) for each in ([images] if _is_one(images) else images)]
    for face in faces:
        check_face(face)
    return faces


def _probe(face: np.ndarray) -> Tensor:
    """A face as (1, 3, q, q)."""
    return to_tensor(face)[None]


def _effective_side(face: Tensor) -> int:
    return int(effective_sides(face))


def _at_most(face: Tensor, largest: int) -> Tensor:
    """A face (1, 3, q, q), reduced where it has more pixels than ``largest``."""
    return resize(face, min(face.shape[-1], largest))


def _with_detail(face: Tensor, detail: Tensor | None, image_size: int) -> np.ndarray:
    """A face (1, 3, q, q), enlarged unless it is that large, with detail (1, 3, S, S); uint8."""
    side = max(face.shape[-1], image_size)
    large = bicubic(face, side)
    if detail is not None:
        large = large + bicubic(detail, side)
    return large[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).contiguous().numpy()


def check_face(image: np.ndarray) -> None:
    """ValueError unless ``image`` is a square uint8 (q, q, 3) of at least 4 pixels."""
    check_image(image)
    check_side(*image.shape[1::-1])


def check_side(width: int, height: int) -> None:
    """ValueError unless an aligned face may have this size in pixels."""
    if height != width or width < MIN_SIDE:
        raise ValueError(
            f'{width}x{height} pixels are no aligned face, which is square and of at least {MIN_SIDE} '
            'pixels; in whole photos faces are detected first (--detect)'
        )
