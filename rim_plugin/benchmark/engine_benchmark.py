"""Engines compared: milliseconds a face, and what each loses against PyTorch in single precision."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rim_plugin.benchmark import speed
from rim_plugin.building import build_network
from rim_plugin.data.face_store import FaceStore
from rim_plugin.data.resize import to_tensor
from rim_plugin.errors import OptionsError
from rim_plugin.evaluation.metrics.psnr import PSNR
from rim_plugin.templates import markdown_table
from rim_plugin.tools.api import RIM
from rim_plugin.tools.engine_names import POSSIBLE, missing_packages, parse_engine
from rim_plugin.tools.engines import Part, Run, make_run
from rim_plugin.tools.quantise import calibration_probes

REFERENCE = 'torch:fp32'
BATCHES = (1, 32)
PARTS = ('face', 'embedding')


class Row(NamedTuple):
    """An engine on a part.

    Attributes:
        part: ``face`` or ``embedding``.
        engine: ``NAME:PRECISION``.
        milliseconds: a face, for each of the batches; empty where it does not run.
        lost: ``face``: dB of Y-PSNR; ``embedding``: 1 less the lowest cosine with the reference's.
        largest: difference between values, at most: of faces in 255ths, of unit embeddings.
        note: why it does not run.
    """

    part: str
    engine: str
    milliseconds: tuple[float, ...] = ()
    lost: float = 0.0
    largest: float = 0.0
    note: str = ''


def read_faces(folder: str, count: int) -> list[np.ndarray]:
    """The first ``count`` faces of a prepared store in LMDB, uint8 (S, S, 3), RGB."""
    store = FaceStore(folder, 'lmdb')
    return [store.image('gt', key) for key in store.keys[:count]]


def compare_engines(
    rim: RIM,
    faces: Sequence[np.ndarray],
    engines: Iterable[str] = tuple(POSSIBLE),
    size: int = 28,
    rounds: int = 4,
    calibration: Sequence[np.ndarray] = (),
    parts: Collection[str] = PARTS,
) -> list[Row]:
    """Time engines in turns, the best of several rounds, and compare what they make of the same faces.

    Args:
        rim: on the CPU; its own engine does not matter.
        faces: uint8 (S, S, 3), RGB, S being the side of hallucinated faces: the truth, and reduced the probes.
        engines: names of :data:`rim_plugin.tools.engine_names.POSSIBLE`; the reference is always among them.
        size: side of the probes in pixels.
        rounds: how often each is timed.
        calibration: faces that calibrate int8; none: drawn ones.
        parts: ``face``, ``embedding`` or both; what the weights do not have is left out.

    Returns:
        A row for each part and engine, also for those that do not run here.
    """
    probes = torch.from_numpy(calibration_probes(faces, size))
    truth = torch.stack([to_tensor(face) for face in faces])
    names = dict.fromkeys((REFERENCE, *engines))
    rows = []
    modules = {'face': rim.pipeline.fhn, 'embedding': rim.pipeline if rim.pipeline.hrn else None}
    for name, module in modules.items():
        if module is not None and name in parts:
            part = Part(name, module, rim.weights.networks, rim.device, calibration)
            rows += _compare(part, names, probes, truth, rounds)
    return rows


def _compare(part: Part, names: Iterable[str], probes: Tensor, truth: Tensor, rounds: int) -> list[Row]:
    runs: dict[str, Run] = {}
    outputs: dict[str, Tensor] = {}
    rows: dict[str, Row] = {}
    for name in names:
        try:
            run = make_run(parse_engine(name), part)
            outputs[name] = torch.cat([run(each) for each in probes.split(BATCHES[-1])])
            runs[name] = run
        except OptionsError as error:
            rows[name] = Row(part.name, name, note=str(error))
    times = _milliseconds(runs, probes, rounds)
    loss = _face_loss(truth) if part.name == 'face' else _embedding_loss
    for name, output in outputs.items():
        rows[name] = Row(part.name, name, times[name], *loss(output, outputs[REFERENCE]))
    return [rows[name] for name in names]


def speed_rows(network: Mapping[str, Any], rounds: int) -> list[speed.Row]:
    """Rows of the table of speed: engines on a CPU that are installed and need no compiler, on random weights.

    Args:
        network: options of an FHN.
        rounds: how often each is timed.
    """
    net = build_network(network).to(memory_format=torch.channels_last).eval()
    part = Part('face', net, dict(network), torch.device('cpu'))
    engines = [parse_engine(name) for name in POSSIBLE if not name.startswith('compile') and not name.endswith('bf16')]
    runs = {str(engine): make_run(engine, part) for engine in engines if not missing_packages(engine)}
    return [
        row
        for batch in BATCHES
        for row in _timed(
            f'engines, batch {batch}', runs, torch.rand(batch, 3, speed.PROBE_SIZE, speed.PROBE_SIZE), rounds
        )
    ]


def _timed(section: str, runs: Mapping[str, Run], probes: Tensor, rounds: int) -> list[speed.Row]:
    cases = [speed.Case(name, partial(run, probes), len(probes), 0.0) for name, run in runs.items()]
    return speed.timed(section, cases, rounds, REFERENCE)


def _milliseconds(runs: dict[str, Run], probes: Tensor, rounds: int) -> dict[str, tuple[float, ...]]:
    """A face of each engine, for each batch, at best."""
    columns = []
    for batch in BATCHES:
        part = probes.repeat(-(-batch // len(probes)), 1, 1, 1)[:batch]
        columns.append([row.milliseconds for row in _timed('', runs, part, rounds)])
    return dict(zip(runs, zip(*columns), strict=True))


def _face_loss(truth: Tensor) -> Callable[[Tensor, Tensor], tuple[float, float]]:
    metric = PSNR(test_y_channel=True)

    def loss(output: Tensor, reference: Tensor) -> tuple[float, float]:
        scores = [metric.measure({'sr': each, 'gt': truth}).mean().item() for each in (reference, output)]
        return scores[0] - scores[1], float((output - reference).abs().max()) * 255

    return loss


def _embedding_loss(output: Tensor, reference: Tensor) -> tuple[float, float]:
    cosine = F.cosine_similarity(output.double(), reference.double())
    return 1 - float(cosine.min()), float((output - reference).abs().max())


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a table."""
    times = [f'ms / face, batch {batch}' for batch in BATCHES]
    return markdown_table([_cells(row) for row in rows], ['network', 'engine', *times, 'lost', 'largest'])


def _cells(row: Row) -> list[str]:
    if row.note:
        return [row.part, row.engine, *['-'] * len(BATCHES), row.note]
    lost = f'{row.lost:.4f} dB' if row.part == 'face' else f'{row.lost:.1e}'
    largest = f'{row.largest:.1e}' + ' / 255' * (row.part == 'face')
    return [row.part, row.engine, *(f'{each:.1f}' for each in row.milliseconds), lost, largest]
