"""A BasicSR model for the tests of the patches."""

import pytest
from support.tiny_training import TinyNet

from rim_plugin.run_state import RUN

from basicsr.models.base_model import BaseModel


@pytest.fixture
def model(tmp_path):
    """A BasicSR model with an EMA network, whose files go to tmp_path."""
    model = BaseModel(
        {
            'num_gpu': 0,
            'is_train': True,
            'dist': False,
            'rank': 0,
            'world_size': 1,
            'path': {'models': str(tmp_path / 'models'), 'training_states': str(tmp_path / 'states')},
        }
    )
    model.net_g, model.net_g_ema = TinyNet(), TinyNet()
    RUN.reset()
    return model
