"""rim-export: which files, and how far they are from PyTorch."""

import pytest
from support.commands import files_below

from rim_plugin import cli


@pytest.mark.slow
def test_export_tells_by_how_much_it_differs(networks, tmp_path, capsys):
    pytest.importorskip('onnx')
    cli.export(['--onnx', str(tmp_path), '--size', '8', *networks])
    assert len(capsys.readouterr().out.splitlines()) == 2 and files_below(tmp_path) == ['embed_8.onnx', 'fhn_8.onnx']
