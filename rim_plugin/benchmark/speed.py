"""How fast networks and trainings are on this machine, as ratios that machines and days can be compared by.

Every time is the least of several rounds, in each of which all cases of a section take their turn: a busy machine slows
all of them. A convolution's ceiling is measured in the same rounds.
"""

import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from rim_plugin.benchmark.measure import DEVICE
from rim_plugin.benchmark.random_training import PROBE_SIZE, training_batch, training_options
from rim_plugin.building import build_network

from basicsr.models import build_model

CEILING = '3x3 convolution, 64 channels'
REFERENCE = 'RRDBNetX8'  # BasicSR's RRDBNet with a third step, the network of ESRGAN at x8
ROOT = Path(__file__).parents[2]
STEPS_TOGETHER = 8
_FAR = 3  # times the reference's time
_START_UP = {
    'import torch': 'import torch',
    'rim-hallucinate --help': 'from rim_plugin.cli import hallucinate\n'
    'try:\n    hallucinate(["--help"])\nexcept SystemExit:\n    pass',
    'import rim_plugin, RIM': 'from rim_plugin import RIM',
    'one face': 'import numpy\nfrom rim_plugin import RIM\n'
    'RIM.from_pretrained(device="cpu").hallucinate(numpy.zeros((20, 20, 3), numpy.uint8))',
}


class Row(NamedTuple):
    """One case.

    Attributes:
        section: of the table.
        name: of the case.
        milliseconds: a face; of start-up, of CPU time.
        share: of the convolution's rate; None where arithmetic is not counted.
        times: as fast as the section's reference, or for start-up its time over that of ``import torch``.
    """

    section: str
    name: str
    milliseconds: float
    share: float | None
    times: float | None


class Case(NamedTuple):
    """Something to time: its name, what to run, and the faces and GFLOP of one run."""

    name: str
    run: Callable[[], Any]
    faces: int
    gflop: float


def timed(section: str, cases: list[Case], rounds: int, reference: str, ceiling: Case | None = None) -> list[Row]:
    """Rows of cases that take their turns ``rounds`` times, with the ceiling among them.

    A case that is far slower than the reference takes one turn.

    Args:
        section: name of the rows' section.
        cases: one of them is called ``reference``.
        reference: the case of ``times`` 1.
        ceiling: of whose rate rows give their share; None where arithmetic is not counted.
    """
    everything = [*cases] if ceiling is None else [ceiling, *cases]
    for each in everything:
        each.run()
    best = dict.fromkeys((each.name for each in everything), math.inf)
    for turn in range(rounds):
        for each in everything:
            if not turn or each is ceiling or best[each.name] <= _FAR * best[reference]:
                best[each.name] = min(best[each.name], _seconds(each.run) / each.faces)

    def gflops(case: Case) -> float:
        return case.gflop / (best[case.name] * case.faces)

    return [
        Row(
            section,
            each.name,
            1000 * best[each.name],
            None if ceiling is None else gflops(each) / gflops(ceiling),
            best[reference] / best[each.name],
        )
        for each in cases
    ]


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    if DEVICE.type == 'cuda':
        torch.cuda.synchronize()
    return time.perf_counter() - start


def ceiling(training: bool) -> Case:
    """Ten 3x3 convolutions of 64 channels on 16 images of 56 pixels; in training their gradients, too."""
    net = nn.Sequential(*[nn.Conv2d(64, 64, 3, padding=1) for _ in range(10)])
    images = torch.rand(16, 64, 56, 56, device=DEVICE).contiguous(memory_format=torch.channels_last)
    net.to(memory_format=torch.channels_last).to(DEVICE)
    run = _training_pass(net, images) if training else _inference(net, images)
    return Case(CEILING, run, len(images), gflop(net, images) * (3 if training else 1))


def gflop(net: nn.Module, images: Tensor) -> float:
    """Floating-point operations of one pass over images, two for each multiplication and addition, in 10^9.

    Those of layers: interpolation is not counted.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        deepcopy(net).to('meta')(images.to('meta'))
    return counter.get_total_flops() / 1e9


def _inference(net: nn.Module, images: Tensor) -> Callable[[], Any]:
    @torch.inference_mode()
    def run() -> None:
        net(images)

    return run


def _training_pass(net: nn.Module, images: Tensor) -> Callable[[], Any]:
    def run() -> None:
        net(images).mean().backward()

    return run


def probes(count: int) -> Tensor:
    """Random probes (count, 3, 28, 28)."""
    return torch.rand(count, 3, PROBE_SIZE, PROBE_SIZE, device=DEVICE).contiguous(memory_format=torch.channels_last)


def inference_rows(networks: Mapping[str, Mapping[str, Any]], batch: int, rounds: int) -> list[Row]:
    """Rows of networks that enlarge ``batch`` probes.

    Args:
        networks: options by the name of the row; one is called REFERENCE.
    """
    cases, images = [], probes(batch)
    for name, options in networks.items():
        net = build_network(options).to(memory_format=torch.channels_last).to(DEVICE).eval()
        cases.append(Case(name, _inference(net, images), batch, gflop(net, images)))
    return timed(f'inference, batch {batch}', cases, rounds, REFERENCE, ceiling(False))


def training_rows(files: Mapping[str, str], rounds: int) -> list[Row]:
    """Rows of training steps, without reading data: everything between a batch and the next, losses and solver too.

    Args:
        files: options files by the name of the row; one is called REFERENCE.
    """
    cases = []
    for name, file in files.items():
        options = training_options(file)
        cases.append(_training_case(name, build_model(options), training_batch(options)))
    return timed('training', cases, rounds, REFERENCE, ceiling(True))


def _training_case(name: str, model: Any, batch: dict[str, Tensor]) -> Case:
    iteration = iter(range(1, sys.maxsize))

    def run() -> None:
        model.feed_data(batch)
        model.optimize_parameters(next(iteration))

    net = model.nets.fhn if hasattr(model, 'nets') else model.net
    faces = len(batch['gt'])
    return Case(name, run, faces, 3 * faces * gflop(net, probes(1)))  # backward: with respect to inputs and weights


def processes_rows(file: str, rounds: int) -> list[Row]:
    """Training by one process and by two together, each on one thread; ``times``: faces in the time of one process."""
    best = {count: min(_run_processes(file, count) for _ in range(rounds)) for count in (1, 2)}
    names = {1: '1 process', 2: '2 processes'}
    return [Row('processes', names[count], 1000 * seconds, None, best[1] / seconds) for count, seconds in best.items()]


def _run_processes(file: str, count: int) -> float:
    """Seconds a face of ``count`` processes that train together."""
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(_train_together, (count, file, folder), count)
        return float(Path(folder, 'seconds').read_text())


def _train_together(rank: int, count: int, file: str, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group('gloo', f'file://{folder}/store', rank=rank, world_size=count)
    options = {**training_options(file), 'dist': count > 1, 'rank': rank, 'world_size': count, 'num_gpu': 0}
    step = _training_case('', build_model(options), training_batch(options))
    for _ in range(2):  # to begin with
        step.run()
    dist.barrier()
    start = time.perf_counter()
    for _ in range(STEPS_TOGETHER):
        step.run()
    dist.barrier()
    seconds = time.perf_counter() - start
    if rank == 0:
        Path(folder, 'seconds').write_text(str(seconds / (STEPS_TOGETHER * step.faces * count)))
    dist.destroy_process_group()


def start_up_rows(rounds: int) -> list[Row]:
    """CPU time of fresh interpreters, and what it is of that of ``import torch``."""
    best = dict.fromkeys(_START_UP, math.inf)
    for _ in range(rounds):
        for name, code in _START_UP.items():
            best[name] = min(best[name], _cpu_seconds(code))
    return [Row('start-up', name, 1000 * each, None, each / best['import torch']) for name, each in best.items()]


def _cpu_seconds(code: str) -> float:
    code += '\nimport time, sys\nsys.stderr.write(f"CPU {time.process_time()}")'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT, check=True)
    return float(done.stderr.rpartition('CPU ')[2])
