"""Preparing, hallucinating and enrolling by the workers of a cluster, each of which loads detector and networks once.

Photos, weights and output have to lie where every node finds them under the same path.
"""

from __future__ import annotations

import functools
import os
from argparse import Namespace
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rim_plugin.cluster import Cluster

if TYPE_CHECKING:
    from rim_plugin.data.annotations import AnnotationReader
    from rim_plugin.data.detect import Detector
    from rim_plugin.data.prepare import Outcome, PrepareOptions
    from rim_plugin.tools.api import RIM
    from rim_plugin.tools.background import Background
    from rim_plugin.tools.gallery.enrolment import Embedded, Person
    from rim_plugin.tools.hallucinate_files import HallucinateOptions, Job, Part

_FACES = 32  # of a task: a batch of the networks
_PHOTOS = 16  # of a task of preparation


class Networks(NamedTuple):
    """What a worker loads, see :class:`rim_plugin.tools.api.RIM`, :func:`rim_plugin.tools.detection.load_detector` and,
    of an options file, :func:`rim_plugin.tools.background.load_background`."""

    weights: str | None
    engine: str
    detect: str | None
    background: str | None = None

    @classmethod
    def of(cls, args: Namespace) -> Networks:
        """Those that a command's arguments name; each worker takes the device that it has."""
        detect, background = None if args.detect == 'none' else args.detect, getattr(args, 'background', None)
        return cls(_absolute(args.weights), args.engine, _absolute(detect), _absolute(background))


def _absolute(name: str | os.PathLike[str] | None) -> str | None:
    """The name of a file or folder that is there with its whole path: workers have other current folders."""
    if name is None:
        return None
    return os.path.abspath(name) if os.path.exists(name) else os.fspath(name)


@functools.cache
def _load(networks: Networks) -> tuple[RIM, Detector | None, Background | None]:
    from rim_plugin.tools.api import RIM
    from rim_plugin.tools.background import load_background
    from rim_plugin.tools.detection import load_detector

    rim = RIM.from_pretrained(networks.weights, batch=_FACES, engine=networks.engine)
    detector = None if networks.detect is None else load_detector(networks.detect)
    return rim, detector, None if networks.background is None else load_background(networks.background, rim.device)


def hallucinating(
    cluster: Cluster, networks: Networks, options: HallucinateOptions
) -> Callable[[Sequence[Job]], Iterator[Part]]:
    """For :func:`rim_plugin.tools.hallucinate_files.hallucinate_files`, whose options these are, too."""
    work = functools.partial(_hallucinate, networks, replace(options, detector=None, background=None))
    return lambda jobs: cluster.map(work, [(path.absolute(), target.absolute()) for path, target in jobs], _FACES, True)


def _hallucinate(networks: Networks, options: HallucinateOptions, jobs: Sequence[Job]) -> Part:
    from rim_plugin.tools.hallucinate_files import Part, hallucinate_jobs
    from rim_plugin.tools.notes import Report

    rim, detector, background = _load(networks)
    report, notes = Report(), []
    for part in hallucinate_jobs(rim, jobs, replace(options, detector=detector, background=background)):
        report.add(part.report)
        notes += part.notes
    return Part(report, notes)


def enrolling(
    cluster: Cluster, networks: Networks, min_quality: float | None
) -> Callable[[Sequence[Person]], Iterator[Embedded]]:
    """For :func:`rim_plugin.tools.gallery.enrolment.enrol`."""

    def embedded(people: Sequence[Person]) -> Iterator[Embedded]:
        whole = [(name, photo.absolute()) for name, photo in people]
        for part in cluster.map(functools.partial(_embed, networks, min_quality), whole, _FACES, True):
            yield from part

    return embedded


def _embed(networks: Networks, min_quality: float | None, people: Sequence[Person]) -> list[Embedded]:
    from rim_plugin.tools.gallery.enrolment import embed_photos

    rim, detector, _ = _load(networks)
    return list(embed_photos(rim, people, detector, min_quality))


def preparing(cluster: Cluster, options: PrepareOptions) -> Callable[[Sequence[Path]], Generator[Outcome, None, None]]:
    """For :func:`rim_plugin.data.prepare.prepare_faces`, whose options these are, too."""
    whole = replace(
        options,
        photos=os.path.abspath(options.photos),
        landmarks=_absolute(options.landmarks),
        parsing=_absolute(options.parsing),
        detector=_absolute(options.detector),
    )

    def made(names: Sequence[Path]) -> Generator[Outcome, None, None]:
        for part in cluster.map(functools.partial(_prepare, whole), names, _PHOTOS):
            yield from part

    return made


def _prepare(options: PrepareOptions, names: Sequence[Path]) -> list[Outcome]:
    from rim_plugin.data.prepare import make_face

    annotations = _annotations(options)
    return [make_face(options, annotations, name) for name in names]


@functools.cache
def _annotations(options: PrepareOptions) -> AnnotationReader | None:
    from rim_plugin.data.prepare import read_annotations
    from rim_plugin.tools.detection import load_detector

    return read_annotations(options, functools.partial(load_detector, tiles=False))
