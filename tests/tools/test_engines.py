"""Every installed engine gives what PyTorch gives, for probes and batches of any size."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from rim_plugin import RIM
from rim_plugin.data.resize import to_tensor
from rim_plugin.errors import MissingPackage, OptionsError
from rim_plugin.tools import engine_names, engines
from rim_plugin.tools.engine_names import ENGINES, POSSIBLE, Engine, missing_packages
from rim_plugin.tools.engines import Auto, Graphs, Part, make_run

SIZES = (8, 28, 8, 112, 8, 63, 8)  # in batches of three the last of size 8 is alone
FLOAT_GRAPHS = ('onnxruntime:fp32', 'openvino:fp32')


@pytest.fixture(scope='module', autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp('cache')
        patch.setenv('RIM_CACHE', str(folder))
        yield folder


@pytest.fixture(scope='module')
def faces(make_face):
    return [make_face(size, seed) for seed, size in enumerate(SIZES)]


@pytest.fixture(scope='module')
def reference(tiny):
    return RIM.from_pretrained(tiny.weights, 'cpu', 3, 'torch')


def part(rim, name='face', **changes):
    module = rim.pipeline.fhn if name == 'face' else rim.pipeline
    return Part(name, module, rim.weights.networks, rim.device)._replace(**changes)


def installed(name):
    missing = missing_packages(engine_names.parse_engine(name))
    if missing:
        pytest.skip(f'{name} needs {", ".join(missing)}, which is not installed')
    return name


def run_of(name, rim, **changes):
    """The run of an engine; skips where this machine has no such precision."""
    try:
        return make_run(engine_names.parse_engine(installed(name)), part(rim, **changes))
    except OptionsError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.parametrize('name', FLOAT_GRAPHS)
def test_engines_equal_pytorch_for_mixed_sizes_and_a_partial_batch(tiny, reference, faces, name):
    rim = RIM.from_pretrained(tiny.weights, 'cpu', 3, installed(name))
    small = [face for face in faces if len(face) < reference.image_size]
    for ours, theirs in zip(rim.hallucinate(small), reference.hallucinate(small), strict=True):
        difference = np.abs(ours.astype(int) - theirs)
        assert difference.max() <= 1 and (difference > 0).mean() < 1e-3
    ours, theirs = rim.embed(faces), reference.embed(faces)
    assert (ours * theirs).sum(1).min() > 0.99999
    assert np.allclose(rim.embed(faces[0]), ours[0], atol=1e-5)
    assert rim.hallucinate([]) == [] and rim.embed([]).shape == (0, 128)


@pytest.mark.slow
@pytest.mark.parametrize('name', [name for name in POSSIBLE if not name.startswith('compile')])
def test_precisions_lose_little(reference, make_face, name):
    run = run_of(name, reference)
    expected = make_run(Engine('torch'), part(reference))
    for count in (1, 5):
        probes = torch.stack([to_tensor(make_face(28, seed)) for seed in range(count)])
        output = run(probes)
        assert output.dtype == torch.float32 and output.shape == expected(probes).shape
        if name.endswith('fp32'):
            assert (output - expected(probes)).abs().max() < 1e-5
        else:  # of a random network, which magnifies what is rounded off
            assert np.corrcoef(output.flatten(), expected(probes).flatten())[0, 1] > 0.95


@pytest.mark.slow
def test_the_compiler_equals_pytorch(reference):
    if shutil.which('g++') is None:
        pytest.skip('torch.compile needs a C++ compiler')
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.PReLU()).requires_grad_(False)  # the networks take minutes
    for precision, bound in (('fp32', 1e-5), ('bf16', 0.1)):
        run = make_run(Engine('compile', precision), part(reference, module=net))
        for count in (1, 3):
            probes = torch.rand(count, 3, 8, 8)
            assert (run(probes) - net(probes)).abs().max() < bound


@pytest.mark.slow
def test_int8_is_calibrated_on_given_faces(tiny, make_face):
    installed('onnxruntime:int8')
    faces = [make_face(64, seed) for seed in range(3)]
    drawn, given = (
        RIM.from_pretrained(tiny.weights, 'cpu', engine='onnxruntime:int8', calibration=each).hallucinate(make_face(8))
        for each in ((), faces)
    )
    assert not np.array_equal(drawn, given) and np.abs(drawn.astype(int) - given).mean() < 8


@pytest.mark.slow
@pytest.mark.parametrize('name', FLOAT_GRAPHS)
def test_a_graph_is_exported_once_and_for_its_weights(tiny, reference, name, monkeypatch, tmp_path):
    monkeypatch.setenv('RIM_CACHE', str(tmp_path))
    made = []
    export = engines.to_onnx
    monkeypatch.setattr(engines, 'to_onnx', lambda *args: made.append(args[2]) or export(*args))
    probes, expected = torch.rand(1, 3, 8, 8), make_run(Engine('torch'), part(reference))
    for _ in range(2):
        assert torch.allclose(run_of(name, reference)(probes), expected(probes), atol=1e-5)
    assert made == [8]
    (kept,) = tmp_path.glob('*.graph')
    kept.write_bytes(kept.read_bytes()[:-100])
    assert torch.allclose(run_of(name, reference)(probes), expected(probes), atol=1e-5)
    assert made == [8, 8]
    other = RIM.from_pretrained(tiny.weights, 'cpu')
    with torch.no_grad():
        next(other.pipeline.fhn.parameters()).add_(0.5)
    run_of(name, other)(probes)
    run_of(name, reference, options={'other': 1})(probes)
    assert made == [8] * 4


SIGNAL_AFTER_ENGINES = """
import gc, signal, sys, torch
from rim_plugin.tools.engines import Engine, Part, make_run
part = Part('face', torch.nn.Conv2d(3, 3, 1).eval(), {}, torch.device('cpu'))
runs = [make_run(Engine('openvino'), part) for _ in range(2)]
for run in runs:
    run(torch.rand(1, 3, 8, 8))
del run
while runs:
    del runs[0]
    gc.collect()
signal.signal(signal.SIGUSR1, lambda *_: sys.exit('alive'))
signal.raise_signal(signal.SIGUSR1)
"""


@pytest.mark.slow
def test_a_process_survives_signals_after_its_engines():
    installed('openvino:fp32')
    done = subprocess.run([sys.executable, '-c', SIGNAL_AFTER_ENGINES], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.endswith('alive\n')


def test_the_least_recently_used_graph_is_closed_for_another(reference, monkeypatch):
    opened = []

    def load(graph):
        opened.append(graph)
        return lambda probes: np.full((1, 1), graph)

    monkeypatch.setattr(Graphs, 'OPEN', 2)
    monkeypatch.setitem(engines._LOADERS, 'onnxruntime', lambda engine: load)
    monkeypatch.setattr(engines, 'kept_or_made', lambda key, make: make())
    monkeypatch.setattr(Graphs, '_graph', lambda self, size: size)
    graphs = Graphs(part(reference), Engine('onnxruntime'))
    for size, expected in ((8, [8]), (9, [8, 9]), (8, [8, 9]), (10, [8, 9, 10]), (8, [8, 9, 10]), (9, [8, 9, 10, 9])):
        assert graphs(torch.zeros(1, 3, size, size)) == size and opened == expected
    assert not graphs.has_room(10) and graphs.has_room(8) and graphs.has_room(9)


def test_a_graph_that_an_engine_cannot_load_is_told_in_one_line(reference, monkeypatch, tmp_path):
    monkeypatch.setenv('RIM_CACHE', str(tmp_path))
    monkeypatch.setattr(engines, 'to_onnx', lambda *_: b'no graph')
    run = run_of('onnxruntime', reference)
    with pytest.raises(OptionsError, match='onnxruntime:fp32 cannot compute the face of probes of 8 pixels'):
        run(torch.rand(1, 3, 8, 8))


def test_what_is_not_there_is_named(tiny, reference, monkeypatch):
    with pytest.raises(OptionsError, match='runs on the CPU, not on meta'):
        make_run(Engine(installed('onnxruntime').partition(':')[0]), part(reference, device=torch.device('meta')))
    monkeypatch.setattr(engine_names, 'find_spec', lambda name: None)
    with pytest.raises(MissingPackage, match='pip install onnx openvino'):
        RIM.from_pretrained(tiny.weights, 'cpu', engine='openvino')
    with pytest.raises(OptionsError, match='did you mean'):
        RIM.from_pretrained(tiny.weights, 'cpu', engine='openvin')


class Counting:
    """In place of Graphs: counts what it runs, and is as far from PyTorch as is wanted."""

    ready, off, calls = False, 0.0, 0

    def __init__(self, part, engine):
        self.torch = make_run(Engine('torch'), part)

    def is_ready(self, size):
        return type(self).ready

    def has_room(self, size):
        return size != 9

    def __call__(self, probes):
        type(self).calls += 1
        return self.torch(probes) + self.off


@pytest.fixture
def counting(monkeypatch):
    kind = type('Counting', (Counting,), {})
    monkeypatch.setattr(Auto, 'KEPT_PAYS', 3)
    monkeypatch.setattr(Auto, 'NEW_PAYS', 6)
    monkeypatch.setattr(engines, 'Graphs', kind)
    monkeypatch.setattr(engines, 'missing_packages', lambda engine: [])
    return kind


def feed(auto, faces, size=8):
    return auto(torch.rand(faces, 3, size, size))


def test_auto_takes_a_kept_graph_for_many_faces(reference, counting):
    auto, counting.ready = Auto(part(reference)), True
    feed(auto, Auto.KEPT_PAYS - 1)
    feed(auto, Auto.KEPT_PAYS - 1, size=9)
    assert counting.calls == 0
    assert feed(auto, 1).shape == (1, 3, 64, 64) and counting.calls == 1


def test_auto_makes_a_graph_for_more(reference, counting):
    auto = Auto(part(reference))
    feed(auto, Auto.NEW_PAYS - 1)
    assert counting.calls == 0
    feed(auto, 1)
    assert counting.calls == 1


def test_auto_closes_no_graph_for_another_size(reference, counting):
    auto, counting.ready = Auto(part(reference)), True
    feed(auto, Auto.NEW_PAYS, size=9)
    assert counting.calls == 0
    feed(auto, Auto.NEW_PAYS)
    assert counting.calls == 1


@pytest.mark.parametrize('off', [1e-3, float('nan')])
def test_auto_drops_a_graph_that_differs(reference, counting, off):
    auto, counting.ready, counting.off = Auto(part(reference)), True, off
    probes = torch.rand(Auto.KEPT_PAYS, 3, 8, 8)
    with pytest.warns(UserWarning, match='openvino:fp32 is not used .it differs from PyTorch by'):
        output = auto(probes)
    assert torch.equal(output, make_run(Engine('torch'), part(reference))(probes))
    auto(probes)
    assert counting.calls == 1


def test_auto_leaves_embeddings_to_pytorch(reference, counting):
    auto, counting.ready = Auto(part(reference, 'embedding')), True
    assert feed(auto, Auto.NEW_PAYS).shape == (Auto.NEW_PAYS, 128) and counting.calls == 0


@pytest.mark.slow
def test_auto_is_pytorch_where_nothing_else_is_installed(reference, monkeypatch):
    monkeypatch.setattr(engine_names, 'find_spec', lambda name: None)
    auto = Auto(part(reference))
    probes = torch.rand(Auto.NEW_PAYS, 3, 8, 8)
    assert torch.equal(auto(probes), make_run(Engine('torch'), part(reference))(probes))


@pytest.mark.slow
def test_auto_with_the_real_engine(reference, monkeypatch):
    installed('openvino')
    monkeypatch.setattr(Auto, 'KEPT_PAYS', 1)
    monkeypatch.setattr(Auto, 'NEW_PAYS', 1)
    auto, used = Auto(part(reference)), []
    run = Graphs.__call__
    monkeypatch.setattr(Graphs, '__call__', lambda *args: used.append(1) or run(*args))
    for count in (1, 3):
        probes = torch.rand(count, 3, 12, 12)
        assert torch.allclose(auto(probes), make_run(Engine('torch'), part(reference))(probes), atol=1e-5)
    assert used == [1, 1]


def test_every_possible_engine_has_its_function():
    names = {'auto', *ENGINES}
    assert names == engines.ENGINES.keys()
