import io
import json
from pathlib import Path
from urllib.parse import unquote

import cv2
import numpy as np
import pytest
from PIL import Image
from support.face_photos import FIVE_POINTS, PHOTO_SHAPE, make_aligned, make_photo, make_photos, write_pts

from rim_plugin.data import prepare
from rim_plugin.data.alignment import alignment_matrix, alignment_template, warp_parsing, warp_points
from rim_plugin.data.face_store import FaceStore, face_key
from rim_plugin.data.landmarks import five_points
from rim_plugin.data.store_check import inspect_store

NAMES = ['a.jpg', 'b.v2.jpg', 'sub folder/größe 写真.png', 'a_1.jpg']


def run(root, output='out', load_detector=prepare.make_detector, **options):
    options = {'landmarks': root / 'landmarks', 'parsing': root / 'parsing', 'workers': 2, **options}
    return prepare.prepare_faces(prepare.PrepareOptions(root / 'images', root / output, **options), load_detector)


def decode(store, kind, key):
    return np.array(Image.open(io.BytesIO(store.read(kind, key))))


def content(store):
    return {
        key: (store.read('gt', key), store.has_parsing and store.read('parsing', key), store.landmarks[key].tobytes())
        for key in store.keys
    }


def test_faces_landmarks_and_parsing_are_warped_alike(tmp_path):
    points = make_photos(tmp_path, NAMES)
    summary = run(tmp_path)
    assert str(summary) == f'{tmp_path / "out"}: 4 faces' and summary.left_out == []
    store = FaceStore(tmp_path / 'out', 'lmdb')
    assert {unquote(key) for key in store.keys} == {Path(name).with_suffix('').as_posix() for name in NAMES}
    assert store.shape == (224, 224, 3) and store.has_parsing
    for name in NAMES:
        key, matrix = face_key(name), alignment_matrix(FIVE_POINTS)
        np.testing.assert_allclose(store.landmarks[key], warp_points(points[name], matrix), atol=1e-2)
        np.testing.assert_allclose(five_points(store.landmarks[key]), alignment_template(224), atol=1e-2)
        raw = np.array(Image.open((tmp_path / 'parsing' / name).with_suffix('.png')))
        assert np.array_equal(decode(store, 'parsing', key), warp_parsing(raw, matrix))
        # The template was moved by (30, 24) pixels without turning it: the face is that window of the photo.
        photo = np.array(Image.open(tmp_path / 'images' / name)).astype(float)
        assert np.abs(decode(store, 'gt', key) - photo[24:248, 30:254]).mean() < 6


@pytest.mark.slow
def test_helens_own_parsing_files_give_the_same_store(tmp_path):
    make_photos(tmp_path, NAMES)
    run(tmp_path)
    for name in NAMES:
        classes = np.array(Image.open((tmp_path / 'parsing' / name).with_suffix('.png')))
        folder = (tmp_path / 'labels' / name).with_suffix('')
        folder.mkdir(parents=True)
        for index in range(11):
            layer = Image.fromarray(np.where(classes == index, 255, 0).astype(np.uint8))
            layer.save(folder / f'{folder.name}_lbl{index:02d}.png')
    assert run(tmp_path, 'of_layers', parsing=tmp_path / 'labels').written == len(NAMES)
    assert content(FaceStore(tmp_path / 'of_layers', 'lmdb')) == content(FaceStore(tmp_path / 'out', 'lmdb'))


def test_lmdb_and_folder_hold_identical_bytes(tmp_path):
    make_photos(tmp_path, NAMES)
    run(tmp_path, 'as_lmdb')
    run(tmp_path, 'as_folder', backend='disk')
    lmdb, disk = FaceStore(tmp_path / 'as_lmdb', 'lmdb'), FaceStore(tmp_path / 'as_folder', 'disk')
    assert lmdb.keys == disk.keys and content(lmdb) == content(disk)


def test_size_quality_and_subset(tmp_path):
    make_photos(tmp_path, NAMES)
    (tmp_path / 'list.txt').write_text('a.jpg\n\nsub folder/größe 写真.png\n', encoding='utf-8')
    run(tmp_path, size=112, quality=50, subset=tmp_path / 'list.txt', parsing=None)
    store = FaceStore(tmp_path / 'out', 'lmdb')
    assert len(store.keys) == 2 and store.shape == (112, 112, 3) and not store.has_parsing
    (tmp_path / 'list.txt').write_text('zzz.jpg\n')
    with pytest.raises(FileNotFoundError, match='1 photos .*zzz.jpg'):
        run(tmp_path, 'other', subset=tmp_path / 'list.txt')


def test_what_is_left_out_is_said_with_the_reason(tmp_path):
    names = [
        'good.jpg',
        'truncated.jpg',
        'text.jpg',
        'few.jpg',
        'noparsing.jpg',
        'rgbparsing.jpg',
        'class.jpg',
        'outside.jpg',
        'nopts.jpg',
        'tiny.jpg',
        'smallparsing.jpg',
    ]
    points = make_photos(tmp_path, names)
    photos, landmarks, parsing = (tmp_path / folder for folder in ('images', 'landmarks', 'parsing'))
    (photos / 'truncated.jpg').write_bytes((photos / 'truncated.jpg').read_bytes()[:4000])
    (photos / 'text.jpg').write_text('no picture')
    write_pts(landmarks / 'few.pts', points['few.jpg'][:66])
    (parsing / 'noparsing.png').unlink()
    Image.open(parsing / 'rgbparsing.png').convert('RGB').save(parsing / 'rgbparsing.png')
    Image.fromarray(np.full(PHOTO_SHAPE, 11, np.uint8)).save(parsing / 'class.png')
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(parsing / 'smallparsing.png')
    write_pts(landmarks / 'outside.pts', points['outside.jpg'] + 150)
    (landmarks / 'nopts.pts').unlink()
    write_pts(landmarks / 'tiny.pts', np.full((68, 2), 100.0))
    make_photo(tmp_path, 'good.png')
    summary = run(tmp_path)
    reasons = {str(name): reason for name, reason, _ in summary.left_out}
    assert reasons == {
        'truncated.jpg': 'unreadable or truncated photo',
        'text.jpg': 'unreadable or truncated photo',
        'few.jpg': 'wrong number of points',
        'noparsing.jpg': 'no parsing map',
        'rgbparsing.jpg': 'bad parsing map',
        'class.jpg': 'bad parsing map',
        'smallparsing.jpg': 'bad parsing map',
        'outside.jpg': 'face outside the photo',
        'nopts.jpg': 'no annotation',
        'tiny.jpg': 'cannot be aligned',
        'good.png': 'same name as another photo',
    }
    assert '1 faces; 11 photos left out' in str(summary) and '3 bad parsing map' in str(summary)
    listed = (tmp_path / 'out/left_out.txt').read_text(encoding='utf-8').splitlines()
    assert {line.split('\t')[0]: line.split('\t')[1] for line in listed} == reasons
    assert FaceStore(tmp_path / 'out', 'lmdb').keys == ['good']


@pytest.mark.parametrize('backend', ['lmdb', 'disk'])
def test_a_stopped_run_is_taken_up(tmp_path, monkeypatch, backend):
    make_photos(tmp_path, [f'{i}.jpg' for i in range(6)])
    run(tmp_path, 'unbroken', backend=backend)
    make, made = prepare.make_face, []

    def stop_at_the_fifth(options, annotations, name):
        made.append(name)
        if len(made) == 5:
            raise KeyboardInterrupt
        return make(options, annotations, name)

    monkeypatch.setattr(prepare, 'make_face', stop_at_the_fifth)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, backend=backend, workers=1)
    with pytest.raises(FileNotFoundError, match='unfinished.*again'):
        FaceStore(tmp_path / 'out', backend)
    with open(tmp_path / 'out/landmarks.partial', 'a') as journal:
        journal.write('["5", [[1.0, 2')  # as a killed run leaves it
    summary = run(tmp_path, backend=backend)
    assert summary.written + summary.present == 6 and summary.present >= 3
    assert content(FaceStore(tmp_path / 'out', backend)) == content(FaceStore(tmp_path / 'unbroken', backend))
    assert not list((tmp_path / 'out').rglob('*.tmp')) and not (tmp_path / 'out/landmarks.partial').exists()


def test_a_finished_store_is_brought_up_to_date(tmp_path):
    make_photos(tmp_path, ['a.jpg'])
    run(tmp_path)
    before = content(FaceStore(tmp_path / 'out', 'lmdb'))
    make_photo(tmp_path, 'b.jpg', 7)
    summary = run(tmp_path)
    after = content(FaceStore(tmp_path / 'out', 'lmdb'))
    assert (summary.present, summary.written) == (1, 1) and after['a'] == before['a'] and set(after) == {'a', 'b'}


def test_two_folders_of_photos_join_in_one_store(tmp_path):
    make_photos(tmp_path / 'one', ['a.jpg', 'b.jpg'])
    make_photos(tmp_path / 'two', ['c.jpg'])
    run(tmp_path / 'one', '../out')
    before = content(FaceStore(tmp_path / 'out', 'lmdb'))
    run(tmp_path / 'two', '../out')
    after = content(FaceStore(tmp_path / 'out', 'lmdb'))
    assert after.keys() == {'a', 'b', 'c'} and before.items() <= after.items()


def test_other_settings_do_not_mix(tmp_path):
    make_photos(tmp_path, ['a.jpg'])
    run(tmp_path)
    with pytest.raises(ValueError, match='other settings .quality: 95, now 90.. Name another output'):
        run(tmp_path, quality=90)
    assert json.loads((tmp_path / 'out/prepare.json').read_text())['quality'] == 95
    assert FaceStore(tmp_path / 'out', 'lmdb').keys == ['a']


def test_not_one_face_is_an_error(tmp_path):
    make_photos(tmp_path, ['a.jpg'])
    (tmp_path / 'parsing/a.png').unlink()
    with pytest.raises(ValueError, match='Not one face.*no parsing map'):
        run(tmp_path)
    assert 'no parsing map' in (tmp_path / 'out/left_out.txt').read_text()
    with pytest.raises(FileNotFoundError):
        FaceStore(tmp_path / 'out', 'lmdb')


@pytest.mark.parametrize(
    'options, error, message',
    [
        ({'landmarks': None}, ValueError, 'either the annotations'),
        ({'detector': 'insightface'}, ValueError, 'either the annotations'),
        ({'parsing': 'nowhere'}, FileNotFoundError, 'Parsing maps: no such folder: nowhere'),
        ({'landmarks': 'nowhere'}, FileNotFoundError, 'Annotations: no such file or folder: nowhere'),
        ({'landmarks': None, 'detector': 'nothing'}, RuntimeError, 'Unknown detector'),
        ({'size': 0}, ValueError, 'size is 0: it has to be 4 to 4096'),
        ({'quality': 1000}, ValueError, 'quality is 1000'),
        ({'workers': 0}, ValueError, 'workers is 0'),
        ({'aligned': 8}, ValueError, 'either the annotations'),
        ({'aligned': 8, 'landmarks': None}, ValueError, 'parsing: faces that are aligned already'),
        ({'aligned': 112, 'landmarks': None, 'parsing': None}, ValueError, 'aligned is 112: a margin .* leaves none'),
    ],
)
def test_wrong_calls_are_refused_before_anything_is_made(tmp_path, options, error, message):
    make_photos(tmp_path, ['a.jpg'])
    with pytest.raises(error, match=message):
        run(tmp_path, **options)
    assert not (tmp_path / 'out').exists()


def test_linked_folders_are_searched_once(tmp_path):
    make_photos(tmp_path, ['a.jpg', 'sub/b.pgm'])
    (tmp_path / 'images/sub/loop').symlink_to(tmp_path / 'images')
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other/link').symlink_to(tmp_path / 'images/sub')
    assert prepare.find_photos(tmp_path / 'images') == [Path('a.jpg'), Path('sub/b.pgm')]
    assert prepare.find_photos(tmp_path / 'other') == [Path('link/b.pgm'), Path('link/loop/a.jpg')]


def test_absent_and_empty_photo_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match='Photos: no such folder'):
        prepare.find_photos(tmp_path / 'nowhere')
    with pytest.raises(FileNotFoundError, match='holds none'):
        prepare.find_photos(tmp_path)


def test_faces_without_annotation_by_a_detector(tmp_path):
    make_photos(tmp_path, ['a.jpg', 'grey.png'])
    Image.open(tmp_path / 'images/grey.png').convert('L').save(tmp_path / 'images/grey.png')
    run(tmp_path, landmarks=None, detector='any', load_detector=lambda spec: lambda image: FIVE_POINTS[None])
    store = FaceStore(tmp_path / 'out', 'lmdb')
    np.testing.assert_allclose(store.landmarks['grey'], alignment_template(224), atol=1e-2)
    grey = decode(store, 'gt', 'grey').astype(int)
    assert np.abs(grey - grey.mean(2, keepdims=True)).max() <= 1


def test_only_photos_without_annotation_are_turned_by_their_exif_data(tmp_path):
    make_photos(tmp_path, ['a.jpg'])
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.open(tmp_path / 'images/a.jpg').save(tmp_path / 'images/a.jpg', exif=exif)
    assert run(tmp_path).written == 1
    shapes = []
    with pytest.raises(ValueError, match='no face found'):
        options = {'landmarks': None, 'parsing': None, 'detector': 'any'}
        run(tmp_path, 'detected', **options, load_detector=lambda spec: lambda image: shapes.append(image.shape) or [])
    assert shapes == [(*PHOTO_SHAPE[::-1], 3)]


@pytest.mark.parametrize('backend', ['lmdb', 'disk'])
def test_aligned_faces_are_taken_as_they_are(tmp_path, backend):
    make_aligned(tmp_path / 'images', 3)
    Image.open(tmp_path / 'images/small_0.jpg').save(tmp_path / 'images/other.png')
    Image.open(tmp_path / 'images/small_0.jpg').convert('L').save(tmp_path / 'images/grey.jpg')
    Image.open(tmp_path / 'images/small_0.jpg').crop((0, 0, 100, 128)).save(tmp_path / 'images/narrow.jpg')
    aligned = {'landmarks': None, 'parsing': None, 'aligned': 8, 'size': 128, 'backend': backend}
    summary = run(tmp_path, **aligned)
    assert summary.left_out == [(Path('narrow.jpg'), 'not of the size', '100x128 pixels, size is 128')]
    store = FaceStore(tmp_path / 'out', backend)
    assert (store.margin, store.shape, store.landmarks, store.has_parsing) == (8, (128, 128, 3), None, False)
    for number in range(3):
        assert store.read('gt', f'small_{number}') == (tmp_path / f'images/small_{number}.jpg').read_bytes()
    difference = np.abs(decode(store, 'gt', 'other').astype(int) - decode(store, 'gt', 'small_0'))
    assert difference.mean() < 3 and decode(store, 'gt', 'grey').shape == (128, 128, 3)
    assert inspect_store(tmp_path / 'out') == (5, [])
    assert run(tmp_path, **aligned).present == 5
    with pytest.raises(ValueError, match='other settings .*margin: 8, now 4'):
        run(tmp_path, **{**aligned, 'aligned': 4})


@pytest.mark.real_data
def test_real_aligned_faces_have_their_eyes_where_arcface_has_them(real_faces, tmp_path):
    folder = real_faces / 'faces128/images'
    names = sorted(path.name for path in folder.iterdir())[::1700]
    (tmp_path / 'list.txt').write_text('\n'.join(names))
    how = {'aligned': 8, 'size': 128, 'subset': tmp_path / 'list.txt'}
    prepare.prepare_faces(prepare.PrepareOptions(folder, tmp_path / 'out', **how))
    store = FaceStore(tmp_path / 'out', 'lmdb')
    assert len(store.keys) == len(names) == 8
    mean = np.mean([decode(store, 'gt', key) for key in store.keys], 0)[8:-8, 8:-8].mean(2)
    left, right, cheek = (mean[y - 4 : y + 5, x - 6 : x + 7].mean() for x, y in ((38, 52), (74, 52), (40, 72)))
    assert max(left, right) + 20 < cheek  # eyes are dark


@pytest.mark.real_data
def test_real_faces_lie_on_the_template(real_faces, tmp_path):
    folder = real_faces / 'helen/test'
    names = sorted(path.name for path in (folder / 'images').iterdir())[:8]
    (tmp_path / 'list.txt').write_text('\n'.join(names))
    priors = {'landmarks': folder / 'landmarks', 'parsing': folder / 'parsing'}
    options = prepare.PrepareOptions(folder / 'images', tmp_path / 'out', **priors, subset=tmp_path / 'list.txt')
    prepare.prepare_faces(options)
    store = FaceStore(tmp_path / 'out', 'lmdb')
    for key in store.keys:
        five = five_points(store.landmarks[key])
        assert np.abs(five - alignment_template(224)).max() < 30
        eye = store.landmarks[key][36:42].mean(0).round().astype(int)
        parsing = decode(store, 'parsing', key)
        assert 4 in parsing[eye[1] - 3 : eye[1] + 4, eye[0] - 3 : eye[0] + 4]  # the left eye's class
        blue, green, red = cv2.split(cv2.imdecode(np.frombuffer(store.read('gt', key), np.uint8), cv2.IMREAD_COLOR))
        skin = parsing == 1
        assert red[skin].mean() >= blue[skin].mean()  # skin is not blue: the channels are in order
