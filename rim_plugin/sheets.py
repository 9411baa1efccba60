"""Comparison sheets: LR | coarse | SR | estimated priors | HR, one face a row."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from torch import Tensor

from rim_plugin.data.landmarks import PARSING_PALETTE

GAP, TITLE = 4, 26


def comparison_sheet(rows: Sequence[Mapping[str, Tensor]]) -> np.ndarray:
    """Sheet of faces with column titles.

    Args:
        rows: of each face ``lq`` (3, h, w) and ``sr`` (3, S, S), optionally ``coarse``, ``gt``, ``estimated_landmarks``
            (L, 2) in pixels of ``sr`` and ``parsing_logits`` (C, P, P).

    Returns:
        BGR uint8 (H, W, 3), as ``cv2.imwrite`` takes it.
    """
    size = rows[0]['sr'].shape[-1]
    images = [face_columns(row, size) for row in rows]
    strips = [
        np.hstack([np.pad(image, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for image in row.values()])
        for row in images
    ]
    header = np.full((TITLE, strips[0].shape[1], 3), 255, np.uint8)
    for column, title in enumerate(images[0]):
        cv2.putText(
            header, title, (column * (size + GAP) + 2, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA
        )
    return np.vstack([header, *strips])


def face_columns(row: Mapping[str, Tensor], size: int) -> dict[str, np.ndarray]:
    """Title and BGR uint8 picture (size, size, 3) of each column of one face."""
    side = row['lq'].shape[-1]
    columns = {f'LR {side}x{side}': cv2.resize(to_image(row['lq']), (size, size), interpolation=cv2.INTER_NEAREST)}
    if 'coarse' in row:
        columns['coarse'] = to_image(row['coarse'])
    columns['SR'] = to_image(row['sr'])
    if 'estimated_landmarks' in row:
        columns['landmarks'] = draw_landmarks(columns['SR'], row['estimated_landmarks'])
    if 'parsing_logits' in row:
        columns['parsing'] = draw_parsing(row['parsing_logits'], size)
    if 'gt' in row:
        columns['HR'] = to_image(row['gt'])
    return columns


def to_image(tensor: Tensor) -> np.ndarray:
    """(3, h, w) RGB in [0, 1] to BGR uint8 (h, w, 3)."""
    levels = tensor.float().clamp(0, 1).mul(255).round().byte()
    return np.ascontiguousarray(levels.flip(0).permute(1, 2, 0).numpy())


def draw_landmarks(image: np.ndarray, landmarks: Tensor) -> np.ndarray:
    """A copy of a BGR image with (L, 2) landmarks, in its pixels, as green dots."""
    image = image.copy()
    for x, y in landmarks.tolist():
        cv2.circle(image, (round(x * 8), round(y * 8)), 12, (0, 255, 0), -1, cv2.LINE_AA, shift=3)
    return image


def draw_parsing(logits: Tensor, size: int) -> np.ndarray:
    """Class logits (C, P, P) to a BGR uint8 picture (size, size, 3) in the data set's colours."""
    classes = logits.argmax(0).numpy().astype(np.uint8)
    enlarged = cv2.resize(classes, (size, size), interpolation=cv2.INTER_NEAREST)
    return np.ascontiguousarray(PARSING_PALETTE[enlarged][..., ::-1])
