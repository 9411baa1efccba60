"""The comparison of engines: a row for each part and engine, and its table."""

import pytest

from rim_plugin.benchmark import engine_benchmark
from rim_plugin.benchmark.engine_benchmark import BATCHES, REFERENCE, compare_engines, markdown, speed_rows
from rim_plugin.tools import engine_names


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('RIM_CACHE', str(tmp_path))


@pytest.mark.slow
def test_rows_and_table(rim, make_face, monkeypatch):
    monkeypatch.setattr(engine_names, 'find_spec', lambda name: None)
    monkeypatch.setattr(engine_benchmark, 'BATCHES', (1, 2))
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


@pytest.mark.slow
def test_rows_of_the_table_of_speed(monkeypatch):
    network = {
        'type': 'FHN',
        'generator': {'type': 'SubPixelTriPathGenerator', 'channels': 8, 'prior_paths': 'none'},
        'integrator': {'type': 'SubPixelIntegrator', 'channels': 8},
    }
    rows = speed_rows(network, 1)
    assert {row.section for row in rows} == {f'engines, batch {batch}' for batch in BATCHES}
    assert {row.name: row.times for row in rows}[REFERENCE] == 1
    monkeypatch.setattr(engine_names, 'find_spec', lambda name: None)
    assert [row.name for row in speed_rows(network, 1)] == [REFERENCE] * len(BATCHES)
