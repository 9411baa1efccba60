"""The folder that takes all a visitor brings, and a machine without Gradio."""

import sys
import tempfile

import pytest

from rim_plugin.errors import MissingPackage
from rim_plugin.tools.demo.serving import private_folder


def test_without_gradio_one_line_says_what_to_install_and_nothing_stays(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    monkeypatch.setitem(sys.modules, 'gradio', None)
    message = r"rim demo needs the package gradio .*pip install 'rim-plugin\[demo\]'"
    with pytest.raises(MissingPackage, match=message), private_folder():
        raise AssertionError('not reached')
    assert tempfile.tempdir == str(tmp_path) and not any(tmp_path.iterdir())
