"""Options files as hurried or hostile hands leave them: one change of a tree of options, or of its text."""

from copy import deepcopy

import yaml

_Dumper = getattr(yaml, 'CSafeDumper', yaml.SafeDumper)  # ten times as fast

ODD = (
    *(None, True, False, '', 'nein', 'ten', '~', '0', ' ', '\x1b[31m', 'a/b', '..', 'ü' * 300),
    *(-1, 0, 1, 7, -0.5, 0.5, 1e30, 2**32, 2**63, 10**40, float('nan'), float('inf'), -float('inf')),
    *([], [0], [None], [1, 2, 3], [[]], ['k'], [-1], {}, {'type': 'x'}, {'a': 1}, {1: 2}, {None: None}),
)
_BOMB = 'bomb: [&a0 [x], {}]\n'.format(
    ', '.join(f'&a{n} [{", ".join([f"*a{n - 1}"] * 9)}]' for n in range(1, 12))  # 9**11 leaves
)


def mutated_text(options, chance):
    """A text of ``options``, a tree, with one change."""
    if chance.random() < 0.25:
        return chance.choice(_TEXTS)(_dumped(options), chance)
    tree = deepcopy(options)
    chance.choice(_TREES)(tree, chance)
    return _dumped(tree)


def _dumped(tree):
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _places(tree):
    """(block or list, key, value) of everything below a tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(items):
        yield tree, key, value
        yield from _places(value)


def _pick(tree, chance, kind=object):
    found = [(block, key) for block, key, value in _places(tree) if isinstance(value, kind)]
    return chance.choice(found)


def _odd(tree, chance):
    block, key = _pick(tree, chance)
    block[key] = deepcopy(chance.choice(ODD))


def _empty(tree, chance):
    block, key = _pick(tree, chance)
    block[key] = None


def _wrapped(tree, chance):
    block, key = _pick(tree, chance)
    value = block[key]
    block[key] = chance.choice(([value], {'value': value}, str(value), [value, value]))


def _number(tree, chance):
    block, key = _pick(tree, chance, (int, float))
    value = block[key]
    block[key] = chance.choice((-value, -1, value + 0.5, value * 10, value / 3, value + 1, 10**12, 0))


def _spelling(tree, chance):
    block, key = _pick(tree, chance, str)
    block[key] = _misspelt(block[key], chance)


def _key(tree, chance):
    block, key = chance.choice([(block, key) for block, key, _ in _places(tree) if isinstance(block, dict)])
    block[_misspelt(str(key), chance)] = block.pop(key)


def _dropped(tree, chance):
    block, key = _pick(tree, chance)
    del block[key]


def _copied(tree, chance):
    (source, name), (block, key) = _pick(tree, chance), _pick(tree, chance)
    block[key] = deepcopy(source[name])


def _added(tree, chance):
    (source, name), (block, _) = _pick(tree, chance), _pick(tree, chance)
    if isinstance(block, dict):
        block[name] = deepcopy(source[name])
    else:
        block.append(deepcopy(source[name]))


def _other_type(tree, chance):
    """Another class that is registered under the same kind of name."""
    block, key = chance.choice([(block, key) for block, key, _ in _places(tree) if key == 'type'])
    types = [value for _, key, value in _places(tree) if key == 'type' and isinstance(value, str)]
    block[key] = chance.choice([*types, 'Bicubic', 'SGD', 'StepLR', 'L1Loss', 'SRCNN', 'calculate_rank', 'FHN'])


def _deep(tree, chance):
    block, key = _pick(tree, chance)
    value = None
    for _ in range(90):
        value = [value] if chance.random() < 0.5 else {'a': value}
    block[key] = value


_TREES = (
    *(_odd, _odd, _odd, _odd, _empty, _wrapped, _number, _number, _spelling, _key, _key, _dropped, _copied),
    *(_added, _other_type, _deep),
)


def _misspelt(word, chance):
    at = chance.randrange(len(word)) if word else 0
    return chance.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
            word[:at] + chance.choice('aeqx_1') + word[at:],
            word.upper(),
            f'{word} ',
        )
    )


def _cut(text, chance):
    return text[: chance.randrange(len(text))]


def _line_lost(text, chance):
    lines = text.splitlines(keepends=True)
    del lines[chance.randrange(len(lines))]
    return ''.join(lines)


def _line_twice(text, chance):
    lines = text.splitlines(keepends=True)
    at = chance.randrange(len(lines))
    return ''.join([*lines[: at + 1], *lines[at:]])


def _indented(text, chance):
    lines = text.splitlines(keepends=True)
    at = chance.randrange(len(lines))
    lines[at] = chance.choice((f'  {lines[at]}', lines[at].lstrip(), f'\t{lines[at]}'))
    return ''.join(lines)


def _character(text, chance):
    at = chance.randrange(len(text))
    return text[:at] + chance.choice(':{}[]&*!|>%@`"\'#-,?~\x00\x1b\ud800é') + text[at + 1 :]


def _bomb(text, chance):
    return text + _BOMB


def _nested(text, chance):
    depth = chance.choice((100, 10_000))
    return text + f'deep: {"[" * depth}{"]" * depth}\n'


def _odd_yaml(text, chance):
    lines = text.splitlines()
    at = chance.choice([number for number, line in enumerate(lines) if not line.endswith(':') and ': ' in line])
    key = lines[at].partition(':')[0]
    values = ('2001-01-01', '!!binary aGk=', '!!set {a, b}', '1:30:00', '0x1F', '0o17', '.inf', '!!python/name:os.x')
    lines[at] = f'{key}: {chance.choice((*values, "on", "no", "1_000", "|", "<<", "*nowhere", "!!timestamp x"))}'
    return '\n'.join(lines)


_TEXTS = (_cut, _line_lost, _line_twice, _indented, _character, _character, _bomb, _nested, _odd_yaml, _odd_yaml)
