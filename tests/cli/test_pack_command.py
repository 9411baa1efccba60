"""scripts/pack_weights.py: files, thresholds and card, which rim-verify then reads."""

import json

import pytest
from PIL import Image
from support.commands import failed
from support.pair_files import face_pairs

from rim_plugin import cli
from rim_plugin.tools import packing


def test_what_cannot_be_packed_is_told_in_one_line(tiny, tmp_path):
    arguments = ['-opt', tiny.options, '--fhn', tiny.fhn, '-o']
    assert '.safetensors' in failed(cli.pack, *arguments, tmp_path / 'x.pth')
    assert 'does not fit HRN' in failed(cli.pack, *arguments, tmp_path / 'x.safetensors', '--hrn', tiny.fhn)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_weights_are_packed_with_thresholds_and_card(tiny, tmp_path, make_face, capsys):
    (tmp_path / 'verify.yml').write_text(json.dumps({'datasets': face_pairs(tmp_path, make_face)}))
    (tmp_path / 'notes.txt').write_text('Faces of nobody.')
    arguments = ['-opt', tiny.options, '--fhn', tiny.fhn, '--hrn', tiny.hrn, '--commit', 'abc']
    cli.pack(
        [
            *arguments,
            '-o',
            str(tmp_path / 'w/x.safetensors'),
            '--verify',
            str(tmp_path / 'verify.yml'),
            '--notes',
            str(tmp_path / 'notes.txt'),
        ]
    )
    facts = json.loads((tmp_path / 'w/x.json').read_text())
    assert [each['size'] for each in facts['calibrations']] == [8, 64] and facts['facts']['seed'] == 7
    assert facts['facts']['results']['lfw']['figures']['auc'] == 1
    card = (tmp_path / 'w/x.md').read_text()
    for words in (
        facts['sha256'],
        'of one training',
        'Faces of nobody.',
        '`abc`',
        '| lfw_8 | 8 |',
        '| lfw | full |',
        'Intended use',
        'rim pack -opt',
        'random weights',
    ):
        assert words in card, words
    Image.fromarray(make_face(64)).save(tmp_path / 'a.png')
    capsys.readouterr()
    cli.verify([str(tmp_path / 'a.png')] * 2 + ['--detect', 'none', '--weights', str(tmp_path / 'w/x.safetensors')])
    assert 'same person' in capsys.readouterr().out


def test_the_folder_is_there_before_anything_is_measured(tiny, tmp_path, monkeypatch):
    folder, seen = tmp_path / 'new' / 'folder', []
    monkeypatch.setattr(packing, 'known_faces', lambda *_: [None])
    monkeypatch.setattr(packing, 'RIM', lambda *_, **__: None)
    monkeypatch.setattr(packing, 'measure_calibration', lambda *_: seen.append(folder.is_dir()) or 1 / 0)
    known = ['--calibrate', 'faces', '--identities', 'who.txt', '-o', str(folder / 'x.safetensors')]
    with pytest.raises(ZeroDivisionError):
        cli.pack(['-opt', tiny.options, '--fhn', tiny.fhn, *known])
    assert seen == [True]


def test_as_many_persons_calibrate_as_are_wanted(tiny, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(packing, 'known_faces', lambda *arguments: given.append(arguments) or refuse())

    def refuse():
        raise ValueError('enough seen')

    known = [
        '--calibrate',
        'faces',
        '--identities',
        'who.txt',
        '--persons',
        '40',
        '-o',
        str(tmp_path / 'x.safetensors'),
    ]
    assert 'enough seen' in failed(cli.pack, '-opt', tiny.options, '--fhn', tiny.fhn, *known)
    assert given == [('faces', 'who.txt', None, 40)]
