"""How fast a GPU trains, and what it does meanwhile, kernel by kernel: scripts/benchmark_gpu.py."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from rim_plugin.benchmark.gpu_speed import CAPTURED, TODAY, TRAININGS, WARM_UPS, Timed, Training, peak, rows, table
from rim_plugin.templates import markdown_table

MOST_KERNELS = 12
STEPS = 5
PROFILED = 32  # faces a step, where starting kernels takes longest
Span = tuple[float, float]


def measure(device: torch.device, seconds: float, minutes: float, report: Callable[[str], Any]) -> str:
    """Markdown: the table of TRAININGS, and the profile of the first of them before and after.

    Args:
        device: a GPU.
        seconds: for which each case is timed.
        minutes: after which no case begins.
        report: takes a line when a case is done.
    """
    torch.backends.cudnn.benchmark = True  # as BasicSR trains
    deadline = time.monotonic() + 60 * minutes
    most = peak(device)
    report(f'bf16 peak: {most:.0f} TFLOP/s')
    first, *others = TRAININGS
    found = rows([first], device, seconds, deadline, report)
    profiles = [profiled(first, mode, PROFILED, device) for mode in (TODAY, CAPTURED)]
    for each in profiles:
        report(each)
    found += rows(others, device, seconds, deadline, report)
    return '\n'.join([table(found, most), *profiles])


def profiled(training: Training, mode: str, batch: int, device: torch.device) -> str:
    """Markdown: the kernels that take most of the time of some steps, and the share of time without any."""
    timed = Timed(training, mode, device)
    data = timed.batch(batch)
    for _ in range(WARM_UPS):
        timed.step(data)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == 'cuda' else [])]
    with profile(activities=activities) as profiler:
        for _ in range(STEPS):
            timed.step(data)
        if device.type == 'cuda':
            torch.cuda.synchronize()
    wanted = DeviceType.CUDA if device.type == 'cuda' else DeviceType.CPU
    kernels = [
        (each.name, (each.time_range.start, each.time_range.end))
        for each in profiler.events() or []
        if each.device_type == wanted
    ]
    return f'{training.name}; {mode}; batch {batch}\n\n{kernel_table(kernels)}'


def kernel_table(kernels: list[tuple[str, Span]]) -> str:
    """Markdown of kernels by name and span in microseconds: those that take longest in all, and the idle share."""
    if not kernels:
        return 'The profiler sees no kernels here.\n'
    times, counts = Counter[str](), Counter[str]()
    for name, (start, end) in kernels:
        times[name] += end - start  # type: ignore[assignment]
        counts[name] += 1
    total = sum(times.values())
    lines = [
        [name[:90].replace('|', '/'), counts[name], f'{taken / 1000:.2f}', f'{taken / total:.0%}']
        for name, taken in times.most_common(MOST_KERNELS)
    ]
    shown = markdown_table(lines, ['kernel', 'runs', 'ms', 'share'])
    return f'{len(kernels)} kernels in {STEPS} steps; idle {idle_share(each for _, each in kernels):.0%}\n\n{shown}\n'


def idle_share(spans: Iterable[Span]) -> float:
    """Part of the time from the first start to the last end in which no span is."""
    ordered = sorted(spans)
    busy, until = 0.0, ordered[0][0]
    for start, end in ordered:
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    return 1 - busy / (until - ordered[0][0])
