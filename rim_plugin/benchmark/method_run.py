"""Trains and measures one method, in processes of its own, of which several may be at work at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

from rim_plugin.benchmark.cache import Cache
from rim_plugin.benchmark.measurement import Measurement
from rim_plugin.benchmark.settings import Method
from rim_plugin.files import locked

Progress = Callable[[int], object]  # called with the number of measurements that have just come


class Outcome(NamedTuple):
    """What became of a method.

    Attributes:
        problem: why it could not be measured at all; None where it could.
        errors: of each measurement, None where it is in the cache.
    """

    problem: str | None
    errors: list[str | None]

    def after(self, others: Outcome | None, count: int) -> Outcome:
        """This outcome behind that of ``count`` measurements more, which have its problem where nobody made them."""
        errors = [self.problem] * count if others is None else others.errors
        return Outcome(self.problem, [*errors, *self.errors])


@dataclass(frozen=True)
class MethodRun:
    """How methods are trained and measured; sent to the workers of a cluster.

    Attributes:
        folder: of the report, its logs and its cache.
        train_missing: train methods without weights.
        root: the current folder, to which the paths in options are relative.
        threads: of each process; None leaves that to PyTorch.
    """

    folder: Path
    train_missing: bool
    root: str
    threads: int | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Of the processes; OMP_NUM_THREADS of this one goes first."""
        threads = {} if self.threads is None else {'OMP_NUM_THREADS': str(self.threads)}
        return {**threads, **os.environ, 'PYTHONUNBUFFERED': '1'}

    def elsewhere(self, part: Sequence[tuple[Method, list[Measurement]]]) -> Outcome:
        """:meth:`measure` of the one method of a cluster's task, whose worker has another current folder."""
        os.chdir(self.root)
        [(method, wanted)] = part
        return self.measure(method, wanted)

    def measure(self, method: Method, wanted: list[Measurement], progress: Progress = lambda count: None) -> Outcome:
        """Make the measurements that the cache lacks, after training where that is wanted.

        Args:
            method: whose.
            wanted: its measurements.
            progress: told of each that is there or has failed.
        """
        absent = [measurement.absent for measurement in wanted]
        problem = None if wanted and all(absent) else self._make_ready(method)
        if problem is not None:
            progress(len(wanted))
            return Outcome(problem, [problem] * len(wanted))
        cache = Cache(self.folder / 'cache')
        keys = [measurement.key for measurement in wanted]  # by the content of the weights, which are there only now
        missing = {
            key: each for key, each, gone in zip(keys, wanted, absent) if gone is None and cache.get(key) is None
        }
        progress(len(wanted) - len(missing))
        errors = self._in_a_process(cache, method, list(missing.values()), progress) if missing else {}
        return Outcome(None, [gone or errors.get(key) for key, gone in zip(keys, absent)])

    def _make_ready(self, method: Method) -> str | None:
        """Train a method without weights where that is wanted; the error, or None."""
        if method.recogniser is not None and None in method.recogniser.values():  # weights, or the model's file
            return f'weights not given (recogniser {method.recogniser["type"]})'
        if method.missing and self.train_missing and 'train' in method.options:
            with locked(self.folder / 'logs' / method.options['name']):  # methods at once may be of one training
                return self._train(method) if method.missing else None
        return f'weights not given ({method.missing[0]} is absent)' if method.missing else None

    def _train(self, method: Method) -> str | None:
        """Train a method in a process of its own; the error, or None."""
        log = self.folder / 'logs' / f'{method.name}.log'
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, '-m', 'rim_plugin.train', '-opt', method.file, '--auto_resume']
        if method.force:
            command += ['--force_yml', *method.force]
        with open(log, 'w', encoding='utf-8') as stream:
            code = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, env=self.environment).returncode
        if code:
            lines = log.read_text(encoding='utf-8', errors='replace').strip().splitlines() or ['it wrote nothing']
            return f'training failed ({log}): {lines[-1]}'
        return f'training left no {method.missing[0]} ({log})' if method.missing else None

    def _in_a_process(
        self, cache: Cache, method: Method, missing: list[Measurement], progress: Progress
    ) -> dict[str, str]:
        """Measure into the cache, in a process of its own; returns the errors by key."""
        jobs = [measurement.job() for measurement in missing]
        job = {
            'cache': str(cache.folder),
            'networks': method.networks,
            'weights': method.weights,
            'recogniser': method.recogniser,
            'gallery': method.gallery,
            'measurements': jobs,
        }
        errors: dict[str, str | None] = {each['key']: 'the measuring process ended early' for each in jobs}
        last, code = self._follow(
            job, lambda report: (errors.update({report['key']: report.get('error')}), progress(1))
        )
        return {key: f'{error}: {last}' if code else error for key, error in errors.items() if error}

    def _follow(self, job: Mapping[str, Any], report: Callable[[dict[str, Any]], object]) -> tuple[str, int]:
        """Run :func:`rim_plugin.benchmark.measure.main`; ``report`` has each of its reports, and is followed by the
        last line printed and the exit status."""
        last = ''
        command = [sys.executable, '-m', 'rim_plugin.benchmark.measure']
        with TemporaryFile('w+') as stdin:  # not a pipe, which breaks where the process ends before it has read all
            json.dump(job, stdin)
            stdin.seek(0)
            process = subprocess.Popen(
                command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.environment
            )
            with process:
                for line in process.stdout or ():
                    if line.startswith('RESULT '):
                        report(json.loads(line.removeprefix('RESULT ')))
                    last = line.strip() or last
        return last, process.returncode
