import numpy as np
import pytest
from support.face_photos import landmarks_68, write_pts

from rim_plugin.data.annotations import FivePointsFile, Helen194Folder, PtsFolder, open_annotations
from rim_plugin.errors import SkippedPhoto


def left_out(reader, name):
    with pytest.raises(SkippedPhoto) as caught:
        reader(name, None)
    return caught.value.reason


@pytest.mark.parametrize('name', ['a.jpg', 'sub/größe.v2.png', '写真 1.jpg'])
def test_pts_are_one_based_and_found_by_any_name(tmp_path, name):
    points = landmarks_68(np.random.default_rng(0))
    write_pts((tmp_path / name).with_suffix('.pts'), points)
    reader = open_annotations(tmp_path)
    assert isinstance(reader, PtsFolder) and reader.num_landmarks == 68
    np.testing.assert_allclose(reader(name, None), points, atol=1e-3)


def test_faulty_pts_are_left_out_with_the_reason(tmp_path):
    points = landmarks_68(np.random.default_rng(0))
    write_pts(tmp_path / 'few.pts', points[:67])
    points[3, 1] = np.nan
    write_pts(tmp_path / 'nan.pts', points)
    (tmp_path / 'empty.pts').write_text('')
    (tmp_path / 'words.pts').write_text('version: 1\n{\none two\n}\n')
    (tmp_path / 'single.pts').write_text('{\n12\n}\n')
    (tmp_path / 'bytes.pts').write_bytes(b'{\n\xff\xfe \x00\n}')
    reader = open_annotations(tmp_path)
    assert left_out(reader, 'few.jpg') == 'wrong number of points'
    assert left_out(reader, 'absent.jpg') == 'no annotation'
    for name in ('nan', 'empty', 'words', 'single', 'bytes'):
        assert left_out(reader, f'{name}.jpg') == 'unreadable annotation'


def test_helen_194(tmp_path):
    points = np.random.default_rng(0).uniform(0, 500, (194, 2)).round(3)
    rows = [f'{x} , {y}' for x, y in points]
    (tmp_path / '1.txt').write_text('\n'.join(['232194_1', *rows]) + '\n')
    (tmp_path / '2.txt').write_text('\n'.join(['232194_2.jpg', *rows[1:]]) + '\n')
    reader = open_annotations(tmp_path)
    assert isinstance(reader, Helen194Folder) and reader.num_landmarks == 194
    np.testing.assert_allclose(reader('232194_1.jpg', None), points)
    assert left_out(reader, '232194_2.jpg') == 'wrong number of points'
    assert left_out(reader, '3.jpg') == 'no annotation'


def test_five_points(tmp_path):
    path = tmp_path / 'landmarks5.txt'
    path.write_text(
        'A B/A B_0001.jpg 1 2 3 4 5 6 7 8 9 10.5\n\nC.jpg 1 2 3 4 5 6 7 8 9\nJosé.jpg ' + '1 ' * 9 + 'x\n',
        encoding='utf-8',
    )
    reader = open_annotations(path)
    assert isinstance(reader, FivePointsFile) and reader.num_landmarks == 5
    assert reader('A B/A B_0001.jpg', None).tolist() == [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10.5]]
    assert left_out(reader, 'C.jpg') == 'wrong number of points'
    assert left_out(reader, 'José.jpg') == 'unreadable annotation'
    assert left_out(reader, 'D.jpg') == 'no annotation'


def test_absent_and_empty_annotations_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such file or folder: .*nowhere'):
        open_annotations(tmp_path / 'nowhere')
    with pytest.raises(FileNotFoundError, match='neither .pts'):
        open_annotations(tmp_path)
