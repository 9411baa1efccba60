"""``rim train``, ``rim test``, ``rim benchmark``: what BasicSR's programs are told."""

import sys
from types import SimpleNamespace

import pytest
from support.commands import failed

from rim_plugin import cli
from rim_plugin.options.reading import read_options, take_forced
from rim_plugin.shipped import shipped


@pytest.fixture
def told(monkeypatch):
    """Calls a command in whose place BasicSR's program would run; returns its command line."""

    def call(name, *argv):
        told = []
        program = SimpleNamespace(main=lambda: told.append(sys.argv))
        monkeypatch.setitem(sys.modules, f'rim_plugin.{name}', program)
        monkeypatch.setattr(sys, 'argv', ['rim'])
        getattr(cli, name)(argv)
        return told[0]

    return call


def test_basicsr_is_told_what_it_knows(told):
    file = str(shipped('options/rim_demo.yml'))
    argv = told('train', 'rim_demo', '--auto_resume', '--launcher', 'pytorch', '--force_yml', 'a=1', 'b=2')
    assert argv[1:] == [
        *('-opt', file, '--launcher', 'pytorch', '--auto_resume', '--local_rank=0', '--force_yml', 'a=1', 'b=2')
    ]
    assert told('train', '-opt', file) == told('train', 'rim_demo')
    assert told('test', 'bicubic')[2] == str(shipped('options/test/bicubic.yml'))


@pytest.mark.parametrize(('folder', 'kind'), [('gt', 'disk'), ('gt.lmdb', 'lmdb')])
def test_faces_are_those_of_training_and_validation(told, tmp_path, folder, kind):
    faces = tmp_path / "the #1: faces'"
    (faces / folder).mkdir(parents=True)
    argv = told('train', 'own', '--faces', str(faces), '--force_yml', 'train:total_iter=9')
    options = read_options(argv[2], take_forced(argv)[1])
    for phase in ('train', 'val'):
        block = options['datasets'][phase]
        assert (block['dataroot_gt'], block['io_backend']['type'], block['held_out']) == (str(faces), kind, 0.1)
    assert options['train']['total_iter'] == 9 and 'val_lfw' not in options['datasets']


def test_faces_are_those_of_every_set_of_a_benchmark(tmp_path, monkeypatch):
    from rim_plugin.benchmark import report, run

    (tmp_path / 'faces' / 'gt').mkdir(parents=True)
    found = []
    monkeypatch.setattr(run, 'run_benchmark', lambda benchmark, *rest: found.append(benchmark))
    monkeypatch.setattr(report, 'write_report', lambda *arguments: 'report.html')
    cli.benchmark(['own', '--faces', str(tmp_path / 'faces')])
    block = found[0].sr_sets['held_out']
    assert (block['dataroot_gt'], block['io_backend'], block['held_out']) == (
        str(tmp_path / 'faces'), {'type': 'disk'}, 0.1
    )  # fmt: skip
    assert [method.name for method in found[0].methods] == ['bicubic', 'shipped', 'own']


def test_what_goes_wrong_while_it_trains_is_not_told_here(monkeypatch):
    def main():
        raise RuntimeError('out of memory')

    monkeypatch.setitem(sys.modules, 'rim_plugin.train', SimpleNamespace(main=main))
    monkeypatch.setattr(sys, 'argv', ['rim'])
    with pytest.raises(RuntimeError, match='out of memory'):
        cli.train(['rim_demo'])


def test_unknown_names_end_in_one_line():
    assert "'rim_demo'" in failed(cli.train, 'rim_dem')
    assert "'lfw_fast'" in failed(cli.test, 'lfw_fst')
    assert "'table1'" in failed(cli.benchmark, 'tabel1')


def test_a_benchmark_finds_what_comes_with_the_plugin(tmp_path, monkeypatch):
    from rim_plugin.benchmark.settings import read_benchmark

    monkeypatch.chdir(tmp_path)
    benchmark = read_benchmark(str(shipped('options/benchmark/demo.yml')))
    assert benchmark.reference.file == str(shipped('options/rim_demo.yml'))
    assert benchmark.options.recogniser['weights'] == str(shipped('weights/rim.safetensors'))
