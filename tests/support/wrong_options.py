"""What no check of options may let pass: rules on how an accepted file differs from the right one it was made from.

They are written down here by key, beside the schema and not from it.
"""

import math
import re
from fnmatch import fnmatch
from pathlib import Path

from rim_plugin.options.yaml_values import load_yaml

ROOT = Path(__file__).parents[2]
ABSENT = object()

# keys (of the last block) without which nothing can be trained or tested
NEEDED = (
    *('name', 'model_type', 'num_gpu', 'datasets', 'path', 'type', 'total_iter', 'lr', 'batch_size_per_gpu'),
    *('num_worker_per_gpu', 'print_freq', 'save_checkpoint_freq', 'use_tb_logger', 'save_img', 'num_identities'),
    *('dataroot_gt', 'periods', 'pixel_opt', 'network_g', 'network_d'),
)
# those that only the hallucination network's training needs
OF_HALLUCINATION = ('pixel_opt', 'network_d')
# keys whose value may be empty (~), and then says something
EMPTY = (
    *(
        '*_opt',
        'optim_*',
        'val',
        'metrics',
        'val_*',
        'test_*',
        'dist_params',
        'wandb',
        'augment',
        'network_?',
        'assistant',
    ),
    *('manual_seed', 'scale', 'resume_state', 'pretrain_network_?', 'param_key_?', 'ignore_resume_networks', 'phase'),
    *('phases', 'grad_clip', 'clip_over_lr', 'last_layer_lr', 'level_weights', 'classifier_lr', 'gallery', 'suffix'),
    *('project', 'resume_id', 'better', 'prefetch_mode', 'port', 'identities', 'max_faces', 'meta_info_file'),
    *('pair_list', 'landmarks', 'io_backend', 'degradation', 'gt_size', 'name', 'phase', 'val_freq', 'loss_weight'),
    *(
        'prior_paths',
        'norm',
        'prior_norm',
        'perceptual_opt',
        'momentum',
        'bandwidth',
        'fused',
        'foreach',
        'dropout',
        'amp',
        'coarse_input_size',
        'integrator',
    ),
    *('probe_side', 'other_lr'),
)
# keys whose text is anything that names something
FREE = (
    *('name', 'title', 'suffix', 'project', 'resume_id', 'dataroot_*', 'meta_info_file', 'pair_list', 'landmarks'),
    *('identities', 'pretrain_network_?', 'resume_state', 'param_key_?', 'type', 'model_type', 'gallery'),
)
# keys whose number may be something else
OTHER_KINDS = {
    'query_size': (list,),
    'num_gpu': (str, int),
    'fusion': (str, int, float),
    'bandwidth': (str, list, int, float),
    'phase': (str,),
    'degradation': (str, dict),
}
SIGNED = ('warmup_iter', 'assistant_scale', 'last_epoch', 'same_person', 'image_noise')
WHOLE = (
    *('*_iter', '*_freq', '*_size', '*_per_gpu', '*_blocks', '*_channels', '*_per_batch', '*_identity', 'num_*'),
    *('folds', 'seed', 'manual_seed', 'k', 'accumulate', 'domain_interval', 'crop_border', 'depth', 'port'),
)
COUNTED = (
    *('total_iter', 'print_freq', 'save_checkpoint_freq', 'val_freq', 'batch_size', 'batch_size_per_gpu', 'folds'),
    *('accumulate', 'domain_interval', 'query_size', 'num_identities', 'faces_per_identity', 'k', 'periods'),
)
LARGEST = 2**32  # of whole numbers: seeds, iterations, sizes


def suite_files():
    """Every options file that is one by itself, trainings and tests."""
    files = sorted((ROOT / 'options').rglob('*.yml'))
    return [file for file in files if file.parent.name not in ('base', 'benchmark')]


def _blocks(tree):
    if isinstance(tree, dict):
        yield tree
    for value in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _blocks(value)


_TREES = [load_yaml(file.read_text()) for file in (ROOT / 'options').rglob('*.yml')]
_TEXTS = {
    (key, value) for tree in _TREES for block in _blocks(tree) for key, value in block.items() if type(value) is str
}
_REFERENCE = (ROOT / 'docs/options.md').read_text()
_KNOWN = {key for tree in _TREES for block in _blocks(tree) for key in block} | set(re.findall(r'`(\w+)`', _REFERENCE))
_CHOICES = set(re.findall(r'\w+', _REFERENCE))


def wrong(before, after, path=()):
    """What is wrong with an accepted tree of options that was made from a right one, a line each."""
    if not path and 'fhn' not in (before.get('train') or {}).get('phases', {'fhn': 1}):
        before = _without_hallucination(before)
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            old, new = before.get(key, ABSENT), after.get(key, ABSENT)
            if not (type(old) is type(new) and old == new):
                yield from wrong(old, new, (*path, key))
        return
    reason = _reason(before, after, path)
    if reason:
        yield f'{".".join(map(str, path))}: {before!r} became {after!r}: {reason}'


def _without_hallucination(tree):
    """A tree of options without what only that training needs."""
    train = {key: value for key, value in tree['train'].items() if key not in OF_HALLUCINATION}
    return {**{key: value for key, value in tree.items() if key not in OF_HALLUCINATION}, 'train': train}


def _matches(key, patterns):
    return any(fnmatch(str(key), pattern) for pattern in patterns)


def _reason(before, after, path):
    key, above = path[-1], path[-2] if len(path) > 1 else None
    named = above in ('metrics', 'datasets')
    if after is ABSENT:
        of_other_names = named or above in ('val', 'val_pairs', 'val_lfw')
        has_default = key == 'type' and above in ('student', 'assistant')
        return 'missing' if key in NEEDED and not of_other_names and not has_default else ''
    if before is ABSENT:
        if not named and key not in _KNOWN:
            return 'a key that nobody reads'
        return '' if named or after is None else _number(key, after) if isinstance(after, (int, float)) else ''
    if after is None:
        return '' if named or _matches(key, EMPTY) or before is None else 'empty'
    if isinstance(before, bool):
        return '' if isinstance(after, bool) else 'a switch is true or false'
    if isinstance(before, (int, float)):
        if isinstance(after, OTHER_KINDS.get(key, ())) and not isinstance(after, bool):
            return ''
        numeric = isinstance(after, (int, float)) and not isinstance(after, bool)
        return _number(key, after) if numeric else 'no number'
    if isinstance(before, str):
        return _text(key, after, above)
    if isinstance(before, (list, dict)) and before is not None:
        same = isinstance(after, (type(before), *OTHER_KINDS.get(key, ())))
        alone = key == 'query_size' and isinstance(after, int)
        return '' if same or alone else 'another kind of value'
    return ''


def _number(key, value):
    if isinstance(value, bool):
        return ''
    if not math.isfinite(value):
        return 'not finite'
    if value < 0 and key not in SIGNED:
        return 'negative'
    if value != int(value) and _matches(key, WHOLE):
        return 'not whole'
    if value < 1 and key in COUNTED:
        return 'less than one'
    return 'out of all bounds' if value >= LARGEST and _matches(key, WHOLE) else ''


def _text(key, after, above):
    if key in OTHER_KINDS and isinstance(after, OTHER_KINDS[key]):
        return ''
    if not isinstance(after, str):
        return 'no text'
    if key == 'name' and (not after.strip() or not after.isprintable() or '/' in after or len(after) > 250):
        return 'no name of a folder'
    if _matches(key, FREE) or (key, after) in _TEXTS or after.lower() in _CHOICES:
        return ''
    return 'none of the choices'
