"""What the prior paths estimate in a face."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from rim_plugin.heatmaps import heatmap_landmarks
from rim_plugin.pipeline import RIMPipeline


class Priors(NamedTuple):
    """What the prior paths estimate in a face; None without that path.

    Attributes:
        landmarks: (L, 2), x and y in pixels of the hallucinated face.
        peaks: (L, ), heights of their heatmaps, about 1 where the network is sure.
        parsing: (11, P, P), class logits.
    """

    landmarks: np.ndarray | None
    peaks: np.ndarray | None
    parsing: Tensor | None


def estimate_priors(
    pipeline: RIMPipeline, probes: list[Tensor], sides: Sequence[int], parsing: bool = True
) -> list[Priors]:
    """The estimates for faces.

    Args:
        pipeline: with prior paths.
        probes: groups (n, 3, q, q), RGB in [0, 1], N in all.
        sides: of the N hallucinated faces, in pixels.
        parsing: False leaves the parsing map out.
    """
    if parsing:
        output = pipeline.priors(probes)
        heatmaps, maps = output.heatmaps, output.parsing
    else:
        heatmaps, maps = pipeline.heatmaps(probes), None
    columns: list[Iterable[Any]] = [[None] * len(sides)] * 3
    if heatmaps is not None:
        places = (heatmap_landmarks(each[None], side)[0] for each, side in zip(heatmaps, sides, strict=True))
        columns[0] = [each.cpu().numpy() for each in places]
        columns[1] = heatmaps.amax((2, 3)).cpu().numpy()
    if maps is not None:
        columns[2] = maps.cpu()
    return [Priors(*each) for each in zip(*columns)]
