import pickle

import numpy as np
import pytest

from rim_plugin.data.pair_lists import PairListError, read_pair_list


def write(tmp_path, text, name='pairs.txt'):
    path = tmp_path / name
    path.write_text(text, encoding='utf-8')
    return path


def lfw_text(folds=2, pairs=3, header=None):
    """Folds of ``pairs`` same and ``pairs`` different pairs; tabs, as LFW has them."""
    lines = [header or f'{folds}\t{pairs}']
    for fold in range(folds):
        lines += [f'P{fold}_{i}\t1\t{i + 2}' for i in range(pairs)]
        lines += [f'P{fold}_{i}\t1\tQ{fold}\t{i + 1}' for i in range(pairs)]
    return '\n'.join(lines) + '\n'


def two_line_text(flags):
    """CALFW's layout: for each flag a pair, of one person where it is not 0."""
    return ''.join(f'A{i}_0001.jpg {flag}\n{"A" if flag else "B"}{i}_0002.jpg {flag}\n' for i, flag in enumerate(flags))


def write_bin(tmp_path, images, issame, protocol=4):
    path = tmp_path / 'faces.bin'
    path.write_bytes(pickle.dumps((images, issame), protocol=protocol))
    return path


def test_lfw(tmp_path):
    found = read_pair_list(write(tmp_path, lfw_text()))
    assert found.images[:3] == ['P0_0/P0_0_0001', 'P0_0/P0_0_0002', 'P0_1/P0_1_0001']
    assert found.identities[:3] == ['P0_0', 'P0_0', 'P0_1']
    assert found.pairs.shape == (12, 2) and found.pairs[:2].tolist() == [[0, 1], [2, 3]]
    assert [found.images[i] for i in found.pairs[4]] == ['P0_1/P0_1_0001', 'Q0/Q0_0002']
    assert found.issame.tolist() == ([True] * 3 + [False] * 3) * 2
    assert found.folds.tolist() == [0] * 6 + [1] * 6 and found.fold_rule == 'as the list has them'
    assert len(found.images) == len(set(found.images)) == len(found.identities)


@pytest.mark.parametrize(
    'change', [lambda t: t.replace('\t', ' '), lambda t: '\ufeff' + t.replace('\n', '\r\n\r\n'), lambda t: t.rstrip()]
)
def test_lfw_with_spaces_as_xqlfw_and_other_line_ends(tmp_path, change):
    plain, other = (read_pair_list(write(tmp_path, text)) for text in (lfw_text(), change(lfw_text())))
    assert plain.images == other.images and np.array_equal(plain.pairs, other.pairs)


def test_a_list_without_folds_is_cut_in_ten_with_both_kinds_in_each(tmp_path):
    for count, folds in ((20, 10), (4, 4)):
        found = read_pair_list(write(tmp_path, lfw_text(1, count, header=str(count))))
        assert 'cut in equal parts' in found.fold_rule
        for kind in (True, False):
            assert np.bincount(found.folds[found.issame == kind]).tolist() == [count // folds] * folds
            assert (np.diff(found.folds[found.issame == kind]) >= 0).all()


@pytest.mark.slow
@pytest.mark.real_data
def test_the_real_pairs(real_faces):
    found = read_pair_list(real_faces / 'lfw' / 'pairs.txt')
    assert found.pairs.shape == (3000, 2) and len(found.images) == 3811
    assert np.bincount(found.folds).tolist() == [600] * 5
    assert np.bincount(found.folds[found.issame]).tolist() == [300] * 5
    images = {
        path.relative_to(real_faces / 'lfw/images').with_suffix('').as_posix()
        for path in (real_faces / 'lfw/images').rglob('*.jpg')
    }
    assert set(found.images) == images
    names = np.array(found.identities)
    assert np.array_equal(names[found.pairs[:, 0]] == names[found.pairs[:, 1]], found.issame)


def test_calfw_has_folds_of_the_same_pairs_only(tmp_path):
    found = read_pair_list(write(tmp_path, two_line_text([1, 1, 2, 2, 3, 3] + [0] * 6), 'pairs_CALFW.txt'))
    assert found.images[:2] == ['A0_0001', 'A0_0002'] and found.identities[:2] == ['A0', 'A0']
    assert found.issame.tolist() == [True] * 6 + [False] * 6
    assert found.folds.tolist() == [0, 0, 1, 1, 2, 2] * 2
    assert found.fold_rule.startswith('same pairs as the list has them; different pairs')


def test_cplfw_with_flags_of_one_and_zero(tmp_path):
    found = read_pair_list(write(tmp_path, two_line_text([1] * 20 + [0] * 20), 'pairs_CPLFW.txt'))
    assert found.folds.tolist() == np.repeat(np.arange(10), 2).tolist() * 2
    interleaved = read_pair_list(write(tmp_path, two_line_text(([1] * 2 + [0] * 2) * 10)))
    assert interleaved.folds.tolist() == np.repeat(np.arange(10), 4).tolist()


@pytest.mark.parametrize(
    'name, stem, identity',
    [
        ('Aaron_Eckhart_0001.jpg', 'Aaron_Eckhart_0001', 'Aaron_Eckhart'),
        ('A_2.PNG', 'A_2', 'A'),
        ('sub/J.R._X_01.jpeg', 'sub/J.R._X_01', 'J.R._X'),
        ('x.y_3', 'x.y_3', 'x.y'),
    ],
)
def test_image_names_of_the_two_line_layout(tmp_path, name, stem, identity):
    found = read_pair_list(write(tmp_path, f'{name} 1\nb_1.jpg 1\n{name} 0\nc_1.jpg 0\n'))
    assert found.images == [stem, 'b_1', 'c_1'] and found.identities == [identity, 'b', 'c']


@pytest.mark.parametrize(
    'text, message',
    [
        ('', r'pairs.txt: not a pair list \(empty\). Known are'),
        ('a b c\n', 'line 1 is no header'),
        ('1,2\n', 'line 1 is no header'),
        (lfw_text().replace('P1_1\t1\t3', 'P1_1\t1'), r"line 9: 'P1_1 1' is no pair \(2 fields\).*'name i j'.*correct"),
        (lfw_text().replace('P1_1\t1\t3', 'P1_1\t1\t3\t4\t5'), r'line 9: .* is no pair \(5 fields\)'),
        (lfw_text().replace('P1_1\t1\t3', 'P1_1\t1\tx'), "line 9: 'P1_1 1 x' is no pair"),
        (lfw_text() + 'P\t1\t2\n', "its header '2 3' promises 12 pairs, but 13 follow.*cut off"),
        (lfw_text().replace('2\t3\n', '10\t300\n'), 'promises 6000 pairs, but 12 follow'),
        ('1 2\na 1 2\nb 1 2\nc 1 2\nd 1 2\n', 'all 4 pairs are of the same person. Verification needs both'),
        ('0 1\n', 'all 0 pairs'),
        (two_line_text([0, 0]), 'all 2 pairs are of two persons'),
        (two_line_text([1, 0]) + 'a_1.jpg 1\n', '5 lines, but each pair takes two'),
        (two_line_text([1, 0]).replace('A0_0002.jpg 1', 'A0_0002.jpg 2'), 'lines 1 and following.*flags 1 and 2'),
        (
            two_line_text([1, 0]).replace('A0_0002.jpg 1', 'A0_0002.jpg'),
            r"line 2: 'A0_0002.jpg' is not 'image flag' \(1",
        ),
        (
            two_line_text([1, 0]).replace('A0_0002.jpg 1', 'A0 0002.jpg 1'),
            "line 2: 'A0 0002.jpg 1' is not 'image flag'",
        ),
    ],
)
def test_a_faulty_list_is_named_with_the_remedy(tmp_path, text, message):
    with pytest.raises(PairListError, match=message) as caught:
        read_pair_list(write(tmp_path, text))
    assert str(tmp_path) in str(caught.value) and '\n' not in str(caught.value)


def test_an_absent_list_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='nothing.txt: no such pair list'):
        read_pair_list(tmp_path / 'nothing.txt')


IMAGES = [bytes([200, i, 0, 255, 7]) for i in (0, 1, 2, 0, 1, 1)]
ISSAME = [True, False, True]


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    'images, issame',
    [
        (IMAGES, ISSAME),
        (IMAGES, [1, 0, 1]),
        (tuple(IMAGES), np.array(ISSAME)),
        (IMAGES, list(np.array(ISSAME))),
        ([np.frombuffer(image, np.uint8) for image in IMAGES], ISSAME),
        ([np.frombuffer(image, np.uint8)[:, None].copy() for image in IMAGES], ISSAME),  # as cv2.imencode has given
    ],
)
def test_bin(tmp_path, images, issame, protocol):
    found = read_pair_list(write_bin(tmp_path, images, issame, protocol))
    assert found.images == IMAGES[:3] and all(type(image) is bytes for image in found.images)
    assert found.pairs.tolist() == [[0, 1], [2, 0], [1, 1]]
    assert found.issame.tolist() == ISSAME and found.identities is None and found.folds.tolist() == [0, 1, 2]


def test_bin_of_python_2(tmp_path):
    # pickle.dumps(([b'\xc8\x00', b'\xff\x01', b'\xc8\x00', b'\x07'], [True, False]), 2) of Python 2: str, not bytes
    content = b'\x80\x02](U\x02\xc8\x00U\x02\xff\x01U\x02\xc8\x00U\x01\x07e](\x88\x89e\x86.'
    (tmp_path / 'old.bin').write_bytes(content)
    found = read_pair_list(tmp_path / 'old.bin')
    assert found.images == [b'\xc8\x00', b'\xff\x01', b'\x07'] and found.pairs.tolist() == [[0, 1], [0, 2]]


def test_bin_has_ten_contiguous_folds(tmp_path):
    images = [bytes([i, j]) for i in range(23) for j in range(2)]
    found = read_pair_list(write_bin(tmp_path, images, [i % 2 == 0 for i in range(23)]))
    assert found.folds.tolist() == np.repeat(np.arange(10), [3] * 3 + [2] * 7).tolist()


class Evil:
    """Unpickled by pickle itself, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


def test_bin_runs_nothing(tmp_path):
    target = tmp_path / 'made'
    path = write_bin(tmp_path, [Evil(target), b'x'], [True])
    with pytest.raises(PairListError, match=r'wants to call (_?io|__builtin__|builtins).open.*not safe'):
        read_pair_list(path)
    assert not target.exists()
    pickle.loads(path.read_bytes())  # the test's own check
    assert target.exists()


@pytest.mark.parametrize(
    'content, message',
    [
        (b'', 'EOFError'),
        (b'no pickle', "not insightface's .bin"),
        (pickle.dumps((IMAGES, ISSAME))[:-20], 'Fetch it again'),
        (pickle.dumps((IMAGES, ISSAME[:2])), '6 images and 2 pairs'),
        (pickle.dumps(([], [])), '0 images and 0 pairs'),
        (pickle.dumps((['a', 'b', 'c', 'd'], [True, False])), '4 images and 2 pairs'),
        (pickle.dumps(5), 'TypeError'),
        (pickle.dumps(([np.zeros(3), b'x'], [True])), 'an array of type f8, only uint8 and bool'),
        (pickle.dumps((np.array([b'x', 'y'], object), [True])), 'an array of type O'),
        (pickle.dumps((IMAGES, [True] * 3)), 'all 3 pairs are of the same person'),
        (b'cnumpy\ndtype\n(I1\nI2\ntb.', "not insightface's .bin"),  # sets attributes of a class
        (b'cbuiltins\neval\n(S"1"\ntR.', 'wants to call builtins.eval'),
        (b'P1\n.', 'Fetch it again'),
    ],
)
def test_a_faulty_bin_is_named(tmp_path, content, message):
    (tmp_path / 'faces.bin').write_bytes(content)
    with pytest.raises(PairListError, match=message) as caught:
        read_pair_list(tmp_path / 'faces.bin')
    assert 'faces.bin' in str(caught.value)
