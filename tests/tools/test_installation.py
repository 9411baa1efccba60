"""What is told about the installation, where something is absent or broken, too."""

from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import pytest

from rim_plugin.tools import installation


class Metadata(dict):
    def get_all(self, _):
        return ['onnx', 'lpips']


@pytest.fixture
def package(monkeypatch):
    """An installation that wants pytest, a newer one for onnx, and something that nobody has for lpips."""
    requires = ['pytest>=1', 'pytest>=1000; extra == "onnx"', "nobody-has-it>=2 ; extra == 'lpips'"]
    package = SimpleNamespace(requires=requires, metadata=Metadata())
    monkeypatch.setattr(installation, 'distribution', lambda _: package)


def test_extras_say_what_is_missing_or_old_and_the_pip_line(package):
    extras = installation.extras()
    assert [*extras] == ['required', 'onnx', 'lpips']
    assert extras['required']['missing'] == [] and extras['required']['remedy'] is None
    assert extras['required']['installed'] == [f'pytest {pytest.__version__}'] == extras['onnx']['installed']
    assert extras['onnx']['missing'] == ['pytest'] and extras['onnx']['remedy'] == "pip install 'pytest>=1000'"
    assert extras['lpips']['installed'] == [] and extras['lpips']['remedy'] == "pip install 'nobody-has-it>=2'"


def test_a_package_that_is_only_on_the_path(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(installation, 'distribution', absent)
    assert 'only on the path' in installation.extras()['unknown']


def test_absent_and_damaged_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(installation, 'shipped_weights', lambda: tmp_path / 'weights/rim.safetensors')
    assert installation.weights() == {'file': None, 'wanted': str(tmp_path / 'weights/rim.safetensors')}
    (tmp_path / 'weights').mkdir()
    (tmp_path / 'weights/rim.safetensors').write_bytes(b'no weights')
    assert installation.installation('1')['weights'].startswith('cannot be told: FileNotFoundError')
    (tmp_path / 'weights/rim.json').write_text('{"sha256": "0", "calibrations": [{"size": 7}]}')
    found = installation.weights()
    assert found['bytes'] == 10 and found['as in NAME.json'] is False
    assert found['calibrated for probes of pixels'] == [7]
