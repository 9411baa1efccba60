"""A metric in a class of its own, as a user adds one, and one that is a plain function of BasicSR's registry."""

import numpy as np
import pytest

from rim_plugin.evaluation.metric import METRICS, ImageMetric, register_metric

from basicsr.utils.registry import METRIC_REGISTRY


class ToyDistance(ImageMetric):
    """Mean of the absolute difference of SR and HR image to a power."""

    higher_is_better = False
    title = 'toy'
    needs = ('sr', 'gt')
    standard = {'toy_1': {}, 'toy_3': {'power': 3}}

    def __init__(self, power: float = 1) -> None:
        super().__init__()
        self.power = power

    def measure(self, data):
        return (data['sr'] - data['gt']).abs().pow(self.power).mean((1, 2, 3))


def toy_function(img, img2, scale=1):
    return scale * float(np.abs(img.astype(float) - img2).mean())


@pytest.fixture
def toys(monkeypatch):
    """Both registered, for one test."""
    monkeypatch.setattr(METRIC_REGISTRY, '_obj_map', dict(METRIC_REGISTRY._obj_map))
    register_metric('toy_distance')(ToyDistance)
    METRIC_REGISTRY.register(toy_function)
    yield
    del METRICS['toy_distance']
