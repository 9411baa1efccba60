"""The comparison of engines: a row for each part and engine, and its table."""

import pytest

from rim_plugin.tools import engine_names
from rim_plugin.tools.engine_benchmark import BATCHES, REFERENCE, compare_engines, markdown


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('RIM_CACHE', str(tmp_path))


def test_rows_and_table(rim, make_face, monkeypatch):
    monkeypatch.setattr(engine_names, 'find_spec', lambda name: None)
    faces = [make_face(64, seed) for seed in range(3)]
    rows = compare_engines(rim, faces, ['torch:bf16', 'openvino:fp32'], 8, 1)
    assert [(row.part, row.engine) for row in rows] == [
        (part, engine) for part in ('face', 'embedding') for engine in (REFERENCE, 'torch:bf16', 'openvino:fp32')
    ]
    reference, half, missing = rows[:3]
    assert reference.lost == reference.largest == 0 < half.largest
    assert len(half.milliseconds) == len(BATCHES) and min(half.milliseconds) > 0
    assert missing.note.startswith('engine openvino:fp32 needs') and not missing.milliseconds
    lines = markdown(rows).splitlines()
    assert len(lines) == 8 and {line.count('|') for line in lines} == {7}
