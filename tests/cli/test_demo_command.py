"""``rim demo`` on a machine without Gradio."""

import sys

from support.commands import failed

from rim_plugin import cli


def test_without_gradio_it_ends_in_one_line_before_networks_are_loaded(monkeypatch):
    monkeypatch.setitem(sys.modules, 'gradio', None)
    message = failed(cli.demo, '--weights', 'absent.safetensors')
    assert "pip install 'rim-plugin[demo]'" in message
