"""Engines that run the networks, by name: what a command is asked, without importing any of them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple

from rim_plugin.errors import MissingPackage, check_choice

AUTO = 'auto'
# What is possible, ENGINE:PRECISION, and the packages that it needs. onnxruntime has no bf16 on a CPU; PyTorch's own
# int8 has been taken out of it. Both int8 run one graph, which onnxruntime quantises.
POSSIBLE: dict[str, tuple[str, ...]] = {
    'torch:fp32': (),
    'torch:bf16': (),
    'compile:fp32': (),
    'compile:bf16': (),
    'onnxruntime:fp32': ('onnx', 'onnxruntime'),
    'onnxruntime:int8': ('onnx', 'onnxruntime'),
    'openvino:fp32': ('onnx', 'openvino'),
    'openvino:bf16': ('onnx', 'openvino'),
    'openvino:int8': ('onnx', 'onnxruntime', 'openvino'),
}
ENGINES = tuple(dict.fromkeys(name.partition(':')[0] for name in POSSIBLE))
ON_CPU = ('onnxruntime', 'openvino')  # as they are used here
_EXTRAS = {'onnxruntime': 'onnx', 'openvino': 'openvino'}


class Engine(NamedTuple):
    """What runs the networks: ``torch``, ``compile``, ``onnxruntime`` or ``openvino``, in ``fp32``, ``bf16``, ``int8``.

    The name ``auto`` leaves the choice to :class:`rim_plugin.tools.engines.Auto`.
    """

    name: str
    precision: str = 'fp32'

    def __str__(self) -> str:
        return self.name if self.name == AUTO else f'{self.name}:{self.precision}'


def parse_engine(text: str) -> Engine:
    """The engine of ``auto`` or ``NAME[:PRECISION]``; fp32 where that is not said.

    Raises:
        OptionsError: there is no such engine, or it has no such precision.
    """
    name, colon, precision = text.partition(':')
    check_choice('engine', name, (AUTO, *ENGINES))
    if name == AUTO:
        check_choice('engine', text, (AUTO,))
        return Engine(AUTO)
    check_choice('engine', f'{name}:{precision or "fp32"}' if precision or not colon else text, POSSIBLE)
    return Engine(name, precision or 'fp32')


def missing_packages(engine: Engine) -> list[str]:
    """The packages that an engine needs and that are not installed."""
    return [package for package in POSSIBLE.get(str(engine), ()) if find_spec(package) is None]


def require_packages(engine: Engine) -> None:
    """Check that an engine's packages are installed.

    Raises:
        MissingPackage: one is not; says how to install it.
    """
    missing = missing_packages(engine)
    if missing:
        extra = _EXTRAS[engine.name]
        raise MissingPackage(
            f'engine {engine} needs {" and ".join(missing)}: pip install {" ".join(missing)} '
            f"(the extra '{extra}' of rim-plugin: pip install .[{extra}])"
        )
