"""Values of a wrong type or out of range, and other spellings of right ones."""

import pytest
from support.tiny_training import write_options

from rim_plugin.options.checking import check
from rim_plugin.options.reading import read_options

NAN, INF = float('nan'), float('inf')
WRONG = {  # key to what it has to be, and values that are not
    'train__total_iter': ('a whole number', ['20', None, [20], True, {}], [0, -1, 2.5, NAN, INF]),
    'train__ema_decay': ('a number', ['0.9', None, [0.9], True], [-0.1, 1.5, NAN]),
    'train__grad_clip': ('a number', ['1', [1], True], [-1, NAN, INF]),
    'train__accumulate': ('a whole number', ['2', None, [2], False], [0, -2, 1.5, NAN]),
    'train__channels_last': ('true or false', ['yes', None, 1, [True]], []),
    'train__amp': ('one of none, bf16, fp16', [8, True, ['fp16']], ['fp32']),
    'train__phases': ('', [], [{'fhn': 0}, {'fhn': '20'}, {'fhn': None}, {'fhn': [20]}, {'fhn': True}]),
    'val__val_freq': ('a whole number', ['4', None, [4], True], [0, -4, NAN, INF]),
    'val__batch_size': ('a whole number', ['4', None, [4], True], [0, -4, 4.5, NAN]),
    'val__save_img': ('true or false', ['no', None, 0, [False]], []),
    'val__gallery': ('one of teacher, hrn', [1, ['hrn']], ['student']),
    'logger__print_freq': ('a whole number', ['4', None, [4], True], [0, -4, NAN]),
    'manual_seed': ('a whole number', ['4', [4], True], [-4, 4.5, NAN]),
    'datasets__train__batch_size_per_gpu': ('a whole number', ['4', None, [4], True], [0, -4, NAN, INF]),
    'datasets__train__query_size': (
        'a whole number of',
        [],
        [0, -7, 2.5, '28', None, True, NAN, [], [28, 0], ['28'], [NAN]],
    ),
    'datasets__train__heatmap_sigma': ('a number', ['1', None, [1], True], [0, -1, NAN, INF]),
    'datasets__train__use_hflip': ('true or false', ['no', None, 0, [True]], []),
    'network_g__width': ('a number', ['4', None, [4], True, {}], [-4, NAN, INF]),
    'network_g__dropout': ('a number', ['4', None, [4], True], [NAN, INF]),
    'network_g__norm': ('true or false', ['no', None, 1, [True]], []),
    'train__pixel_opt__loss_weight': ('a number', ['4', None, [4], True], [-4, NAN, INF]),
    'train__pixel_opt__reduction': ('a text', [4, None, ['mean'], True], []),
    'train__optim_g__lr': ('a number', ['fast', None, [1e-4], True, {}], [-1e-4, NAN, INF]),
    'train__optim_g__weight_decay': ('a number', ['0', None, [0], False], [-1, NAN]),
    'train__optim_g__centered': ('true or false', ['no', None, 1, []], []),
    'train__scheduler__gamma': ('a number', ['0.5', None, [0.5], True], [-0.5, NAN, INF]),
    'val__metrics__psnr__test_y_channel': ('true or false', ['no', None, 1, [True]], []),
    'val__metrics__psnr__crop_border': ('', [], [NAN]),
}
CASES = [(key, value, expected) for key, (expected, wrong, _) in WRONG.items() for value in wrong]
CASES += [(key, value, '') for key, (_, _, outside) in WRONG.items() for value in outside]


@pytest.mark.parametrize('key, value, expected', CASES, ids=str)
def test_values_of_a_wrong_type_or_out_of_range(problem, key, value, expected):
    drawn = {
        'type': 'DrawnFaceDataset',
        'name': 'a',
        'num_identities': 2,
        'batch_size_per_gpu': 1,
        'num_worker_per_gpu': 0,
    }
    changes = {'model_type': 'RIMModel', 'datasets__train': drawn, key: value}
    message = problem(**changes)
    assert message.startswith(f'/o.yml: {key.replace("__", ".")}'), message
    assert (
        f'is not {expected}' in message
        or value is None
        and ': missing (' in message
        or value != value
        or value in (float('inf'), [])
    ), message


def test_right_values_in_other_spellings_pass(tmp_path):
    spelt = {
        'train__total_iter': 2e1,
        'train__amp': 'BF16',
        'val__val_freq': 5e3,
        'train__grad_clip': 1,
        'num_gpu': 'auto',
    }
    file = write_options(tmp_path / 'o.yml', model_type='RIMModel', train__amp=None)
    check(read_options(file), file, True)
    file = write_options(tmp_path / 'o.yml', model_type='RIMModel', **spelt)
    check(read_options(file), file, True)


def test_nothing_is_infinite_where_no_type_is_known(problem):
    assert problem(strange_top={'a': [1, NAN]}) == '/o.yml: strange_top.a: nan is not a finite number'
