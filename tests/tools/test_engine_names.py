"""Names of engines: what is possible, what is not, what is missing."""

import importlib.util

import pytest

from rim_plugin.errors import MissingPackage, OptionsError
from rim_plugin.tools import engine_names
from rim_plugin.tools.engine_names import POSSIBLE, Engine, missing_packages, parse_engine, require_packages


def test_every_possible_name_is_read_and_written():
    assert [str(parse_engine(name)) for name in POSSIBLE] == list(POSSIBLE)
    assert parse_engine('openvino') == Engine('openvino', 'fp32') == parse_engine('openvino:fp32')
    assert str(parse_engine('auto')) == 'auto'


@pytest.mark.parametrize(
    'text, message',
    [
        ('openvin', "engine: 'openvin' is unknown; did you mean 'openvino'"),
        ('', "engine: '' is unknown; known: auto, compile"),
        ('openvino:int4', "'openvino:int4' is unknown; did you mean 'openvino:int8'"),
        ('onnxruntime:bf16', "'onnxruntime:bf16' is unknown"),
        ('torch:', "'torch:' is unknown"),
        ('auto:int8', "'auto:int8' is unknown"),
    ],
)
def test_wrong_names(text, message):
    with pytest.raises(OptionsError, match=message):
        parse_engine(text)


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(engine_names, 'find_spec', lambda name: None if name == 'openvino' else find(name))
    assert missing_packages(Engine('torch')) == [] and 'openvino' in missing_packages(Engine('openvino'))
    with pytest.raises(MissingPackage, match=r'engine openvino:int8 needs .*openvino: .*the extra .openvino. of'):
        require_packages(Engine('openvino', 'int8'))
