"""The cache: keys follow content, results come back whole."""

import numpy as np
import pytest

from rim_plugin.benchmark import cache as cache_module
from rim_plugin.benchmark.cache import Cache, content_key, measuring_modules


def test_key_follows_the_content_of_files_and_nothing_else(tmp_path):
    file = tmp_path / 'weights.pth'
    file.write_text('one')
    first = content_key('sr', {'g': str(file)}, [1, {'a': 2}])
    assert first == content_key('sr', {'g': str(file)}, [1, {'a': 2}])
    assert first != content_key('sr', {'g': str(file)}, [1, {'a': 3}])
    file.write_text('two')
    assert first != content_key('sr', {'g': str(file)}, [1, {'a': 2}])
    file.write_text('one')
    assert first == content_key('sr', {'g': str(file)}, [1, {'a': 2}])


def test_key_follows_the_folders_in_a_folder_and_home(tmp_path, monkeypatch):
    (tmp_path / 'faces/ann').mkdir(parents=True)
    (tmp_path / 'faces/ann/1.jpg').write_text('face')
    monkeypatch.setenv('HOME', str(tmp_path))
    keys = [content_key(str(tmp_path / 'faces')), content_key('~/faces')]
    (tmp_path / 'faces/ann').rename(tmp_path / 'faces/bob')
    keys += [content_key(str(tmp_path / 'faces')), content_key('~/faces')]
    assert len(set(keys)) == 4


def test_key_follows_the_code_that_measures(tmp_path, monkeypatch):
    package = tmp_path / 'package'
    for name in ('archs', 'data/synthetic', 'tools', 'benchmark', 'models'):
        (package / name).mkdir(parents=True)
    files = {name: package / name for name in ('archs/a.py', 'data/synthetic/b.py', 'pipeline.py', 'tools/c.py')}
    files |= {name: package / name for name in ('benchmark/measure.py', 'benchmark/report.py', 'models/networks.py')}
    files['models/rim_model.py'] = package / 'models/rim_model.py'
    for file in files.values():
        file.write_text('1')
    monkeypatch.setattr(cache_module, '_PACKAGE', package)

    def version():
        cache_module.code_version.cache_clear()
        return cache_module.code_version()

    for name, file in files.items():
        before = version()
        file.write_text('2')
        measures = name not in ('tools/c.py', 'benchmark/report.py', 'models/rim_model.py')
        assert (version() != before) == measures, name
    monkeypatch.undo()
    cache_module.code_version.cache_clear()


@pytest.mark.parametrize(
    'name', ['archs/fhn_arch.py', 'data/resize.py', 'pipeline.py', 'batch.py', 'evaluation/metric.py']
)
def test_modules_that_measure(name):
    assert any(file.as_posix().endswith(f'rim_plugin/{name}') for file in measuring_modules())


def test_cache_gives_back_what_it_was_given(tmp_path):
    cache = Cache(tmp_path / 'cache')
    assert cache.get('a') is None
    result = {'figures': {'auc': 0.5}, 'arrays': {'scores': np.arange(3.0)}}
    cache.put('a', result)
    kept = cache.get('a')
    assert kept['figures'] == {'auc': 0.5} and kept['arrays']['scores'].tolist() == [0, 1, 2]
    assert list(result) == ['figures', 'arrays']  # the caller's is as it was


def test_arrays_without_their_values_are_no_result(tmp_path):
    cache = Cache(tmp_path)
    cache.put('a', {'arrays': {}})
    (tmp_path / 'a.json').unlink()  # interrupted between the two files
    assert cache.get('a') is None


@pytest.mark.parametrize('content', [b'', b'{"figures": ', b'PK\x03\x04 no archive'])
@pytest.mark.parametrize('suffix', ['json', 'npz'])
def test_a_damaged_result_is_none(tmp_path, suffix, content):
    cache = Cache(tmp_path)
    cache.put('a', {'arrays': {'scores': np.arange(3.0)}})
    (tmp_path / f'a.{suffix}').write_bytes(content)
    assert cache.get('a') is None
    cache.put('a', {'arrays': {}})
    assert cache.get('a') == {'arrays': {}}


def test_an_array_with_a_wrong_bit_is_none(tmp_path):
    cache = Cache(tmp_path)
    cache.put('a', {'arrays': {'scores': np.random.default_rng(0).random(1000)}})
    content = bytearray((tmp_path / 'a.npz').read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / 'a.npz').write_bytes(content)
    assert cache.get('a') is None
