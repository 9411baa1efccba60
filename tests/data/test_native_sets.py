"""Published sets of small faces, read from small made-up copies of their layouts."""

import numpy as np
import pytest
from support.native_sets import WRITERS, cells

from rim_plugin.data.native_sets import read_native_set
from rim_plugin.errors import OptionsError
from rim_plugin.options.datasets import NativeOptions


def read(layout, root):
    return read_native_set(NativeOptions(layout=layout, dataroot_gt=str(root)), 'set')


@pytest.fixture(params=WRITERS)
def layout(request, tmp_path):
    """Name and folder of each layout."""
    return request.param, WRITERS[request.param](tmp_path / 'set')


def who(images):
    return [image.rsplit('/', 1)[1].split('_')[0] for image in images]


def test_tinyface(tmp_path):
    found = read('tinyface', WRITERS['tinyface'](tmp_path))
    search = found.searches['identification']
    images = np.array(found.images)
    assert len(images) == 11 and (found.templates == np.arange(11)).all() and found.pairs is None
    assert search.identities[:4].tolist() == ['1', '1', '2', '3'] == who(images[search.gallery[:4]])
    assert len(set(search.identities[4:])) == 3 and all(
        'Gallery_Distractor' in each for each in images[search.gallery[4:]]
    )
    assert search.probe_identities.tolist() == who(images[search.probes]) and not len(search.strangers)


def test_survface(tmp_path):
    found = read('survface', WRITERS['survface'](tmp_path))
    search, images = found.searches['identification'], np.array(found.images)
    assert search.identities.tolist() == who(images[search.gallery]) and len(search.gallery) == 6
    assert search.probe_identities.tolist() == who(images[search.probes]) and len(search.strangers) == 4
    assert all('unmated_probe' in each for each in images[search.strangers])
    first, second = (who(images[found.pairs[:, column]]) for column in (0, 1))
    assert found.issame.tolist() == [True] * 3 + [False] * 4 == [a == b for a, b in zip(first, second)]


def test_survface_with_its_lists_among_the_evaluation(tmp_path):
    root = WRITERS['survface'](tmp_path)
    (root / 'Face_Identification_Evaluation').mkdir()
    for path in (root / 'Face_Identification_Test_Set').glob('*.mat'):
        path.rename(root / 'Face_Identification_Evaluation' / path.name)
    assert len(read('survface', root).searches['identification'].gallery) == 6


def test_scface(tmp_path):
    found = read('scface', WRITERS['scface'](tmp_path))
    images = np.array(found.images)
    assert [*found.searches] == ['distance_1', 'distance_2', 'distance_3'] and not any(
        'cam8' in each for each in images
    )
    for distance, search in enumerate(found.searches.values(), 1):
        assert search.identities.tolist() == ['001', '002', '003'] == who(images[search.gallery])
        assert search.probe_identities.tolist() == who(images[search.probes]) and len(search.probes) == 6
        assert all(each.endswith(f'_{distance}.jpg') for each in images[search.probes])


def test_ijb(tmp_path):
    found = read('ijb', WRITERS['ijb'](tmp_path))
    assert found.templates.tolist() == [0, 0, 0, 1, 2, 3, 4, 4] and found.images[0] == 'loose_crop/1.jpg'
    assert found.media[0] == found.media[1] != found.media[2] and found.points.shape == (8, 5, 2)
    assert found.pairs.tolist() == [[0, 1], [2, 3], [0, 2], [1, 4], [3, 4]]
    assert found.issame.tolist() == [True, True, False, False, False]
    first, second = found.searches['gallery_G1'], found.searches['gallery_G2']
    assert first.gallery.tolist() == [0] and first.probes.tolist() == [1] and first.strangers.tolist() == [3]
    assert second.gallery.tolist() == [2, 4] and second.probes.tolist() == [3] and second.strangers.tolist() == [1]
    for path in (tmp_path / 'meta').glob('*1N*'):
        path.unlink()
    assert read('ijb', tmp_path).searches == {}


def test_an_absent_image_is_named(layout):
    name, root = layout
    found = read(name, root)
    listed = found.images[0] if name in ('tinyface', 'survface', 'ijb') else None
    if listed is None:
        (root / found.images[0]).unlink()
        assert '001' not in read(name, root).searches['distance_1'].identities
    else:
        (root / listed).unlink()
        with pytest.raises(OptionsError, match=f'layout {name}: .*{listed} is in a list, but absent'):
            read(name, root)


@pytest.mark.parametrize('name', WRITERS)
def test_an_empty_folder_is_told_in_one_line(name, tmp_path):
    with pytest.raises(OptionsError, match=f'^set: layout {name}: ') as caught:
        read(name, tmp_path)
    assert '\n' not in str(caught.value) and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    'name, file, content, words',
    [
        ('ijb', 'meta/ijbc_template_pair_label.txt', '10 11 1\n20 21\n', 'line 2 has not 3 words'),
        ('ijb', 'meta/ijbc_template_pair_label.txt', '10 99 1\n', 'template 99 is in no line'),
        ('ijb', 'meta/ijbc_name_5pts_score.txt', '1.jpg 1 2 3 4 5 6 7 8 9 10 1\n', 'has other images'),
        (
            'tinyface',
            'Testing_Set/probe_img_ID_pairs.mat',
            'no file of MATLAB',
            'probe_img_ID_pairs.mat: cannot be read',
        ),
    ],
)
def test_a_list_of_another_layout_is_told(name, file, content, words, tmp_path):
    root = WRITERS[name](tmp_path)
    (root / file).write_text(content)
    with pytest.raises(OptionsError, match=words) as caught:
        read(name, root)
    assert '\n' not in str(caught.value)


def test_names_and_persons_that_do_not_pair_are_told(tmp_path):
    from scipy.io import savemat

    root = WRITERS['tinyface'](tmp_path)
    file = root / 'Testing_Set/probe_img_ID_pairs.mat'
    savemat(file, {'probe_set': cells(['1_3.jpg']), 'probe_ids': np.array([[1], [2]])})
    with pytest.raises(OptionsError, match='1 images of 2 persons'):
        read('tinyface', root)
    savemat(file, {'other': cells(['1_3.jpg'])})
    with pytest.raises(OptionsError, match='no variable probe_set'):
        read('tinyface', root)
