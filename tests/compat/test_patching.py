"""A patched function is patched under every name by which BasicSR knows it."""

import sys
import types

import pytest

from rim_plugin.compat.patching import replaces


@pytest.fixture
def modules(monkeypatch):
    """Four modules that hold the same function under the same name."""

    def double(x, by=2):
        """Multiplies."""
        return by * x

    made = {}
    for name in ('basicsr.here', 'basicsr.there', '__main__', 'basicsrs'):
        made[name] = types.ModuleType(name)
        made[name].double = double
        monkeypatch.setitem(sys.modules, name, made[name])
    return made


def test_a_function(modules):
    original = modules['basicsrs'].double
    modules['basicsr.there'].other = original
    replaces(modules['basicsr.here'], 'double')(lambda original, x, by=10: original(x, by=by) + 1)
    for name in ('basicsr.here', 'basicsr.there', '__main__'):
        assert modules[name].double(3) == 31 and modules[name].double(3, by=4) == 13
        assert modules[name].double.__doc__ == 'Multiplies.'
    assert modules['basicsrs'].double is original  # nobody else's


def test_another_function_of_the_same_name_stays(modules):
    modules['basicsr.there'].double = mine = lambda x: x
    replaces(modules['basicsr.here'], 'double')(lambda original, x: 0)
    assert modules['basicsr.there'].double is mine


def test_a_method():
    class Net:
        factor = 3

        def scale(self, x):
            return self.factor * x

    class Child(Net):
        factor = 5

    replaces(Net, 'scale')(lambda original, self, x: -original(self, x))
    assert Net().scale(2) == -6 and Child().scale(2) == -10
    assert Net.scale.__name__ == 'scale'
