"""A file whose name has the right ending registers itself."""

import importlib
import sys

from rim_plugin.discovery import import_modules, module_names


def test_modules_of_the_ending_are_named_in_order_and_all_are_imported(tmp_path, monkeypatch):
    folder = tmp_path / 'found_here'
    folder.mkdir()
    for name in ('__init__', 'b_loss', 'a_loss'):
        (folder / f'{name}.py').write_text('')
    (folder / 'helper.py').write_text('')
    monkeypatch.syspath_prepend(str(tmp_path))
    assert module_names('found_here', '_loss') == ('found_here.a_loss', 'found_here.b_loss')
    import_modules(importlib.import_module('found_here'))
    assert {'found_here.a_loss', 'found_here.b_loss', 'found_here.helper'} <= set(sys.modules)
