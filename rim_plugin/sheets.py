"""Comparison sheets: LR | bicubic | coarse | SR | estimated priors | HR, one face a row."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from torch import Tensor

from rim_plugin.data.landmarks import PARSING_PALETTE

GAP, TITLE, CAPTION = 4, 26, 20


def comparison_sheet(
    rows: Sequence[Mapping[str, Tensor]], captions: Sequence[Mapping[str, str]] | None = None
) -> np.ndarray:
    """Sheet of faces with column titles.

    Args:
        rows: of each face ``lq`` (3, h, w) and ``sr`` (3, S, S), optionally ``bicubic``, ``coarse``, ``gt``,
            ``estimated_landmarks`` (L, 2) in pixels of ``sr`` and ``parsing_logits`` (C, P, P).
        captions: of each face the text below a picture, by the column's title.

    Returns:
        BGR uint8 (H, W, 3), as ``cv2.imwrite`` takes it.
    """
    size = rows[0]['sr'].shape[-1]
    images = [face_columns(row, size) for row in rows]
    titles = list(images[0])
    sheet = [_texts(titles, TITLE, size)]
    for number, columns in enumerate(images):
        pictures = [np.pad(each, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for each in columns.values()]
        sheet.append(np.hstack(pictures))
        if captions is not None:
            sheet.append(_texts([captions[number].get(title, '') for title in titles], CAPTION, size))
    return np.vstack(sheet)


def _texts(texts: Sequence[str], height: int, size: int) -> np.ndarray:
    """A strip with a text at the left of each column."""
    strip = np.full((height, len(texts) * (size + GAP), 3), 255, np.uint8)
    for column, text in enumerate(texts):
        place = (column * (size + GAP) + 2, height - 8)
        cv2.putText(strip, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return strip


def face_columns(row: Mapping[str, Tensor], size: int) -> dict[str, np.ndarray]:
    """Title and BGR uint8 picture (size, size, 3) of each column of one face."""
    side = row['lq'].shape[-1]
    columns = {f'LR {side}x{side}': cv2.resize(to_image(row['lq']), (size, size), interpolation=cv2.INTER_NEAREST)}
    columns.update({key: to_image(row[key]) for key in ('bicubic', 'coarse') if key in row})
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
