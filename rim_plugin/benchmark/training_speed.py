"""Training throughput, peak memory and a profile of any options file, each file in a process of its own."""

import json
import subprocess
import sys
import time

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import default_collate

from rim_plugin.benchmark.measure import peak_memory

from basicsr.data import build_dataset
from basicsr.models import build_model
from basicsr.utils.options import parse_options

WARM_UP = 2


def measure_training(iterations):
    """Train the model of the command line's ``-opt`` on batches that lie ready, so that the network alone counts.

    Args:
        iterations (int): timed steps, after two untimed ones.

    Returns:
        dict: ``name``, ``batch``, ``parameters``, ``seconds`` per iteration, ``images_per_second``, ``peak_memory_gib``
        (the GPU's allocator, or the whole process on a CPU), ``shares`` (operator: part of the time).
    """
    opt, _ = parse_options('.', is_train=True)
    model = build_model(opt)
    train = opt['datasets']['train']
    dataset, size = build_dataset({**train, 'query_size': train.get('query_size', 28)}), train['batch_size_per_gpu']
    batches = [default_collate([dataset[i * size + k] for k in range(size)]) for i in range(2)]
    for i in range(1, WARM_UP + 1):
        step(model, batches, i)
    began = time.perf_counter()
    for i in range(WARM_UP + 1, WARM_UP + iterations + 1):
        step(model, batches, i)
    seconds = (time.perf_counter() - began) / iterations
    peak = peak_memory(model.device) / 2**30
    on_gpu = model.device.type == 'cuda'
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if on_gpu else [])
    with profile(activities=activities) as profiler:
        step(model, batches, WARM_UP + iterations + 1)
    return {
        'name': opt['name'],
        'batch': size,
        'seconds': seconds,
        'images_per_second': size / seconds,
        'parameters': sum(
            value.numel() for group in model.optimizers for part in group.param_groups for value in part['params']
        ),
        'peak_memory_gib': peak,
        'shares': operator_shares(profiler, on_gpu),
    }


def step(model, batches, iteration):
    """One optimisation step, finished on the device when it returns."""
    model.feed_data(batches[iteration % len(batches)])
    model.optimize_parameters(iteration)
    if model.device.type == 'cuda':
        torch.cuda.synchronize()


def operator_shares(profiler, on_gpu, most=6):
    """The ``most`` operators with the largest own time, and their part of the whole."""
    kind = 'self_device_time_total' if on_gpu else 'self_cpu_time_total'
    rows = sorted(((getattr(row, kind), row.key) for row in profiler.key_averages()), reverse=True)
    total = sum(duration for duration, _ in rows) or 1
    return {key: round(duration / total, 3) for duration, key in rows[:most]}


def compare_training(options, iterations, force=()):
    """Measure several options files one after the other; one that fails is reported and does not stop the rest.

    Args:
        options (list[str]): files. iterations (int): timed steps of each. force (list[str]): as BasicSR's --force_yml.

    Returns:
        list[dict]: what ``measure_training`` returns, or ``name`` and ``error``.
    """
    results = []
    for path in options:
        command = [sys.executable, '-m', 'rim_plugin.benchmark.training_speed', str(iterations), '-opt', path]
        done = subprocess.run(command + (['--force_yml', *force] if force else []), capture_output=True, text=True)
        lines = done.stdout.strip().splitlines()
        results.append(
            json.loads(lines[-1])
            if done.returncode == 0
            else {'name': path, 'error': (done.stderr.strip() or 'no message').splitlines()[-1]}
        )
    return results


def speed_table(results):
    """Markdown table of ``compare_training``'s results, with the ratio to the last row's images per second."""
    base = results[-1].get('images_per_second')
    rows = [
        '| options | batch | parameters | s / iteration | images / s | ratio | peak GiB | time goes to |',
        '|---|---|---|---|---|---|---|---|',
    ]
    for found in results:
        if 'error' in found:
            rows.append(f'| {found["name"]} | failed: {found["error"]} ||||||| ')
            continue
        ratio = f'{found["images_per_second"] / base:.2f}' if base else '-'
        shares = ', '.join(f'{name.removeprefix("aten::")} {part:.0%}' for name, part in found['shares'].items())
        rows.append(
            f'| {found["name"]} | {found["batch"]} | {found["parameters"]:,} | {found["seconds"]:.2f} | '
            f'{found["images_per_second"]:.2f} | {ratio} | {found["peak_memory_gib"]:.1f} | {shares} |'
        )
    return '\n'.join(rows)


if __name__ == '__main__':
    import rim_plugin  # noqa: F401

    print(json.dumps(measure_training(int(sys.argv.pop(1)))))
