"""Calibration on faces of a store whose persons are known."""

import cv2
import numpy as np
import pytest
from support.facts import FACTS
from support.refusals import refused

from rim_plugin.data.face_store_writer import FaceStoreWriter
from rim_plugin.tools import quality_calibration
from rim_plugin.tools.api import RIM
from rim_plugin.tools.card import model_card
from rim_plugin.tools.face_calibration import known_faces, measure_calibration
from rim_plugin.tools.packing import calibrated

PERSONS = 24


@pytest.fixture(scope='module')
def store(tmp_path_factory, make_face):
    """Two faces, alike but for noise, of each person, a third of one, and one of nobody."""
    root = tmp_path_factory.mktemp('store')
    settings = {'quality': 95, 'num_landmarks': 0, 'parsing': False, 'margin': 4}
    rows, rng = [], np.random.default_rng(0)
    with FaceStoreWriter(root / 'faces', 'lmdb', settings) as writer:
        for person in range(PERSONS):
            for photo in range(2 + (person == 0)):
                noisy = make_face(120, person).astype(int) + rng.integers(-9, 10, (120, 120, 3))
                jpeg = cv2.imencode('.jpg', np.clip(noisy, 0, 255).astype(np.uint8))[1].tobytes()
                writer.put(f'{person:02d}_{photo}', jpeg, None, None)
                rows.append(f'{person:02d}_{photo}.jpg P{person}')
        writer.put('nobody', jpeg, None, None)
    (root / 'identities.txt').write_text('\n'.join([*rows, 'nobody.jpg -']) + '\n')
    return root


def test_two_faces_of_each_person_are_taken(store):
    known = known_faces(store / 'faces', store / 'identities.txt', None, 250)
    assert len(known.faces) == 2 * PERSONS and {len(face) for face in known.faces} == {112}
    assert sorted(known.persons.tolist()) == sorted([f'P{number}' for number in range(PERSONS)] * 2)
    assert len(known_faces(store / 'faces', store / 'identities.txt', None, 21).faces) == 42


def test_faces_of_the_training_are_left_out(store, tmp_path):
    (tmp_path / 'train.txt').write_text('00_0.jpg\n01_0.jpg\n')
    known = known_faces(store / 'faces', store / 'identities.txt', tmp_path / 'train.txt', 250)
    assert 'P1' not in known.persons and (known.persons == 'P0').sum() == 2
    (tmp_path / 'all.txt').write_text(''.join(f'{number:02d}_0.jpg\n' for number in range(1, PERSONS)))
    message = refused(known_faces, store / 'faces', store / 'identities.txt', tmp_path / 'all.txt', 250)
    assert '1 persons of' in message and 'have two faces' in message


@pytest.mark.slow
def test_calibration_goes_into_weights_card_and_diagrams(store, rim, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(quality_calibration, 'LEAST_REFUSED', 0)  # of few drawn faces none is told from other pictures
    known = known_faces(store / 'faces', store / 'identities.txt', None, 250)
    measured = measure_calibration(rim, known, (8, 16, 112))
    bars = capsys.readouterr().err
    assert '336/336' in bars, 'faces of three sizes, twice, and other pictures of two'
    assert [(each.size, each.other) for each in measured.calibrations] == [
        (8, 8), (8, 16), (8, 112), (16, 16), (16, 112), (112, 112)
    ]  # fmt: skip
    assert all(each.tail is not None for each in measured.calibrations)
    assert [each.size for each in measured.qualities] == [8, 16] and {*measured.rejections} == {'8 px', '16 px'}
    assert measured.facts['persons'] == PERSONS and measured.facts['calibration_error']['all'] < 0.2
    assert 0 < measured.facts['chance_error']['8 and 16 px'] < 0.2
    weights = rim.weights._replace(facts=FACTS)
    weights = calibrated(weights, measured, tmp_path / 'x.safetensors')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['x_rejection.png', 'x_reliability.png']
    card = model_card(weights, 'x')
    assert f'48 faces of {PERSONS} persons' in card and '| 8 and 16 px | 0.' in card and 'x_reliability.png' in card
    again = RIM(weights, 'cpu')
    same, other = known.faces[0], known.faces[2]
    assert again.verify(same, known.faces[1], 1e-9).same and again.verify(same, other, 1e-9).confidence <= 1
    assert again.quality([same])[0] is not None
