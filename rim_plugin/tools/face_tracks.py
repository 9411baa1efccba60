"""Faces of a film followed from frame to frame, so that what is made of them does not flicker.

Sightings are linked to tracks, gaps filled, points smoothed; size and effective side stay what they are as long as they
do not clearly change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np

_NEAR = 0.5  # of a face's side, by which its middle moves at most from one sighting to the next
_LIKE = 1.6  # times as large, at most
_GAP = 12  # frames in which a face may go unseen
_FEWEST = 3  # sightings of a track: fewer are chance finds
_SMOOTHED = 2.0  # frames, deviation of the Gaussian that smooths points
_STEADY = 0.1  # share by which a side changes before it counts


class Sighting(NamedTuple):
    """A face in a frame.

    Attributes:
        points: float64 (5, 2), in pixels of the frame.
        side: pixels that the aligned window's side has in the frame.
        worth: share of these that the face is worth, above 0 and up to 1.
        doubt: why it may be no face; empty where nothing speaks against it.
    """

    points: np.ndarray
    side: float
    worth: float
    doubt: str


class Track(NamedTuple):
    """A face from its first to its last sighting.

    Attributes:
        start: number of the first frame.
        points: float64 (n, 5, 2) in n frames, smoothed.
        sides: int (n, ), pixels to which the face is cut.
        worth: share of these that the face is worth.
        doubt: why it may be no face, where that is said of most sightings.
    """

    start: int
    points: np.ndarray
    sides: np.ndarray
    worth: float
    doubt: str

    def at(self, frame: int) -> tuple[np.ndarray, int, int] | None:
        """Points, side and effective side in a frame; None where the face is not there."""
        row = frame - self.start
        if not 0 <= row < len(self.points):
            return None
        return self.points[row], int(self.sides[row]), self.worth_at(row)

    def worth_at(self, row: int) -> int:
        """Effective side in its frame ``row``, from 0."""
        return max(1, round(self.worth * int(self.sides[row])))


def follow(frames: Sequence[Sequence[Sighting]], cuts: Collection[int] = ()) -> list[Track]:
    """Tracks of the faces of a film.

    Args:
        frames: sightings in each frame.
        cuts: numbers of frames with which another shot begins, in which no face goes on.
    """
    ended: list[dict[int, Sighting]] = []
    going: list[dict[int, Sighting]] = []  # each by the numbers of its frames
    for number, sightings in enumerate(frames):
        lost = [track for track in going if number in cuts or number - max(track) > _GAP]
        ended += lost
        going = [track for track in going if not any(track is each for each in lost)]
        pairs = dict(_pairs([track[max(track)] for track in going], sightings))
        for row, sighting in enumerate(sightings):
            if row in pairs:
                going[pairs[row]][number] = sighting
            else:
                going.append({number: sighting})
    fewest = min(_FEWEST, len(frames))
    return [_track(seen) for seen in [*ended, *going] if len(seen) >= fewest]


def _pairs(before: Sequence[Sighting], now: Sequence[Sighting]) -> Iterator[tuple[int, int]]:
    """Which sighting is which one of before: numbers of the one and of the other, for the least movement in all."""
    from scipy.optimize import linear_sum_assignment

    if not before or not now:
        return
    far = 1e3
    costs = np.array([[_movement(one, other, far) for other in before] for one in now])
    for row, column in zip(*linear_sum_assignment(costs)):
        if costs[row, column] < far:
            yield int(row), int(column)


def _movement(one: Sighting, other: Sighting, far: float) -> float:
    """By how much of its side a face has moved; ``far`` where it is none that could be the same."""
    side = min(one.side, other.side)
    moved = float(np.hypot(*(one.points.mean(0) - other.points.mean(0)))) / side
    return moved if moved < _NEAR and max(one.side, other.side) < _LIKE * side else far


def _track(seen: dict[int, Sighting]) -> Track:
    start, end = min(seen), max(seen)
    numbers, all_numbers = np.array([*seen]), np.arange(start, end + 1)
    points = np.array([each.points for each in seen.values()]).reshape(len(seen), -1)
    filled = np.array([np.interp(all_numbers, numbers, column) for column in points.T]).T
    sides = np.interp(all_numbers, numbers, [each.side for each in seen.values()])
    doubts = [each.doubt for each in seen.values() if each.doubt]
    doubt = doubts[0] if len(doubts) > len(seen) / 2 else ''
    worth = float(np.median([each.worth for each in seen.values()]))
    return Track(start, _smoothed(filled).reshape(-1, 5, 2), _steady(_smoothed(sides[:, None])[:, 0]), worth, doubt)


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Columns (n, k) smoothed over frames; those that change evenly stay as they are, up to both ends."""
    from scipy.ndimage import gaussian_filter1d

    width = min(len(values) - 1, round(4 * _SMOOTHED))
    if width < 1:
        return values
    padded = np.pad(values, ((width, width), (0, 0)), 'reflect', reflect_type='odd')
    return np.asarray(gaussian_filter1d(padded, _SMOOTHED, axis=0, radius=width)[width:-width])


def _steady(sides: np.ndarray) -> np.ndarray:
    """Sides (n, ) as whole pixels that stay what they are until they have clearly changed."""
    steady = np.empty(len(sides), int)
    held = sides[0]
    for number, side in enumerate(sides):
        if abs(side / held - 1) > _STEADY:
            held = side
        steady[number] = max(1, round(held))
    return steady
