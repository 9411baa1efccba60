"""A file whose name has the right ending registers itself."""

import importlib

from rim_plugin.discovery import import_modules


def test_modules_of_the_ending_are_imported_in_order(tmp_path, monkeypatch):
    folder = tmp_path / 'found_here'
    folder.mkdir()
    for name in ('__init__', 'b_loss', 'a_loss'):
        (folder / f'{name}.py').write_text('')
    (folder / 'helper.py').write_text('raise AssertionError("imported without the ending")')
    monkeypatch.syspath_prepend(str(tmp_path))
    modules = import_modules(importlib.import_module('found_here'), '_loss')
    assert [module.__name__ for module in modules] == ['found_here.a_loss', 'found_here.b_loss']
