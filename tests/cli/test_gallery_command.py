"""rim-gallery: enrol, search, list, remove."""

import importlib.util
import json
from pathlib import Path

import pytest
from PIL import Image
from safetensors.numpy import save_file
from support.commands import ONE_FACE, TWO_FACES, failed
from support.galleries import SHA256, photos_of, unit
from support.large_pictures import write_header

from rim_plugin import cli
from rim_plugin.tools.gallery.opening import open_store


def enrol_partly(*arguments):
    """Enrol a folder in which a photo is left out."""
    with pytest.raises(SystemExit, match='^3$'):
        cli.gallery(['enrol', *arguments])


@pytest.mark.slow
def test_from_enrolment_to_removal(networks, faces, tmp_path, capsys):
    index = str(tmp_path / 'new/index')
    enrol_partly(index, str(faces), *networks)
    assert '4 photos enrolled' in capsys.readouterr().out
    cli.gallery(['search', index, str(faces / 'b.jpg'), '-k', '2', '--json', *networks])
    answer = json.loads(capsys.readouterr().out)
    hits = answer['hits']
    assert [hit['rank'] for hit in hits] == [1, 2] and hits[0]['name'] == 'b' and hits[0]['same']
    assert (answer['name'], answer['nobody'], answer['fpir'], answer['photos']) == ('b', False, 0.01, 4)
    assert answer['faces_found'] == 1 and answer['side'] == 12
    cli.gallery(['search', index, str(faces / 'b.jpg'), *networks])
    assert capsys.readouterr().out.startswith('b (FPIR 0.01, 4 photos)\n1. b: 1.000, reaches 0.')
    cli.gallery(['remove', index, 'b'])
    capsys.readouterr()
    cli.gallery(['list', index])
    assert capsys.readouterr().out == 'a\t1\nlarge\t1\nsüb\t1\n'
    before = Path(index).read_bytes()
    assert 'nobody of that name' in failed(cli.gallery, 'remove', index, 'b')
    (tmp_path / 'empty').mkdir()
    assert 'holds none' in failed(cli.gallery, 'enrol', index, tmp_path / 'empty', *networks)
    assert Path(index).read_bytes() == before


@pytest.mark.slow
def test_photos_cut_otherwise_are_refused_before_the_work_and_searched_for_with_a_line(
    networks, photo, faces, tmp_path, capsys, monkeypatch
):
    index = tmp_path / 'index'
    enrol_partly(str(index), str(faces), *networks, '--detect', 'none')
    before = index.read_bytes()
    capsys.readouterr()
    cli.gallery(['list', str(index)])
    assert capsys.readouterr().err == '4 persons, 4 photos, cut: aligned\n'
    told = f'{index}: its faces were cut by --detect none, what is searched for by --detect {ONE_FACE}: similarities'
    cli.gallery(['search', str(index), str(photo), *networks, '--detect', ONE_FACE])
    assert capsys.readouterr().err.splitlines()[0].startswith(told)
    cli.gallery(['search', str(index), str(faces / 'a.png'), *networks, '--detect', 'none'])
    assert capsys.readouterr().err == ''
    monkeypatch.setattr('rim_plugin.tools.gallery.enrolment.embed_photos', None)  # is not come to
    message = failed(cli.gallery, 'enrol', index, faces, *networks, '--detect', ONE_FACE)
    assert f'{index}: its faces were cut by --detect none, these by --detect {ONE_FACE}: enrol by --detect' in message
    assert index.read_bytes() == before


@pytest.mark.parametrize('ranks', ['0', '1001', '-1', 'many'])
def test_ranks_out_of_range_are_named(ranks, capsys):
    with pytest.raises(SystemExit):
        cli.gallery(['search', 'index', 'photo.png', '-k', ranks])
    assert f'{ranks} is no whole number from 1 to 1000' in capsys.readouterr().err


def test_an_index_of_an_earlier_version_is_taken_over_once(tmp_path, capsys):
    old, new = tmp_path / 'old.rim', tmp_path / 'new.rim'
    header = json.dumps({'sha256': SHA256, 'photos': [photo[:3] for photo in photos_of(['Ann', 'Bob', 'Ann'])]})
    save_file({'embeddings': unit(3)}, old, {'gallery': header})
    assert f'earlier version: take it over by rim-gallery import NEW {old}' in failed(cli.gallery, 'list', old)
    for _ in range(2):
        cli.gallery(['import', str(new), str(old)])
        assert capsys.readouterr().out == f'3 photos taken over; {new}: 2 persons, 3 photos\n'
    with open_store(new, sha256=SHA256) as store:
        assert store.cut() is None
        assert [hit.name for hit in store.search(unit(3)[1])] == ['Bob', 'Ann']
    assert 'damaged, or no index' in failed(cli.gallery, 'import', new, new)
    assert 'no such gallery' in failed(cli.gallery, 'import', new, tmp_path / 'nowhere')


@pytest.mark.parametrize('options', [[], ['--detect', ONE_FACE]])
def test_a_large_picture_is_refused_by_its_header(networks, tmp_path, capsys, options):
    people = tmp_path / 'people'
    people.mkdir()
    large = write_header(people / 'large.png', 12000, 9000)
    weights = ['--weights', tmp_path / 'absent.safetensors']
    assert '108 megapixels' in failed(cli.gallery, 'search', tmp_path / 'index', large, *weights, *options)
    Image.new('RGB', (160, 160)).save(people / 'a.png')
    enrol_partly(str(tmp_path / 'index'), str(people), *networks, *options)
    printed = capsys.readouterr()
    assert '1 photos enrolled' in printed.out and 'large.png: 108 megapixels' in printed.err


@pytest.mark.slow
def test_a_wrong_gallery_is_named_before_the_work(networks, faces, tmp_path):
    (tmp_path / 'index').write_text('text')
    assert 'damaged, or no gallery' in failed(cli.gallery, 'enrol', tmp_path / 'index', faces, *networks)
    assert 'no such gallery' in failed(cli.gallery, 'search', tmp_path / 'new', faces / 'a.png', *networks)
    assert 'no such gallery' in failed(cli.gallery, 'list', tmp_path / 'new')
    assert [file.name for file in tmp_path.iterdir() if 'new' in file.name] == []


def test_addresses_of_no_server_end_in_one_line():
    assert 'no postgresql://... address' in failed(cli.gallery, '--store', 'people.rim', 'list', 'people')
    if importlib.util.find_spec('psycopg') and importlib.util.find_spec('pgvector'):
        nobody = 'postgresql://somebody:secret@127.0.0.1:1/faces'
        message = failed(cli.gallery, '--store', nobody, 'list', 'people')
        assert 'people: the database says: ' in message and 'secret' not in message
    else:
        assert "pip install 'rim-plugin[postgres]'" in failed(cli.gallery, '--store', 'postgresql://', 'list', 'people')


def test_several_faces_of_one_size_are_left_out_of_a_gallery(networks, photo, tmp_path):
    people, index = photo.parent / 'people', tmp_path / 'index'
    people.mkdir()
    photo.rename(people / 'photo.png')
    argv = [index, people, *networks, '--detect', TWO_FACES]
    assert 'photo.png: 2 faces found; cut out the one that is meant' in failed(cli.gallery, 'enrol', *argv)
    assert not index.exists()


def test_a_search_of_a_stranger_says_nobody(networks, rim, faces, tmp_path, capsys):
    index = str(tmp_path / 'index')
    with open_store(index, sha256=rim.weights.sha256, make=True) as store:
        store.add(photos_of(['Ann']), unit(1))
    cli.gallery(['search', index, str(faces / 'a.png'), *networks])
    assert capsys.readouterr().out.startswith('nobody enrolled (FPIR 0.01, 1 photos)\n1. Ann: ')


@pytest.mark.slow
def test_a_gallery_is_evaluated(networks, faces, tmp_path, capsys):
    index, folder = str(tmp_path / 'index'), tmp_path / 'out'
    enrol_partly(index, str(faces), *networks)
    cli.gallery(['remove', index, 'large'])
    capsys.readouterr()
    cli.gallery(['evaluate', index, str(faces), '-o', str(folder), *networks])
    told = capsys.readouterr().out
    assert '3 photos enrolled; searches: 3 mated, 1 others' in told and 'FNIR at FPIR 0.1: 0.3333' in told
    figures = json.loads((folder / 'evaluation.json').read_text())
    assert figures['at'][0] == {'fpir': 0.01, 'fnir': 1 / 3}  # a and c are the same picture
    assert Image.open(folder / 'det.png').size[0] > 500
    enrol_partly(index, str(faces), *networks)
    message = failed(cli.gallery, 'evaluate', index, faces, *networks)
    assert 'searches by persons who are not enrolled; there are none' in message


@pytest.mark.parametrize('rate', ['0', '1', '-0.1', 'few'])
def test_rates_that_are_none_are_named(rate, capsys):
    with pytest.raises(SystemExit):
        cli.gallery(['search', 'index', 'photo.png', f'--fpir={rate}'])
    assert f'{rate} is no number between 0 and 1' in capsys.readouterr().err
