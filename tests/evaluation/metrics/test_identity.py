"""The identity similarity."""

import pytest
import torch

from rim_plugin.evaluation.metrics.identity import Identity


def test_identity_is_the_cosine_of_embeddings_of_any_length():
    metric = Identity()
    metric.update({'sr_embedding': torch.tensor([[3.0, 0], [1, 1]]), 'gt_embedding': torch.tensor([[2.0, 0], [0, 5]])})
    assert metric.values.tolist() == pytest.approx([1, 0.5**0.5])
    assert metric.compute() == pytest.approx((1 + 0.5**0.5) / 2)
