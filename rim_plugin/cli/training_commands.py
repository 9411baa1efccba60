"""``rim train``, ``rim test``: BasicSR's programs, called with a name; ``rim benchmark``."""

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from rim_plugin.cli.common import Command, add_ray, open_cluster, whole_number
from rim_plugin.cli.options_argument import add_options, options_file
from rim_plugin.errors import one_line
from rim_plugin.files import require_folder, require_writable


def _run_arguments(parser: ArgumentParser, kind: str) -> None:
    add_options(parser, kind)
    parser.add_argument(
        '--force_yml', nargs='+', default=[], metavar='KEY=VALUE', help='changes, such as train:total_iter=1000'
    )
    parser.add_argument('--launcher', choices=('none', 'pytorch', 'slurm'), default='none', help='of several processes')
    parser.add_argument('--local_rank', type=int, default=0, help='which of them, as a launcher says')


def _train_arguments(parser: ArgumentParser) -> None:
    _run_arguments(parser, 'train')
    parser.add_argument('--auto_resume', action='store_true', help='go on where the run was stopped')
    parser.add_argument('--debug', action='store_true', help="BasicSR's: a few iterations, everything logged")
    parser.add_argument('--faces', metavar='FOLDER', help='train and validate on these faces, of rim prepare')


def _train(args: Namespace) -> Callable[[], None]:
    switches = [f'--{name}' for name in ('auto_resume', 'debug') if getattr(args, name)]
    _name_program(args, 'train', switches, _changes_for_faces(args.faces) if args.faces else [])

    from rim_plugin.train import main

    return main


def _test_arguments(parser: ArgumentParser) -> None:
    _run_arguments(parser, 'test')


def _test(args: Namespace) -> Callable[[], None]:
    _name_program(args, 'test', [], [])

    from rim_plugin.test import main

    return main


def _name_program(args: Namespace, kind: str, switches: list[str], changes: list[str]) -> None:
    """Leave in ``sys.argv`` what BasicSR's program reads there."""
    forced = [*changes, *args.force_yml]
    command = [f'rim {kind}', '-opt', options_file(args, kind), '--launcher', args.launcher, *switches]
    command += [f'--local_rank={args.local_rank}', *(['--force_yml', *forced] if forced else [])]
    sys.argv = command


def _changes_for_faces(folder: str) -> list[str]:
    """The changes to an options file that take the faces of a prepared folder in training and validation."""
    return [change for phase in ('train', 'val') for change in _faces_of(f'datasets:{phase}', folder)]


def _faces_of(place: str, folder: str) -> list[str]:
    """The changes that give a dataset's options the faces of a prepared folder."""
    backend = 'disk' if os.path.isdir(os.path.join(folder, 'gt')) else 'lmdb'
    return [f'{place}:dataroot_gt={json.dumps(folder)}', f'{place}:io_backend:type={backend}']


def _benchmark_arguments(parser: ArgumentParser) -> None:
    add_options(parser, 'benchmark')
    parser.add_argument('--faces', metavar='FOLDER', help='compare on these faces, of rim prepare, in every sr_set')
    parser.add_argument('--probes', metavar='FOLDER', help='write the probes there for other programs, and end')
    parser.add_argument(
        '--workers',
        type=whole_number(1, 1024),
        default=1,
        metavar='N',
        help='train and measure N methods at once (%(default)s)',
    )
    add_ray(parser)


def _benchmark(args: Namespace) -> None:
    file = options_file(args, 'benchmark')

    from rim_plugin.benchmark.report import write_report
    from rim_plugin.benchmark.run import run_benchmark
    from rim_plugin.benchmark.settings import read_benchmark

    changes = _faces_of('sr_sets:{}', args.faces) if args.faces else []
    benchmark = read_benchmark(file, changes)
    require_folder(benchmark.folder)
    require_writable(benchmark.folder)
    if args.probes:
        from rim_plugin.benchmark.probes import write_probes

        print(one_line(f'{write_probes(benchmark, Path(args.probes))} probes in {args.probes}'))
        return
    with open_cluster(args) as cluster:
        measured = run_benchmark(benchmark, args.workers, cluster)
    print(one_line(f'Report: {write_report(benchmark, measured)}'))


train = Command('train', 'Train networks as an options file says.', _train_arguments, _train)
test = Command('test', 'Test trained networks as an options file says.', _test_arguments, _test)
benchmark = Command(
    'benchmark', 'Compare methods on the same faces: tables, figures and a page.', _benchmark_arguments, _benchmark
)
