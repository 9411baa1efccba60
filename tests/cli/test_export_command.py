"""rim-export: which files, and how far they are from PyTorch."""

import pytest
from support.commands import failed, files_below

from rim_plugin import cli


def test_size_and_folder_reach_the_export(tiny_weights, tmp_path, monkeypatch, capsys):
    def export_onnx(rim, folder, size):
        return {f'{folder}/embed_{size}.onnx': 2e-6}

    monkeypatch.setattr('rim_plugin.tools.export.export_onnx', export_onnx)
    cli.export(['--onnx', 'out', '--size', '4', *tiny_weights])
    assert capsys.readouterr().out == 'out/embed_4.onnx: differs from PyTorch by at most 2.0e-06\n'
    message = failed(cli.export, '--onnx', tmp_path, '--weights', tmp_path / 'absent/x.safetensors')
    assert 'x.safetensors: no such weights file' in message


def test_a_file_in_the_way_is_told_before_networks_are_loaded(tmp_path):
    (tmp_path / 'file').write_text('')
    assert 'file is a file' in failed(cli.export, '--onnx', tmp_path / 'file/x', '--weights', 'nowhere')


@pytest.mark.slow
def test_export_tells_by_how_much_it_differs(tiny_weights, tmp_path, capsys):
    pytest.importorskip('onnx')
    cli.export(['--onnx', str(tmp_path), '--size', '8', *tiny_weights])
    assert len(capsys.readouterr().out.splitlines()) == 2 and files_below(tmp_path) == ['embed_8.onnx', 'fhn_8.onnx']
