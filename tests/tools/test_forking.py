"""A process that is forked from one with a loaded RIM, as gunicorn --preload and multiprocessing do, answers."""

import subprocess

import pytest
from support.forking_python import forking_python

CODE = """
import multiprocessing, os, sys
import numpy as np, torch
torch.set_num_threads(4)
from rim_plugin import RIM
import support.tiny_recognition
rim = RIM.from_pretrained(sys.argv[1], 'cpu', engine=sys.argv[2])
faces = list(np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8))
here = rim.embed(faces), rim.hallucinate(faces)

def same(_=None):
    embeddings, pictures = rim.embed(faces), rim.hallucinate(faces)
    near = np.abs(embeddings - here[0]).max() < 1e-4
    return bool(near and np.abs(np.int16(pictures) - np.int16(here[1])).max() <= 1)

with multiprocessing.get_context('fork').Pool(2) as pool:
    assert pool.map(same, range(4)) == [True] * 4
if (child := os.fork()) == 0:
    os._exit(0 if same() else 3)
assert os.waitpid(child, 0)[1] == 0
assert same() and torch.get_num_threads() == 4
"""


@pytest.mark.slow
@pytest.mark.parametrize('engine', ['auto', 'torch', 'onnxruntime', 'openvino'])
def test_a_forked_process_answers_as_its_parent(tiny, engine, tmp_path, monkeypatch):
    for package in {'onnxruntime': ('onnx', 'onnxruntime'), 'openvino': ('onnx', 'openvino')}.get(engine, ()):
        pytest.importorskip(package)
    monkeypatch.setenv('RIM_CACHE', str(tmp_path))
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    subprocess.run([forking_python(), '-c', CODE, str(tiny.weights), engine], check=True, timeout=200)
