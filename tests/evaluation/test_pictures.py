"""The sheet of faces."""

import torch
from support.tiny_rim import Faces

from rim_plugin.evaluation.driver import evaluate
from rim_plugin.evaluation.pictures import SheetEvaluator
from rim_plugin.sheets import comparison_sheet


def test_the_sheet_keeps_the_first_faces():
    sheet = SheetEvaluator(3)
    evaluate(Faces(5), lambda batch: {**batch, 'sr': 0.9 * batch['gt']}, [sheet], batch_size=2)
    assert len(sheet.rows) == 3 and torch.equal(sheet.rows[2]['gt'], Faces(5)[2]['gt'])
    assert comparison_sheet(sheet.rows).shape == (26 + 3 * 68, 3 * 68, 3)  # titles; LR, SR and HR of 64 pixels
    sheet.reset()
    assert sheet.rows == []
