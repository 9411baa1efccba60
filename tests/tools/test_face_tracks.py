"""Faces are followed through movement, gaps and chance finds; what is smoothed neither lags nor jumps."""

import numpy as np
import pytest

from rim_plugin.data.alignment import ARCFACE_TEMPLATE
from rim_plugin.tools.face_tracks import Sighting, follow

FRAMES = 40


def sighting(x, y=50.0, side=40.0, worth=0.5, doubt='', jitter=0.0):
    points = ARCFACE_TEMPLATE * side / 112 + [x, y]
    return Sighting(points + jitter, side, worth, doubt)


def middles(track):
    return track.points.mean(1)


def test_even_movement_stays_as_it_is_up_to_both_ends():
    frames = [[sighting(3.0 * number, 50 + number)] for number in range(FRAMES)]
    (track,) = follow(frames)
    assert track.start == 0 and np.allclose(track.points, [frame[0].points for frame in frames], atol=1e-9)
    assert (track.sides == 40).all() and track.at(7)[1:] == (40, 20) and track.at(FRAMES) is None


def test_points_that_shake_are_smoothed():
    shake = np.random.default_rng(0).normal(0, 1, (FRAMES, 5, 2))
    (track,) = follow([[sighting(80, jitter=each)] for each in shake])
    left = np.diff(track.points, axis=0).std()
    assert left < 0.2 * np.diff(shake, axis=0).std()


def test_a_side_stays_until_it_has_clearly_changed():
    random = np.random.default_rng(0)
    sides = np.concatenate([40 + random.normal(0, 1, 20), np.linspace(40, 80, 20)])
    (track,) = follow([[sighting(80, side=side)] for side in sides])
    assert (track.sides[:18] == track.sides[0]).all() and 72 < track.sides[-1] < 88
    assert len(set(track.sides)) < 12


def test_gaps_are_filled_and_chance_finds_dropped():
    frames = [[] if 10 <= number < 20 else [sighting(80 + number)] for number in range(FRAMES)]
    frames[5].append(sighting(200))
    (track,) = follow(frames)
    assert len(track.points) == FRAMES
    assert np.allclose(middles(track)[:, 0] - np.arange(FRAMES), middles(track)[0, 0], atol=1e-6)


def test_a_face_that_comes_back_late_or_after_a_cut_is_another_one():
    frames = [[] if 10 <= number < 30 else [sighting(80)] for number in range(FRAMES)]
    assert [track.start for track in follow(frames)] == [0, 30]
    frames = [[sighting(80)] for _ in range(FRAMES)]
    assert [track.start for track in follow(frames, {15})] == [0, 15]


def test_two_faces_keep_apart():
    frames = [[sighting(60 + number), sighting(140 - number, 90)][:: (-1) ** number] for number in range(FRAMES)]
    right, left = sorted(follow(frames), key=lambda track: middles(track)[0, 0], reverse=True)
    assert (np.diff(middles(left)[:, 0]) > 0).all() and (np.diff(middles(right)[:, 0]) < 0).all()


def test_doubt_of_most_sightings_and_their_median_worth_count():
    def track(doubts):
        frames = [[sighting(80, worth=0.4 + 0.1 * (number < 3), doubt='no' * (number < doubts))] for number in range(9)]
        return follow(frames)[0]

    assert track(4).doubt == '' and track(5).doubt == 'no'
    assert track(0).worth == pytest.approx(0.4) and track(0).worth_at(0) == 16


def test_films_of_a_frame_and_without_faces():
    assert follow([]) == [] and follow([[], []]) == []
    (track,) = follow([[sighting(80)]])
    assert len(track.points) == 1 and np.allclose(track.points[0], sighting(80).points)
