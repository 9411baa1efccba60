"""Identity of SR faces against NumPy."""

import numpy as np
import pytest
import torch

from rim_plugin.losses.sr_identity_loss import CosineIdentityLoss


def test_one_less_the_cosine():
    sr, hr = np.random.default_rng(0).normal(size=(2, 5, 7))
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(sr, hr, strict=True)]
    loss = CosineIdentityLoss(0.5)(torch.from_numpy(sr), torch.from_numpy(hr))
    assert loss.item() == pytest.approx(0.5 * (1 - np.mean(cosines)))


def test_length_does_not_matter_and_ends_of_the_range():
    sr = torch.randn(4, 6, dtype=torch.float64)
    loss = CosineIdentityLoss()
    assert loss(3 * sr, sr).item() == pytest.approx(0, abs=1e-12)
    assert loss(-sr, sr).item() == pytest.approx(2)


def test_other_shapes_are_refused():
    with pytest.raises(
        ValueError, match=r'CosineIdentityLoss: embeddings must have one shape: sr \(4, 6\), hr \(1, 6\)'
    ):
        CosineIdentityLoss()(torch.rand(4, 6), torch.rand(1, 6))
