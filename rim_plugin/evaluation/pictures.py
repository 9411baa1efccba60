"""Faces of a validation that are kept for its sheet of pictures."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from rim_plugin.archs.layers import probe_groups

_COLUMNS = ('coarse', 'sr', 'gt', 'estimated_landmarks', 'parsing_logits')


class SheetEvaluator:
    """An evaluator that keeps the first faces for a sheet.

    Args:
        count: how many.

    Attributes:
        rows: what :func:`rim_plugin.sheets.comparison_sheet` takes.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.rows: list[dict[str, Tensor]] = []

    def reset(self) -> None:
        """Forget all faces."""
        self.rows = []

    def process(self, data: Mapping[str, Any]) -> None:
        """Keep faces of a batch, as :class:`~rim_plugin.evaluation.image_evaluator.ImageEvaluator` takes it."""
        columns = {key: data[key] for key in _COLUMNS if data.get(key) is not None}
        faces = [probe for group in probe_groups(data['lq']) for probe in group][: self.count - len(self.rows)]
        for index, probe in enumerate(faces):
            row = {'lq': probe, **{key: value[index] for key, value in columns.items()}}
            self.rows.append({key: value.float().cpu() for key, value in row.items()})
