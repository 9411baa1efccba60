"""RIM in a few lines of Python: hallucinate, embed and compare faces."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple, cast, overload

import numpy as np
import torch
from torch import Tensor, nn

from rim_plugin.archs.hrn_arch import HRN
from rim_plugin.archs.recogniser import FACE_SIZE, Recogniser
from rim_plugin.data.resize import degrade
from rim_plugin.effective_side import reduce_faces
from rim_plugin.pipeline import Hallucination, Recognition, RIMPipeline
from rim_plugin.shipped import shipped_landmarks, shipped_weights
from rim_plugin.tensor_files import LABELS
from rim_plugin.tools.batches import apply_in_batches, of_all_sizes, of_one_size
from rim_plugin.tools.engine_names import AUTO, parse_engine
from rim_plugin.tools.engines import Part, Run, make_run
from rim_plugin.tools.face_inputs import (
    Faces,
    Probe,
    SeenFace,
    at_most,
    checked_faces,
    effective_probe,
    effective_side,
    is_one,
)
from rim_plugin.tools.priors import Priors, estimate_priors
from rim_plugin.tools.quality import SEEN, Signs, features, quality_at, scores
from rim_plugin.tools.verdicts import Identification, Verdicts, Verification
from rim_plugin.weights_file import Weights, build_packed, load_weights


class Examined(NamedTuple):
    """A face, looked at once for all that comparisons need.

    Attributes:
        embedding: float32 (D, ), see :meth:`RIM.embed`.
        side: in pixels, by which verdicts go, see :meth:`RIM.sides`.
        quality: see :meth:`RIM.quality`.
    """

    embedding: np.ndarray
    side: int
    quality: float | None


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
        self.verdicts = Verdicts(weights, name)
        self.device = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
        fhn, hrn, teacher = (build_packed(weights, label, name) for label in LABELS)
        parts = fhn, cast(HRN | None, hrn), cast(Recogniser | None, teacher)
        pipeline = RIMPipeline(*parts, sides=weights.sides).eval().requires_grad_(False)
        self.pipeline = pipeline.to(self.device).to(memory_format=torch.channels_last)
        self._face = self._run('face', Hallucination(self.pipeline), calibration)
        self._embedding = self._run('embedding', Recognition(self.pipeline), calibration)

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
        sides = [effective_side(face) for face in checked_faces(images)]
        return sides[0] if is_one(images) else sides

    def gains(self, side: int) -> bool:
        """Whether the hallucination network adds detail to a face that is worth ``side`` pixels."""
        least, _ = self.weights.sides or (side, side)
        return side < self.pipeline.image_size and self.pipeline.share(max(side, least)) > 0

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
        faces = cast(Faces, [images] if is_one(images) else images)
        results = [restored.image for restored in self.restore(faces)]
        return results[0] if is_one(images) else results

    @torch.no_grad()
    def restore(self, images: Faces, sides: Sequence[int] | None = None) -> list[RestoredFace]:
        """:meth:`hallucinate` of several faces, and to which of them the network adds detail.

        Args:
            images: as for :meth:`hallucinate`.
            sides: their effective sides, where these are known already.
        """
        faces = checked_faces(images)
        known = [None] * len(faces) if sides is None else sides
        probes = [self._probe(face, side).image for face, side in zip(faces, known, strict=True)]
        seen = self.see(faces, probes)
        results = {index: RestoredFace(each.restored(), each.has_gained) for index, each in seen}
        return [results[index] for index in range(len(faces))]

    @torch.no_grad()
    def see(self, faces: Sequence[np.ndarray], probes: Sequence[Tensor]) -> Iterator[tuple[int, SeenFace]]:
        """The hallucination network alone, batch by batch: its part of :meth:`restore`.

        Args:
            faces: uint8 (q, q, 3).
            probes: (1, 3, p, p) of each, see :func:`rim_plugin.tools.face_inputs.effective_probe`.

        Yields:
            Number of each face, those of one size of probe together, and what the network made of it.

        Raises:
            ValueError: the weights have no hallucination network.
        """
        self._require_fhn()
        for indices in of_one_size(probes, self.batch):
            side = probes[indices[0]].shape[-1]
            rows: Sequence[Tensor | None] = [None] * len(indices)
            if self.pipeline.share(side):
                batch = torch.cat([probes[index] for index in indices])
                rows = self._face(batch.to(self.device)).cpu().split(1)
            for index, row in zip(indices, rows):
                yield index, SeenFace(faces[index], probes[index], row, self.image_size)

    @overload
    def priors(self, images: np.ndarray, parsing: bool = True) -> Priors: ...
    @overload
    def priors(self, images: Faces, parsing: bool = True) -> list[Priors]: ...
    @torch.no_grad()
    def priors(self, images: np.ndarray | Faces, parsing: bool = True) -> Priors | list[Priors]:
        """What the prior paths estimate in faces.

        Args:
            images: as for :meth:`hallucinate`; what they have beyond the largest side that the network is for is not
                looked at.
            parsing: False leaves the parsing map out, which saves a third of the time.

        Raises:
            ValueError: an image is no such face, or the hallucination network has no prior paths.
        """
        self._require_fhn()
        if not self.pipeline.has_priors:
            raise ValueError(f'{self.name}: its hallucination network has no prior paths')

        faces = checked_faces(images)
        probes = [self._known(face) for face in faces]
        results: dict[int, Priors] = {}
        for indices, groups in of_all_sizes(probes, self.batch):
            sides = [max(len(faces[index]), self.image_size) for index in indices]
            on_device = [group.to(self.device) for group in groups]
            results.update(zip(indices, estimate_priors(self.pipeline, on_device, sides, parsing)))
        return results[0] if is_one(images) else [results[index] for index in range(len(faces))]

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
        embeddings, _ = self.embed_with_signs(images)
        return cast(np.ndarray, embeddings[0]) if is_one(images) else embeddings

    def embed_with_signs(self, images: np.ndarray | Faces) -> tuple[np.ndarray, Signs]:
        """:meth:`embed`, and signs of how well the recogniser sees the faces, which cost no further pass.

        The less a face tells of who it is, the more chance its embedding has in it, and the less that of the mirror
        image is like it; and the more noise is in it, the less it tells.

        Args:
            images: as for :meth:`embed`.

        Returns:
            Embeddings, float32 (N, D), and signs of N faces.

        Raises:
            ValueError: as for :meth:`embed`.
        """
        return self._embedded([self._probe(face) for face in checked_faces(images)])

    @torch.no_grad()
    def _embedded(self, probes: Sequence[Probe]) -> tuple[np.ndarray, Signs]:
        """Embeddings (n, D) and signs of n faces."""
        if self.pipeline.hrn is None:
            raise ValueError(f'{self.name}: holds no recogniser; name other weights')

        def embedding(batch: Tensor) -> np.ndarray:
            return self._embedding(batch.to(self.device)).cpu().numpy()

        rows = apply_in_batches([at_most(probe.image, FACE_SIZE) for probe in probes], self.batch, embedding)
        values = np.array(rows, np.float32).reshape(-1, self.pipeline.hrn.student.net.embedding_size + 2)
        return np.ascontiguousarray(values[:, :-2]), Signs(*values[:, -2:].T)

    def examine(self, images: Faces) -> list[Examined]:
        """Embeddings, sides and qualities of faces, each of which is looked at once.

        Args:
            images: of 4 pixels or more.

        Raises:
            ValueError: as for :meth:`embed`.
        """
        faces = checked_faces(images)
        probes = [self._probe(face) for face in faces]
        sides = [probe.side for probe in probes]
        embeddings, signs = self._embedded(probes)
        return [Examined(*each) for each in zip(embeddings, sides, self._qualities(faces, sides, signs))]

    @overload
    def quality(self, images: np.ndarray) -> float | None: ...
    @overload
    def quality(self, images: Faces) -> list[float | None]: ...
    def quality(self, images: np.ndarray | Faces) -> float | None | list[float | None]:
        """How far pictures are aligned faces that are recognised, see :mod:`rim_plugin.tools.quality`.

        Their embeddings are computed on the way: :meth:`examine` gives both.

        Args:
            images: of 4 pixels or more.

        Returns:
            0 to 1, one for each picture; None where the weights hold nothing to tell it by.

        Raises:
            ValueError: as for :meth:`embed`.
        """
        faces = checked_faces(images)
        examined = self.examine(faces) if self.weights.qualities else []
        values = [each.quality for each in examined] or [None] * len(faces)
        return values[0] if is_one(images) else values

    def _qualities(self, faces: Sequence[np.ndarray], sides: Sequence[int], signs: Signs) -> Sequence[float | None]:
        """Of faces with these sides and signs."""
        if not self.weights.qualities:
            return [None] * len(faces)
        rows = np.column_stack([self.quality_features(faces), signs.columns()])
        return [float(scores(quality_at(self.weights.qualities, side), row[None])[0]) for side, row in zip(sides, rows)]

    @torch.no_grad()
    def quality_features(self, faces: Sequence[np.ndarray]) -> np.ndarray:
        """Features (n, 4) of n pictures, see :func:`rim_plugin.tools.quality.features`."""
        network = landmark_network()
        seen = [face if len(face) <= SEEN else degrade(face, SEEN) for face in faces]
        rows = [features(priors, face, network.image_size) for priors, face in zip(network.priors(seen, False), seen)]
        return np.array(rows)

    def verify(self, a: np.ndarray, b: np.ndarray, min_quality: float | None = None) -> Verification:
        """Whether two faces (q, q, 3), of any sizes, are one person's.

        Args:
            a, b: the faces.
            min_quality: see :meth:`no_face_reason`.

        Raises:
            ValueError: as for :meth:`embed`, or the weights have no thresholds.
        """
        first, second = self.examine([a, b])
        sides, qualities = (first.side, second.side), (first.quality, second.quality)
        return self.judge(float(first.embedding @ second.embedding), sides, qualities, min_quality)

    def sides(self, faces: Sequence[np.ndarray]) -> list[int]:
        """Sides in pixels by which verdicts on faces (q, q, 3) go: those that are embedded, the effective ones."""
        return [self._probe(face).side for face in faces]

    def judge(
        self,
        similarity: float,
        sizes: tuple[int, int],
        qualities: tuple[float | None, float | None] = (None, None),
        min_quality: float | None = None,
    ) -> Verification:
        """See :meth:`rim_plugin.tools.verdicts.Verdicts.judge`."""
        return self.verdicts.judge(similarity, sizes, qualities, min_quality)

    def identify(self, similarity: float, sizes: tuple[int, int], photos: int, fpir: float) -> Identification:
        """See :meth:`rim_plugin.tools.verdicts.Verdicts.identify`."""
        return self.verdicts.identify(similarity, sizes, photos, fpir)

    def no_face_reason(self, side: int, quality: float | None, min_quality: float | None = None) -> str:
        """See :meth:`rim_plugin.tools.verdicts.Verdicts.no_face_reason`."""
        return self.verdicts.no_face_reason(side, quality, min_quality)

    def _require_fhn(self) -> None:
        if self.pipeline.fhn is None:
            raise ValueError(f'{self.name}: holds no hallucination network; name other weights')

    def _probe(self, face: np.ndarray, side: int | None = None) -> Probe:
        return effective_probe(face, self.gains, side)

    def _known(self, face: np.ndarray) -> Tensor:
        """A face at its effective side, but at most the largest one that the network is for."""
        largest = self.weights.sides[1] if self.weights.sides else self.image_size
        image = self._probe(face).image
        return reduce_faces(image, largest) if image.shape[-1] > largest else image


@cache
def landmark_network() -> RIM:
    """The RIM whose landmark path tells faces from other pictures; limits of its certainty are for its weights."""
    return RIM.from_pretrained(shipped_landmarks(), engine='torch')
