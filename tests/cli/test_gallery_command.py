"""rim-gallery: enrol, search, list, remove."""

import json
from pathlib import Path

import pytest
from support.commands import failed

from rim_plugin import cli


def test_from_enrolment_to_removal(networks, faces, tmp_path, capsys):
    index = str(tmp_path / 'new/index')
    cli.gallery(['enrol', index, str(faces), *networks])
    assert '4 photos enrolled' in capsys.readouterr().out
    cli.gallery(['search', index, str(faces / 'b.jpg'), '-k', '2', '--json', *networks])
    hits = json.loads(capsys.readouterr().out)
    assert [hit['rank'] for hit in hits] == [1, 2] and hits[0]['name'] == 'b' and hits[0]['same']
    cli.gallery(['search', index, str(faces / 'b.jpg'), *networks])
    assert capsys.readouterr().out.startswith('1. b: 1.000, reaches the threshold of a pair')
    cli.gallery(['remove', index, 'b'])
    capsys.readouterr()
    cli.gallery(['list', index])
    assert capsys.readouterr().out == 'a\t1\nlarge\t1\nsüb\t1\n'
    before = Path(index).read_bytes()
    assert 'nobody of that name' in failed(cli.gallery, 'remove', index, 'b')
    (tmp_path / 'empty').mkdir()
    assert 'holds none' in failed(cli.gallery, 'enrol', index, tmp_path / 'empty', *networks)
    assert Path(index).read_bytes() == before


@pytest.mark.parametrize('ranks', ['0', '1001', '-1', 'many'])
def test_ranks_out_of_range_are_named(ranks, capsys):
    with pytest.raises(SystemExit):
        cli.gallery(['search', 'index', 'photo.png', '-k', ranks])
    assert f'{ranks} is no whole number from 1 to 1000' in capsys.readouterr().err
