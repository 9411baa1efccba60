"""The loop over faces."""

import torch
from support.tiny_rim import Faces

from rim_plugin.evaluation.driver import evaluate


def test_the_loop_shows_all_items_in_order_and_leaves_the_random_state():
    before, seen = torch.get_rng_state(), []

    class Names:
        def reset(self):
            seen.append('reset')

        def process(self, data):
            assert not torch.is_grad_enabled()
            seen.extend(data['lq_path'])

    evaluate(Faces(5), None, [Names()], batch_size=2)
    assert seen == ['reset', *(f'{i}.png' for i in range(5))] and torch.equal(before, torch.get_rng_state())
