"""What became of pictures and of the faces in them, and what a run did."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, fields
from typing import NamedTuple

import numpy as np

from rim_plugin.tools.photos import PhotoFace


class FaceNote(NamedTuple):
    """What became of a face.

    Attributes:
        box: left, top, right, bottom in pixels of the picture.
        side: pixels of the aligned face.
        score, certainty: see :class:`rim_plugin.data.found.Found`; None where unknown.
        restored: whether it was hallucinated.
        why: why not, a few words.
    """

    box: tuple[int, int, int, int]
    side: int
    score: float | None
    certainty: float | None
    restored: bool
    why: str


class Note(NamedTuple):
    """What became of a picture.

    Attributes:
        input: its path.
        output: the file; None where it is left out.
        aligned: whether it is taken as an aligned face.
        scale: how many times as large it is.
        faces: those found in it.
        warning: what may be wrong with it all the same; empty for nothing.
    """

    input: str
    output: str | None
    aligned: bool
    scale: float
    faces: list[FaceNote]
    warning: str = ''

    @property
    def restored(self) -> list[FaceNote]:
        """The faces that were hallucinated."""
        return [face for face in self.faces if face.restored]

    def __str__(self) -> str:
        if not self.faces:
            return f'{self.input}: no face found'
        sides = ', '.join(str(face.side) for face in self.restored)
        text = f'{self.input}: {len(self.restored)} of {len(self.faces)} faces restored'
        text += f', of {sides} pixels' if sides else ''
        reasons = dict.fromkeys(face.why for face in self.faces if face.why)
        return text + ''.join(map(self._left, reasons)) + (f'; {self.warning}' if self.warning else '')

    def _left(self, why: str) -> str:
        """The faces that stay as they are for one reason: in a large photo there may be many."""
        first, *others = [face for face in self.faces if face.why == why]
        more = f' and {len(others)} more' if others else ''
        return f'; {first.side} pixels at {first.box[:2]}{more}: {why}'


@dataclass
class Report:
    """What a run did.

    Attributes:
        inputs: pictures that it was given.
        written: pictures, without comparisons, priors and crops.
        enlarged: those of them in which no face was restored.
        present: pictures that were there already, with ``existing='skip'``.
        skipped: a line about each input that was left out.
    """

    inputs: int = 0
    written: int = 0
    enlarged: int = 0
    present: int = 0
    skipped: list[str] = field(default_factory=list)

    def summary(self, output: str | os.PathLike[str]) -> str:
        """A line with the numbers of pictures in and out."""
        text = f'{self.written} of {self.inputs} pictures written to {output}'
        text += f', {self.enlarged} of them enlarged only, without a restored face' if self.enlarged else ''
        text += f', {self.present} were there already' if self.present else ''
        return text + (f', {len(self.skipped)} left out' if self.skipped else '')

    def add(self, other: Report) -> None:
        """Take in what another part of the run did."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


def face_note(face: PhotoFace, why: str) -> FaceNote:
    """What became of a face; ``why``: it stays as it is, empty where it was hallucinated."""
    left, top, right, bottom = np.rint(face.box).astype(int).tolist()
    return FaceNote(
        (left, top, right, bottom), round(face.side), _known(face.score), _known(face.certainty), not why, why
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 3)
