"""Options files: YAML, bases, and the command line's changes."""

from pathlib import Path

import pytest
import yaml
from support.tiny_training import write_options

from rim_plugin.errors import OptionsError
from rim_plugin.options.reading import read_options, take_forced, yaml_loader


def aliases(number):
    return ', '.join([f'*a{number}'] * 9)


class TestFile:
    def test_missing_or_broken(self, tmp_path):
        with pytest.raises(OptionsError, match='no such options file'):
            read_options(str(tmp_path / 'absent.yml'))
        for text, message in (
            ('a: [1', 'not valid YAML'),
            ('only words', 'not an options file'),
            ('a: 1\nb: 2\na: 3', "line 1.*'a' is given twice"),
            ('a: !!python/object:os.x {}', 'not valid YAML'),
            ('a: !!int x', 'not valid YAML .invalid literal'),
            ('a: {1: x}', 'key 1 is no text'),
            ('no: x', 'key False is no text; put it in quotes'),
            ('a: !!timestamp x', 'not valid YAML'),
            ('a: &a [*a]', 'recursive'),
            ('a: "\x1b[31m"', 'control characters are not allowed'),
            ('a: ' + '[' * 200_000, 'nested more than 50 deep'),  # the C library ends the process
            ('a: ' + '{a: ' * 60 + '1' + '}' * 60, 'nested more than 50 deep'),
            (f'a: [&a0 [x], {", ".join(f"&a{n} [{aliases(n - 1)}]" for n in range(1, 12))}]', '100,000 values'),
        ):
            (tmp_path / 'o.yml').write_text(text)
            with pytest.raises(OptionsError, match=message):
                read_options(str(tmp_path / 'o.yml'))

    def test_few_aliases_are_right(self, tmp_path):
        (tmp_path / 'o.yml').write_text(f'a: &a0 [x]\nb: &a1 [{aliases(0)}]\nc: [{aliases(1)}]')
        assert read_options(str(tmp_path / 'o.yml'))['c'] == [[['x']] * 9] * 9

    def test_what_basicsr_takes_as_it_is_written(self, tmp_path):
        (tmp_path / 'o.yml').write_text(
            'manual_seed: 1e3\nnum_gpu: 1.5\ndatasets: {train: {batch_size_per_gpu: 4.0, prefetch_mode: CPU}}\n'
            'val: {metrics: {a: {better: Lower, x: 2.0}}}\ndist_params: {backend: GLOO}'
        )
        options = read_options(str(tmp_path / 'o.yml'))
        assert type(options['manual_seed']) is int and options['num_gpu'] == 1.5
        assert options['datasets']['train'] == {'batch_size_per_gpu': 4, 'prefetch_mode': 'cpu'}
        assert type(options['datasets']['train']['batch_size_per_gpu']) is int
        assert options['val']['metrics']['a'] == {'better': 'lower', 'x': 2.0}
        assert options['dist_params']['backend'] == 'gloo'

    @pytest.mark.parametrize('text', ['1e-4', '1E-4', '1.0e-4', '!!float 1e-4', '.1e-3'])
    def test_small_numbers_are_numbers(self, tmp_path, text):
        (tmp_path / 'o.yml').write_text(f'lr: {text}\nname: 1e-4x\nit: 10')
        assert read_options(str(tmp_path / 'o.yml')) == {'lr': pytest.approx(1e-4), 'name': '1e-4x', 'it': 10}


class TestBase:
    @staticmethod
    def written(folder, **files):
        for name, text in files.items():
            (folder / f'{name}.yml').write_text(text)
        return str(folder / f'{name}.yml')

    def test_key_by_key_over_several_files_blocks_replaced_on_demand(self, tmp_path):
        (tmp_path / 'below').mkdir()
        file = self.written(
            tmp_path,
            a='name: a\nnetwork_g: {type: FHN, size: 3}\ntrain: {lr: 1e-3, list: [1, 2], ema: 0.9}',
            b='_base_: a.yml\nname: b\nnetwork_g: {_delete_: true, type: SRCNN}\ntrain: {lr: 1e-4, ema: ~}',
        )
        file = self.written(tmp_path / 'below', c='_base_: ../b.yml\ntrain: {list: [3]}\nval: {pbar: true}')
        assert read_options(file, ['train:lr=1']) == {
            'name': 'b',
            'network_g': {'type': 'SRCNN'},
            'train': {'lr': 1, 'list': [3], 'ema': None},
            'val': {'pbar': True},
        }

    def test_a_block_takes_the_place_of_nothing_but_not_of_a_number(self, tmp_path):
        self.written(tmp_path, a='empty: ~\nnumber: 3\n')
        file = self.written(tmp_path, d='_base_: a.yml\nempty: {a: 1}\n')
        assert read_options(file) == {'empty': {'a': 1}, 'number': 3}
        with pytest.raises(OptionsError, match='e.yml: number is a block here, but 3 in its _base_'):
            read_options(self.written(tmp_path, e='_base_: a.yml\nnumber: {a: 1}\n'))

    def test_of_several_bases_the_later_wins(self, tmp_path):
        files = {'a': 'x: {k: 1, l: 1}\nn: ~', 'b': 'x: {k: 2}\nn: {m: 1}', 'c': '_base_: [a.yml, b.yml]\nx: {o: 3}'}
        assert read_options(self.written(tmp_path, **files)) == {'x': {'k': 2, 'l': 1, 'o': 3}, 'n': {'m': 1}}

    def test_one_base_of_two_files_is_no_circle(self, tmp_path):
        files = {'a': 'x: 1', 'b': '_base_: a.yml', 'c': '_base_: a.yml\ny: 2', 'd': '_base_: [b.yml, c.yml]'}
        assert read_options(self.written(tmp_path, **files)) == {'x': 1, 'y': 2}

    def test_blocks_that_an_alias_repeats_are_separate(self, tmp_path):
        self.written(tmp_path, a='g: &adam {lr: 1}\nd: *adam')
        options = read_options(self.written(tmp_path, b='_base_: a.yml\nd: {lr: 2}'))
        assert options == {'g': {'lr': 1}, 'd': {'lr': 2}}
        assert options['g'].pop('lr') == 1, "BasicSR takes an optimizer's type out of its block"

    def test_the_loader_for_basicsr_gives_the_same(self, tmp_path):
        file = self.written(tmp_path, a='x: {k: 1}', b='_base_: a.yml\nx: {l: 1e-4}')
        with open(file) as text:
            assert yaml.load(text, Loader=yaml_loader(file, ['x:k=2'])) == {'x': {'k': 2, 'l': 1e-4}}

    def test_absent_or_circular(self, tmp_path):
        with pytest.raises(OptionsError, match=r'none.yml: no such options file \(named as _base_ in .*a.yml\)'):
            read_options(self.written(tmp_path, a='_base_: none.yml'))
        with pytest.raises(OptionsError, match='b.yml: _base_ leads back to .*a.yml'):
            read_options(self.written(tmp_path, b='_base_: a.yml', a='_base_: b.yml'))


class TestForced:
    def test_taken_from_the_command_line(self):
        argv, forced = take_forced(['t.py', '--force_yml', 'a=1', 'b:c=2', '-opt', 'x.yml', '--debug'])
        assert argv == ['t.py', '-opt', 'x.yml', '--debug'] and forced == ['a=1', 'b:c=2']

    @pytest.mark.parametrize(
        'entry, message',
        [
            ('trian:total_iter=3', "no block trian; did you mean 'train'?"),
            ('train:optim:lr=3', "no block train:optim; did you mean 'optim_g'?"),
            ('train', 'has to look like'),
            ('name=[1', 'is not a YAML value'),
        ],
    )
    def test_mistakes(self, tmp_path, entry, message):
        with pytest.raises(OptionsError) as caught:
            read_options(write_options(tmp_path / 'o.yml'), [entry])
        assert message in str(caught.value) and entry in str(caught.value)

    @pytest.mark.parametrize(
        'text, value', [('none', None), ('None', None), ('~', None), ('!!float1e-4', 1e-4), ('5', 5)]
    )
    def test_values_as_basicsr_writes_them(self, tmp_path, text, value):
        options = read_options(write_options(tmp_path / 'o.yml'), [f'train:total_iter={text}'])
        assert options['train']['total_iter'] == value

    def test_networks_and_datasets_can_be_taken_away(self, tmp_path):
        (tmp_path / 'o.yml').write_text(
            'network_g: {type: FHN}\nnetwork_r: {type: HRN}\ndatasets: {train: {name: a}, val: {name: b}}\n'
            'path: {pretrain_network_g: g.pth, strict_load_g: true, param_key_g: params, pretrain_network_r: ~}'
        )
        assert read_options(str(tmp_path / 'o.yml'), ['network_g=~', 'datasets:val=~']) == {
            'network_r': {'type': 'HRN'},
            'datasets': {'train': {'name': 'a'}},
            'path': {'pretrain_network_r': None},
        }

    def test_metrics_can_be_taken_away(self, tmp_path):
        file = write_options(tmp_path / 'o.yml')
        assert read_options(file, ['val:metrics:psnr=~'])['val']['metrics'] == {}

    def test_a_tilde_that_the_shell_expanded_is_told(self, tmp_path, monkeypatch):
        monkeypatch.setenv('HOME', str(tmp_path))
        (tmp_path / 'o.yml').write_text('network_g: {type: SRCNN}\n')
        with pytest.raises(OptionsError, match='write network_g=null'):
            read_options(str(tmp_path / 'o.yml'), [f'network_g={tmp_path}'])

    def test_text_is_never_run(self, tmp_path):
        file = write_options(tmp_path / 'o.yml')
        options = read_options(file, ['name"]=exit()#=[exit()]'])
        assert options['name"]'] == 'exit()#=[exit()]'


def test_the_weights_of_the_plugin_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('a.yml').write_text(
        'path:\n  pretrain_network_t: weights/rim.safetensors\n  pretrain_network_g: weights/x.pth\n'
    )
    found = read_options('a.yml')['path']
    assert Path(found['pretrain_network_t']).samefile(Path(__file__).parents[2] / 'weights/rim.safetensors')
    assert found['pretrain_network_g'] == 'weights/x.pth'
    Path('weights').mkdir()
    Path('weights/rim.safetensors').touch()
    assert read_options('a.yml')['path']['pretrain_network_t'] == 'weights/rim.safetensors'


def test_former_names_of_arguments_are_taken_with_a_warning(tmp_path):
    (tmp_path / 'a.yml').write_text('network_g: {type: FHN, generator: {feature_size: 224}, integrator: {}}\n')
    (tmp_path / 'b.yml').write_text('_base_: a.yml\nnetwork_g: {generator: {work_size: 56}}\ntrain: {work_size: 3}\n')
    with pytest.warns(UserWarning, match='network_g.generator.work_size is the former name of feature_size') as given:
        options = read_options(str(tmp_path / 'b.yml'))
    assert options['network_g'] == {'type': 'FHN', 'generator': {'feature_size': 56}, 'integrator': {}}
    assert options['train'] == {'work_size': 3} and len(given) == 1
