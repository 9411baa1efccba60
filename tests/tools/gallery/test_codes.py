"""Binary codes: what they keep of an angle, and the search by them."""

import numpy as np
import pytest
from support.galleries import unit

from rim_plugin.tools.gallery.codes import CodeIndex, _projections, code_bytes, encode


@pytest.mark.parametrize('size, expected', [(8, 64), (100, 64), (128, 64), (512, 64), (520, 72)])
def test_codes_have_512_bits_or_more(size, expected):
    assert code_bytes(size) == expected and encode(unit(5, size=size)).shape == (5, expected)


@pytest.mark.parametrize('size', [128, 512])
def test_the_share_of_other_bits_is_the_angle(size):
    """Charikar's (STOC 2002): angle / pi."""
    rows = unit(2000, size=size)
    rows = rows * np.linspace(0, 3, 2000)[:, None] + rows[:1]
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    codes = encode(rows)
    shares = np.unpackbits(codes ^ codes[:1], axis=1).mean(axis=1)
    assert np.abs(shares - np.arccos(np.clip(rows @ rows[0], -1, 1)) / np.pi).mean() < 0.02


def test_many_rows_are_encoded_as_each_alone():
    rows = unit(9000)
    assert np.array_equal(encode(rows)[[0, 4500, 8999]], encode(rows[[0, 4500, 8999]]))


def test_the_nearest_codes_hold_the_nearest_embeddings():
    rows, probe = unit(3000), unit(1, 1)[0]
    near = CodeIndex(encode(rows)).nearest(probe, 200)
    assert len({*near.tolist()}) == 200
    assert {*np.argsort(-rows @ probe)[:10].tolist()} <= {*near.tolist()}
    assert len(CodeIndex(encode(rows[:20])).nearest(probe, 20)) == 20


@pytest.mark.parametrize('size', [128, 512, 520])
def test_codes_are_ranked_by_the_product_of_projections_and_signs(size):
    rows, probe = unit(5000, size=size), unit(1, 1, size)[0]
    codes, projected = encode(rows), _projections(size) @ probe
    products = np.array([sum(projected[np.unpackbits(code) == 1]) for code in codes])
    near = CodeIndex(codes).nearest(probe, 50)
    least = np.sort(products)[-50]
    assert len({*near.tolist()}) == 50 and products[near].min() > least - 0.05 * products.std()
