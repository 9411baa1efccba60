"""ONNX files compute what the Python API computes, for any batch."""

import numpy as np
import pytest
import torch

from rim_plugin.data.resize import to_tensor
from rim_plugin.tools import export
from rim_plugin.tools.export import export_onnx

onnxruntime = pytest.importorskip('onnxruntime')
pytest.importorskip('onnx')


@pytest.mark.slow
@pytest.mark.parametrize('size', [8, 112])
def test_onnx_files_equal_the_api(rim, make_face, tmp_path, size):
    differences = export_onnx(rim, tmp_path / 'new', size)
    assert [path.name for path in differences] == [f'fhn_{size}.onnx', f'embed_{size}.onnx']
    assert max(differences.values()) < 1e-4
    for count in (1, 5):
        faces = [make_face(size, seed) for seed in range(count)]
        probes = torch.stack([to_tensor(face) for face in faces])
        output = [onnxruntime.InferenceSession(path).run(None, {'probe': probes.numpy()})[0] for path in differences]
        with torch.no_grad():
            assert np.abs(output[0] - rim.pipeline.fhn(probes).numpy()).max() < 1e-4
        assert np.abs(output[1] - rim.embed(faces)).max() < 1e-4


def test_nothing_is_written_when_the_outputs_differ(rim, tmp_path, monkeypatch):
    monkeypatch.setattr(export, 'TOLERANCE', -1)
    with pytest.raises(RuntimeError, match='fhn_8.onnx: onnxruntime differs from PyTorch'):
        export_onnx(rim, tmp_path / 'new', 8)
    assert not (tmp_path / 'new').exists()
