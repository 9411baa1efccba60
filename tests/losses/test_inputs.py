"""What losses share about their inputs."""

import pytest
import torch

from rim_plugin.losses.inputs import check_blocks, check_shapes, full_precision, one_number, shapes, widened


@pytest.mark.parametrize(
    'dtypes, expected',
    [
        ((torch.float16, torch.float16), torch.float32),
        ((torch.bfloat16, torch.float32), torch.float32),
        ((torch.float16, torch.float64), torch.float64),
    ],
)
def test_tensors_are_widened_to_one_precision_of_single_or_more(dtypes, expected):
    tensors = [torch.tensor([1.5], dtype=dtype, requires_grad=True) for dtype in dtypes]
    wide = widened(*tensors)
    assert [tensor.dtype for tensor in wide] == [expected] * 2
    sum(wide).backward()
    assert [tensor.grad.dtype for tensor in tensors] == list(dtypes)


def test_autocast_leaves_products_in_full_precision():
    row = torch.full((1, 3), 1 + 2**-10)  # in bfloat16 it is 1
    with torch.autocast('cpu', torch.bfloat16):
        assert (row @ row.T).item() == 3
        with full_precision(row):
            assert (row @ row.T).item() > 3.005


def test_shapes_that_would_be_broadcast_are_refused():
    check_shapes('L', 'maps', student=torch.zeros(2, 3), teacher=torch.ones(2, 3))
    with pytest.raises(ValueError, match=r'^L: maps must have one shape: student \(2, 3\), teacher \(2, 1\)$'):
        check_shapes('L', 'maps', student=torch.zeros(2, 3), teacher=torch.zeros(2, 1))


def test_block_maps_that_differ_are_named_by_their_number():
    maps = [torch.zeros(2, 4, 8, 8), torch.zeros(2, 8, 4, 4)]
    check_blocks('L', student=maps, teacher=maps)
    with pytest.raises(ValueError, match=r'^L: block 2 must have one shape: student \(2, 8, 4, 4\), teacher \(2, 4'):
        check_blocks('L', student=maps, teacher=maps[:1] * 2)
    for student, teacher in ((maps, maps[:1]), ([], [])):
        with pytest.raises(ValueError, match=f'student {len(student)}, teacher {len(teacher)}'):
            check_blocks('L', student=student, teacher=teacher)


@pytest.mark.parametrize('value, expected', [((2.0,), 2), ([2.0, None], 2), ((2.0, 3.0), 5)])
def test_content_and_style_are_one_number(value, expected):
    parts = type(value)(None if each is None else torch.tensor(each) for each in value)
    assert one_number(torch.nn.L1Loss(), parts).item() == expected


@pytest.mark.parametrize('value', [torch.rand(2, 3), [None, None], [torch.rand(2)], 'x'])
def test_what_is_no_number_is_told(value):
    with pytest.raises(ValueError, match='^L1Loss gives .* instead of one number'):
        one_number(torch.nn.L1Loss(), value)


def test_shapes_in_words():
    assert shapes([torch.rand(2, 3), (torch.rand(1), None)]) == '[(2, 3), [(1,), None]]'
