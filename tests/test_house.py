"""How the package is put together: names, and which part may know of which."""

import ast
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BASE = {'building', 'errors', 'files', 'tensor_files', 'weights_file'}
# Each part, a folder or a module of the top, with the parts that it may import; itself goes without saying.
ARROWS = {
    'rim_plugin': {'import_hook', 'tools'},
    'import_hook': {'discovery'},
    '__main__': {'cli'},
    'train': {'rim_plugin'},
    'test': {'rim_plugin'},
    'cli': {'tools', 'benchmark', 'cluster', 'data', 'errors', 'files', 'rim_plugin', 'shipped', 'test', 'train'},
    'tools': BASE
    | {'archs', 'data', 'environment', 'evaluation', 'templates', 'options', 'packages', 'pipeline'}
    | {
        'calibration_values',
        'cluster',
        'effective_side',
        'heatmaps',
        'memory',
        'names',
        'network_key',
        'sheets',
        'shipped',
    },
    'benchmark': BASE
    | {'archs', 'batch', 'data', 'environment', 'evaluation', 'templates', 'models', 'options', 'pipeline'}
    | {'cluster', 'rim_plugin', 'sheets', 'tools'},
    'models': BASE
    | {
        'archs',
        'batch',
        'data',
        'discovery',
        'evaluation',
        'losses',
        'muon',
        'network_key',
        'options',
        'pipeline',
        'run_state',
        'sheets',
    },
    'evaluation': BASE | {'archs', 'batch', 'data', 'discovery', 'heatmaps', 'network_key', 'options', 'pipeline'},
    'compat': BASE | {'options', 'randomness', 'run_state'},
    'pipeline': {'archs', 'errors'},
    'effective_side': {'archs'},
    'batch': {'data'},
    'sheets': {'data'},
    'losses': {'archs', 'discovery', 'errors', 'options'},
    'archs': BASE | {'data', 'discovery', 'heatmaps', 'options', 'packages'},
    'data': BASE | {'discovery', 'heatmaps', 'names', 'options', 'randomness'},
    'options': BASE | {'former_names', 'muon', 'randomness', 'shipped'},
    'building': {'errors'},
    'weights_file': {'building', 'calibration_values', 'errors', 'files', 'former_names', 'tensor_files'},
    'tensor_files': {'errors', 'files', 'former_names'},
    'link': {'errors'},
    'cluster': {'errors'},
    'packages': {'errors'},
    **dict.fromkeys(
        (
            'calibration_values',
            'discovery',
            'environment',
            'errors',
            'files',
            'former_names',
            'heatmaps',
            'memory',
            'muon',
            'names',
            'network_key',
            'templates',
            'randomness',
            'run_state',
            'shipped',
        ),
        set(),
    ),
}


def name_of(path: Path) -> str:
    return '.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__')


FILES = {name_of(path): path for path in sorted(ROOT.glob('rim_plugin/**/*.py'))}


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text('utf-8'))


@cache
def imports(module: str) -> list[tuple[str, str | None, str]]:
    """Module of the package, name taken from it (None: the module itself) and what it is called here; also those of
    functions and of type checking."""
    return list(_imports(module))


def _imports(module: str) -> Iterator[tuple[str, str | None, str]]:
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            for each in node.names:
                if each.name in FILES:
                    yield each.name, None, each.asname or each.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{module}: relative import'
            for each in node.names:
                inner = f'{node.module}.{each.name}'
                if inner in FILES:
                    yield inner, None, each.asname or each.name
                elif node.module in FILES:
                    yield node.module, each.name, each.asname or each.name


def part_of(module: str) -> str:
    return module.split('.')[1] if '.' in module else module


def test_what_commands_print_of_values_goes_through_one_line():
    """Names of files and people may hold what steers a terminal."""
    raw = [
        f'{module}:{call.lineno}'
        for module in FILES
        if part_of(module) == 'cli'
        for call in ast.walk(tree_of(module))
        if isinstance(call, ast.Call) and getattr(call.func, 'id', '') == 'print'
        for value in call.args
        if isinstance(value, (ast.JoinedStr, ast.BinOp))
    ]
    assert raw == []


def test_no_two_modules_have_one_name():
    counts = Counter(name.rsplit('.', 1)[-1] for name in FILES)
    assert [name for name, count in counts.items() if count > 1] == []


def test_arrows_run_one_way():
    assert {part_of(module) for module in FILES} == ARROWS.keys()
    back = {
        f'{module} -> {target}'
        for module in FILES
        for target, _, _ in imports(module)
        if part_of(target) not in {part_of(module), *ARROWS[part_of(module)]}
    }
    assert not back


def test_the_table_of_arrows_has_no_circle():
    list(TopologicalSorter(ARROWS).static_order())  # raises CycleError


def test_no_import_circle():
    list(TopologicalSorter({module: {each[0] for each in imports(module)} for module in FILES}).static_order())


def is_private(name: str) -> bool:
    return name.startswith('_') and not name.endswith('__')  # __version__ is for everybody


@pytest.mark.parametrize('module', FILES)
def test_no_private_name_of_another_module(module):
    taken = imports(module)
    private = [f'{target}.{name}' for target, name, _ in taken if name and is_private(name)]
    modules = {called: target for target, name, called in taken if name is None}
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and ast.unparse(node.value) in modules:
            private.append(f'{modules[ast.unparse(node.value)]}.{node.attr}')
    assert not private


def test_links_stay_within_the_repository():
    """One out of it would take the place of a folder of its name in every checkout, such as that of the faces."""
    listed = subprocess.run(['git', 'ls-files', '-s'], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip('no checkout')
    links = [ROOT / line.partition('\t')[2] for line in listed.stdout.splitlines() if line.startswith('120000')]
    assert [link for link in links if not link.resolve().is_relative_to(ROOT)] == []
