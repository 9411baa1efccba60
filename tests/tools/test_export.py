"""ONNX files compute what the Python API computes, for any batch."""

import warnings

import numpy as np
import pytest
import torch

from rim_plugin import RIM
from rim_plugin.data.resize import to_tensor
from rim_plugin.errors import OptionsError
from rim_plugin.tools import export
from rim_plugin.tools.export import check_onnx, export_onnx
from rim_plugin.tools.onnx_graph import to_onnx

onnxruntime = pytest.importorskip('onnxruntime')
onnx = pytest.importorskip('onnx')


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
            expected = probes if size > rim.image_size else rim.pipeline.hallucinate(probes)
        assert np.abs(output[0] - expected.numpy()).max() < 1e-4
        assert np.abs(output[1] - rim.embed(faces)).max() < 1e-4


@pytest.mark.slow
def test_a_face_larger_than_the_networks_comes_back_as_it_is(rim, make_face, tmp_path):
    size = rim.image_size + 16
    files = list(export_onnx(rim, tmp_path, size))
    face = make_face(size)
    probe = to_tensor(face)[None].numpy()
    output = [onnxruntime.InferenceSession(path).run(None, {'probe': probe})[0] for path in files]
    assert np.array_equal(output[0], probe) and np.array_equal(rim.hallucinate(face), face)
    told = {each.key: each.value for each in onnx.load(files[0]).metadata_props}
    assert told['image_size'] == told['probe_size'] == str(size)
    assert all(check_onnx(rim, path) < 1e-4 for path in files)
    assert (output[1][0] @ rim.embed(face)).item() > 0.98


class Warns(torch.nn.Module):
    """Trebles a probe, and warns."""

    def forward(self, probes):
        warnings.warn('odd')
        return 3 * probes


@pytest.mark.slow
def test_an_export_is_silent_and_unexpected_warnings_are_heard(rim):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        to_onnx(torch.nn.InstanceNorm2d(3, affine=True).eval(), 'out', 8, torch.device('cpu'))
        to_onnx(rim.pipeline, 'embedding', 8, rim.device)
    with pytest.warns(UserWarning, match='odd'):
        to_onnx(Warns(), 'out', 8, torch.device('cpu'))


@pytest.mark.slow
def test_nothing_is_written_when_the_outputs_differ(rim, tmp_path, monkeypatch):
    monkeypatch.setattr(export, 'TOLERANCE', -1)
    with pytest.raises(RuntimeError, match='fhn_8.onnx: onnxruntime differs from PyTorch'):
        export_onnx(rim, tmp_path / 'new', 8)
    assert not (tmp_path / 'new').exists()


@pytest.fixture(scope='module')
def exported(rim, tmp_path_factory):
    return list(export_onnx(rim, tmp_path_factory.mktemp('exported'), 8))


@pytest.mark.slow
def test_axes_are_numbers_and_the_file_tells_what_it_is(rim, exported):
    for path, shape in zip(exported, ([3, 64, 64], [128]), strict=True):
        model = onnx.load(path)
        values = [*model.graph.input, *model.graph.output]
        axes = [[axis.dim_param or axis.dim_value for axis in each.type.tensor_type.shape.dim] for each in values]
        assert axes == [['n', 3, 8, 8], ['n', *shape]]
        told = {each.key: each.value for each in model.metadata_props}
        assert told['weights_sha256'] == rim.weights.sha256 and told['colour_order'] == 'RGB' and told['range'] == '0 1'
        assert told['probe_size'] == '8' and '"threshold": 0.2' in told['calibrations']


@pytest.mark.slow
def test_a_file_is_checked_again(rim, exported, tmp_path):
    assert all(check_onnx(rim, path) < 1e-4 for path in exported)
    other = RIM(rim.weights._replace(sha256='0'), 'cpu', name='other')
    with pytest.raises(OptionsError, match=r'made of other weights than other \(weights_sha256\)'):
        check_onnx(other, exported[0])
    model = onnx.load(exported[0])
    value = next(each for each in model.graph.initializer if each.data_type == onnx.TensorProto.FLOAT and each.dims)
    value.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(value) + 1, value.name))
    onnx.save(model, tmp_path / 'changed.onnx')
    with pytest.raises(OptionsError, match='onnxruntime differs from PyTorch'):
        check_onnx(rim, tmp_path / 'changed.onnx')
    del model.metadata_props[:]
    onnx.save(model, tmp_path / 'bare.onnx')
    (tmp_path / 'text.onnx').write_text('no')
    for name, told in (('bare', 'not made by rim export'), ('text', 'no ONNX file'), ('none', 'no ONNX file')):
        with pytest.raises(OptionsError, match=told):
            check_onnx(rim, tmp_path / f'{name}.onnx')
