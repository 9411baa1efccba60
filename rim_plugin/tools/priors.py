"""What the prior paths estimate in a face."""

from typing import NamedTuple

import numpy as np
from torch import Tensor


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
