"""Engines that run the networks at inference: PyTorch, its compiler, ONNX Runtime, OpenVINO.

Each takes a network, probes (N, 3, q, q) in and one tensor of N rows out, and gives a function that does the same.
"""

import hashlib
import json
import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache, cached_property, partial
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from rim_plugin.environment import installed_versions
from rim_plugin.errors import OptionsError, first_words
from rim_plugin.network_key import network_key
from rim_plugin.packages import import_package
from rim_plugin.tools.engine_names import AUTO, ON_CPU, Engine, missing_packages, require_packages
from rim_plugin.tools.graph_cache import kept_graph, kept_or_made
from rim_plugin.tools.onnx_graph import INPUT, TOLERANCE, to_onnx

Run = Callable[[Tensor], Tensor]
Session = Callable[[np.ndarray], np.ndarray]
Load = Callable[[bytes], Session]
_PACKAGE = Path(__file__).parents[1]
# A forked process has none of its parent's threads, for which a parallel loop would wait for ever.
os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))


class Part(NamedTuple):
    """A network to run.

    Attributes:
        name: ``face`` or ``embedding``, what it makes of a probe.
        module: in evaluation mode; probes (N, 3, q, q), RGB in [0, 1], to one tensor of N rows.
        options: what it was built from, JSON values; with its weights they tell one exported graph from another.
        device: where its weights are.
        faces: uint8 (q, q, 3), aligned, that calibrate int8; none: drawn ones.
    """

    name: str
    module: nn.Module
    options: Any
    device: torch.device
    faces: Sequence[np.ndarray] = ()


def make_run(engine: Engine, part: Part) -> Run:
    """The function with which an engine runs a part: probes (N, 3, q, q) of the part's device, any N and q, to rows.

    Raises:
        OptionsError: the engine does not run on this device, or has no such precision on this machine.
        MissingPackage: a package that it needs is not installed.
    """
    require_packages(engine)
    if engine.name in ON_CPU and part.device.type != 'cpu':
        raise OptionsError(f'engine {engine} runs on the CPU, not on {part.device}: add --device cpu, or take torch')
    run = ENGINES[engine.name](part, engine)
    return run if engine.name == 'torch' else _with_children(run, part)


def _with_children(run: Run, part: Part) -> Run:
    """``run`` of an engine, and PyTorch's in processes forked from this one, where the engine's threads are no more."""
    process, childrens_run = os.getpid(), make_run(Engine('torch'), part)

    def run_here(probes: Tensor) -> Tensor:
        return run(probes) if os.getpid() == process else childrens_run(probes)

    return run_here


def _precision(part: Part, engine: Engine) -> AbstractContextManager[Any]:
    return torch.autocast(part.device.type, torch.bfloat16) if engine.precision == 'bf16' else nullcontext()


def _torch(part: Part, engine: Engine) -> Run:
    @torch.inference_mode()
    def run(probes: Tensor) -> Tensor:
        with _precision(part, engine):
            return part.module(probes.contiguous(memory_format=torch.channels_last)).float()

    return run


def _compile(part: Part, engine: Engine) -> Run:
    # Compiled for batches of any size, the networks are no faster on a CPU than eager ones; for one size it takes a
    # minute for each. One face at a time is about as fast as many, so that there one size does.
    one_by_one = part.device.type == 'cpu'
    compiled = torch.compile(part.module, dynamic=False if one_by_one else None)

    @torch.inference_mode()
    def run(probes: Tensor) -> Tensor:
        with _precision(part, engine):
            parts = probes.contiguous(memory_format=torch.channels_last).split(1 if one_by_one else len(probes))
            return torch.cat([compiled(each).float().clone() for each in parts])

    return run


def _onnxruntime(engine: Engine) -> Load:
    runtime = import_package('onnxruntime', f'engine {engine}')
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()

    def load(graph: bytes) -> Session:
        session = runtime.InferenceSession(graph, options, providers=['CPUExecutionProvider'])
        return lambda probes: session.run(None, {INPUT: probes})[0]

    return load


@cache
def _openvino_core(openvino: ModuleType) -> Any:
    """The one core of this process.

    Each gives the main thread a stack for signal handlers and, when it goes, the stack that it found. Of two the second
    gives back the first one's, freed, on which the next signal ends the process.
    """
    return openvino.Core()


def _openvino(engine: Engine) -> Load:
    core = _openvino_core(import_package('openvino', f'engine {engine}'))
    able = core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
    if engine.precision == 'bf16' and 'BF16' not in able:
        raise OptionsError(f'engine {engine}: this CPU computes in {", ".join(able)}, not in bf16')
    hint = 'bf16' if engine.precision == 'bf16' else 'f32'  # else it chooses by itself
    settings = {'INFERENCE_PRECISION_HINT': hint, 'INFERENCE_NUM_THREADS': torch.get_num_threads(), 'NUM_STREAMS': 1}

    def load(graph: bytes) -> Session:
        request = core.compile_model(core.read_model(graph), 'CPU', settings).create_infer_request()
        return lambda probes: np.array(request.infer({0: probes})[0])  # copied: the next call writes there, too

    return load


class Graphs:
    """A part as exported graphs, one for each size of probe, made or read from the cache when the first probe comes.

    At most :attr:`OPEN` are open at a time; the one that was used least recently is closed for another.

    Args:
        part: on the CPU.
        engine: of :data:`ON_CPU`, installed.

    Raises:
        OptionsError: the engine has no such precision on this machine, or, at the first probe, cannot run the part.
    """

    OPEN = 4  # of the weights of the repository each takes 180 MiB in batches of 32

    def __init__(self, part: Part, engine: Engine) -> None:
        self._part, self._engine, self._load = part, engine, _LOADERS[engine.name](engine)
        self._sessions: dict[int, Session] = {}  # the least recently used first

    def is_ready(self, size: int) -> bool:
        """Whether there is a graph for probes of ``size`` pixels already, here or in the cache."""
        return size in self._sessions or kept_graph(self._key(size)) is not None

    def has_room(self, size: int) -> bool:
        """Whether the graph for probes of ``size`` pixels is open, or can be without closing another."""
        return size in self._sessions or len(self._sessions) < self.OPEN

    def __call__(self, probes: Tensor) -> Tensor:
        size = probes.shape[-1]
        if not self.has_room(size):
            del self._sessions[next(iter(self._sessions))]
        session = self._sessions.pop(size, None) or self._open(size)
        self._sessions[size] = session
        return torch.from_numpy(session(probes.float().contiguous().numpy()))

    def _open(self, size: int) -> Session:
        try:
            return self._load(kept_or_made(self._key(size), lambda: self._graph(size)))
        except Exception as error:  # exporters' and engines' errors have no common base
            what = f'the {self._part.name} of probes of {size} pixels'
            raise OptionsError(f'engine {self._engine} cannot compute {what} ({first_words(error)})') from error

    def _graph(self, size: int) -> bytes:
        graph = to_onnx(self._part.module, self._part.name, size, self._part.device)
        if self._engine.precision != 'int8':
            return graph
        from rim_plugin.tools.quantise import calibration_probes, drawn_faces, quantised

        return quantised(graph, calibration_probes(self._part.faces or drawn_faces(), size))

    def _key(self, size: int) -> str:
        kind = ['int8', *self._faces] if self._engine.precision == 'int8' else []  # bf16 runs the graph of fp32
        values = [self._part.name, size, kind, self._part.options, self._network, _code_version()]
        return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:32]

    @cached_property
    def _faces(self) -> list[str]:
        return [hashlib.sha256(face.tobytes()).hexdigest() for face in self._part.faces]

    @cached_property
    def _network(self) -> str:
        return network_key(self._part.module).hex()


@cache
def _code_version() -> str:
    """SHA-256 of the code of networks, export and quantisation, and the versions of what they use."""
    versions = installed_versions(('torch', 'onnx', 'onnxruntime'))
    digest = hashlib.sha256(json.dumps(versions, sort_keys=True).encode())
    files = [*sorted((_PACKAGE / 'archs').glob('*.py')), _PACKAGE / 'pipeline.py']
    for file in [*files, *(_PACKAGE / 'tools' / f'{name}.py' for name in ('onnx_graph', 'quantise'))]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


class Auto:
    """The fastest engine that is installed and loses nothing: PyTorch, and from enough faces of one size on a graph.

    Graphs are for the first few sizes that have enough; other sizes stay with PyTorch, so that memory is bounded.
    A graph that differs from PyTorch by more than 1e-4 on the faces at hand, or cannot be made, is not used; that is
    warned of.

    Args:
        part: on any device; away from the CPU PyTorch runs it.
    """

    # Measured by scripts/benchmark_engines.py on one core of a shared AMD EPYC (AVX2; neither bf16 nor VNNI), probes of
    # 28 px, weights/rim.safetensors: for faces OpenVINO takes 0.53 to 0.81 of PyTorch's time in batches of 32, 0.63 to
    # 0.74 alone. ONNX Runtime is now faster than PyTorch, now slower, the compiler as fast after a minute. Embeddings
    # take OpenVINO 0.63 to 0.92 of the time alone, but in batches, in which many come, 0.85 to 1.04: PyTorch stays.
    ORDER: ClassVar[dict[str, tuple[Engine, ...]]] = {'face': (Engine('openvino'),)}
    # Faces of one size after which a graph has paid for itself, if as many again come: about 15 ms a face against 0.6 s
    # for importing OpenVINO and loading a graph from the cache, and 2 s more for exporting it.
    KEPT_PAYS, NEW_PAYS = 32, 192

    def __init__(self, part: Part) -> None:
        self._part, self._torch = part, make_run(Engine('torch'), part)
        usable = (
            [each for each in self.ORDER.get(part.name, ()) if not missing_packages(each)]
            if part.device.type == 'cpu'
            else []
        )
        self._engine = usable[0] if usable else None
        self._graphs: Graphs | None = None
        self._seen: Counter[int] = Counter()
        self._checked: set[int] = set()

    def __call__(self, probes: Tensor) -> Tensor:
        size = probes.shape[-1]
        self._seen[size] += len(probes)
        if self._engine is None or self._seen[size] < self.KEPT_PAYS:
            return self._torch(probes)
        try:
            return self._by_graph(self._engine, probes)
        except Exception as error:  # engines' errors have no common base, and none may stop the work
            warnings.warn(f'engine auto: {self._engine} is not used ({first_words(error)}), but torch')
            self._engine = None
            return self._torch(probes)

    def _by_graph(self, engine: Engine, probes: Tensor) -> Tensor:
        size = probes.shape[-1]
        if self._graphs is None:
            self._graphs = Graphs(self._part, engine)
        if not self._graphs.has_room(size):  # closing one for each other size would open them again and again
            return self._torch(probes)
        if self._seen[size] < self.NEW_PAYS and not self._graphs.is_ready(size):
            return self._torch(probes)
        rows = self._graphs(probes)
        if size not in self._checked:
            self._check(probes[:1], rows[:1])
            self._checked.add(size)
        return rows

    def _check(self, probes: Tensor, rows: Tensor) -> None:
        difference = float((rows - self._torch(probes)).abs().max())
        if not difference <= TOLERANCE:
            raise OptionsError(f'it differs from PyTorch by {difference:.1e}')


_LOADERS: dict[str, Callable[[Engine], Load]] = {'onnxruntime': _onnxruntime, 'openvino': _openvino}
ENGINES: dict[str, Callable[[Part, Engine], Run]] = {
    AUTO: lambda part, engine: Auto(part),
    'torch': _torch,
    'compile': _compile,
    **dict.fromkeys(_LOADERS, Graphs),
}
