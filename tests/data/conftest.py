"""Faces that several tests of data degrade: drawn, of six persons."""

import pytest
import torch

from rim_plugin.data.resize import to_tensor
from rim_plugin.data.synthetic.faces import draw_face


@pytest.fixture(scope='session')
def images():
    return [draw_face(0, person, 0).image for person in range(6)]


@pytest.fixture(scope='session')
def faces(images):
    return torch.stack([to_tensor(image) for image in images])
