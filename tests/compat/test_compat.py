"""Each patch of BasicSR on its own; whole runs are in test_reproducibility.py."""

import os
import platform
import subprocess
import sys
from collections import OrderedDict
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from support.tiny_training import TinyNet, TinySet, write_options

from rim_plugin.compat import checkpoints, launch, stubs
from rim_plugin.errors import OptionsError
from rim_plugin.reproducibility import RUN, rng_state
from rim_plugin.weights_file import read_tensors

from basicsr.data import build_dataloader
from basicsr.data.data_sampler import EnlargedSampler
from basicsr.data.prefetch_dataloader import CPUPrefetcher
from basicsr.models.base_model import BaseModel
from basicsr.train import make_exp_dirs, parse_options


@pytest.fixture
def model(tmp_path):
    """A BasicSR model with an EMA network, whose files go to tmp_path."""
    model = BaseModel(
        {
            'num_gpu': 0,
            'is_train': True,
            'dist': False,
            'rank': 0,
            'world_size': 1,
            'path': {'models': str(tmp_path / 'models'), 'training_states': str(tmp_path / 'states')},
        }
    )
    model.net_g, model.net_g_ema = TinyNet(), TinyNet()
    RUN.reset()
    return model


class TestStubs:
    def test_basicsr_imports(self):
        from basicsr.data.degradations import rgb_to_grayscale

        assert rgb_to_grayscale(torch.rand(1, 3, 2, 2), num_output_channels=1).shape == (1, 1, 2, 2)

    def test_versions_compare_without_distutils(self, monkeypatch):
        monkeypatch.setitem(sys.modules, 'distutils', None)
        monkeypatch.setitem(sys.modules, 'distutils.version', None)
        stubs._stub_distutils()
        from distutils.version import LooseVersion

        assert LooseVersion('0.29.1+cpu') >= LooseVersion('0.9.0')


class TestTraining:
    @pytest.mark.parametrize('name', ['Adam', 'RMSprop', 'AdamW', 'SGD'])
    def test_optimizers_by_name(self, model, name):
        optimizer = model.get_optimizer(name, model.net_g.parameters(), 1e-3, weight_decay=1e-5)
        assert type(optimizer) is getattr(torch.optim, name) and optimizer.param_groups[0]['lr'] == 1e-3

    def test_unknown_optimizer(self, model):
        with pytest.raises(OptionsError, match="did you mean 'RMSprop'"):
            model.get_optimizer('RMSProb', model.net_g.parameters(), 1e-3)

    def test_ema_takes_buffers_over(self, model):
        model.net_g(torch.rand(4, 3, 8, 8))
        before = [value.clone() for value in model.net_g_ema.parameters()]
        model.model_ema(0.9)
        for mine, other in zip(model.net_g_ema.buffers(), model.net_g.buffers()):
            assert torch.equal(mine, other)
        for mine, old, new in zip(model.net_g_ema.parameters(), before, model.net_g.parameters()):
            torch.testing.assert_close(mine, 0.9 * old + 0.1 * new)

    def test_nan_loss_is_not_logged_but_raised(self, model):
        assert model.reduce_loss_dict(OrderedDict(l_a=torch.tensor(1.0))) == {'l_a': 1.0}
        with pytest.raises(FloatingPointError, match='l_a'):
            model.reduce_loss_dict(OrderedDict(l_a=torch.tensor(float('nan'))))


class TestFiles:
    def test_failed_write_keeps_the_old_file(self, tmp_path, monkeypatch):
        path = tmp_path / 'a.pth'
        checkpoints.write({'x': 1}, str(path))

        def half(_content, file):
            file.write(b'half')
            raise RuntimeError('disk full')

        monkeypatch.setattr(torch, 'save', half)
        with pytest.raises(OSError, match='a.pth.*disk full'):
            checkpoints.write({'x': 2}, str(path))
        assert read_tensors(str(path)) == {'x': 1} and os.listdir(tmp_path) == ['a.pth']

    def test_nothing_is_unpickled(self, tmp_path):
        torch.save({'x': SimpleNamespace()}, tmp_path / 'object.pth')
        (tmp_path / 'damaged.pth').write_bytes(b'PK\x03\x04 half a file')
        for name, message in (('object', 'safe to read'), ('damaged', 'safe to read'), ('absent', 'no such file')):
            with pytest.raises(OptionsError, match=f'{name}.pth.*{message}'):
                read_tensors(str(tmp_path / f'{name}.pth'))

    def test_networks_round_trip(self, model, tmp_path):
        model.save_network([model.net_g, model.net_g_ema], 'net_g', 5, param_key=['params', 'params_ema'])
        other = TinyNet()
        for key, source in (('params', model.net_g), ('params_ema', model.net_g_ema), ('absent', model.net_g)):
            model.load_network(other, str(tmp_path / 'models/net_g_5.pth'), True, key)
            assert all(map(torch.equal, other.state_dict().values(), source.state_dict().values()))
        save_file(model.net_g_ema.state_dict(), tmp_path / 'net.safetensors')
        model.load_network(other, str(tmp_path / 'net.safetensors'))
        assert all(map(torch.equal, other.state_dict().values(), model.net_g_ema.state_dict().values()))

    def test_weights_of_another_network(self, model, tmp_path):
        model.save_network(TinyNet(norm=False), 'net_g', -1)
        path = str(tmp_path / 'models/net_g_latest.pth')
        with pytest.raises(OptionsError, match=r'net_g_latest.pth does not fit TinyNet: missing: body.1.*and 2 more'):
            model.load_network(TinyNet(), path)
        with pytest.raises(OptionsError, match=r'other shape: body.0.*\(4, 3, 3, 3\) for \(5, 3, 3, 3\)'):
            model.load_network(TinyNet(width=5, norm=False), path)
        with pytest.raises(OptionsError, match="no weights under 'params_x'; the file holds a"):
            torch.save({'a': 1}, path)
            model.load_network(TinyNet(), path, True, 'params_x')

    def test_nan_weights_are_not_saved(self, model, tmp_path):
        model.net_g.body[0].weight.data[0] = float('nan')
        with pytest.raises(FloatingPointError, match='body.0.weight of net_g'):
            model.save_network(model.net_g, 'net_g', 5)
        assert not os.path.exists(tmp_path / 'models')


class TestResume:
    @pytest.fixture
    def opt(self, model, tmp_path, monkeypatch):
        """Options of a run with whole checkpoints at 9 and 10; the current folder is another one."""
        (tmp_path / 'elsewhere').mkdir()
        monkeypatch.chdir(tmp_path / 'elsewhere')
        model.optimizers = [torch.optim.Adam(model.net_g.parameters())]
        for iteration in (9, 10):
            model.save_network(model.net_g, 'net_g', iteration)
            model.save_training_state(0, iteration)
        return {'auto_resume': True, 'network_g': {}, 'path': {**model.opt['path'], 'resume_state': None}}

    def test_newest_state_from_any_folder(self, opt, tmp_path):
        assert launch.load_resume_state(opt)['iter'] == 10
        assert opt['path']['pretrain_network_g'] == str(tmp_path / 'models/net_g_10.pth')

    @pytest.mark.parametrize('damage', ['states/10.state', 'models/net_g_10.pth'])
    @pytest.mark.parametrize('content', [None, b'half'])
    def test_falls_back_to_the_checkpoint_before(self, opt, tmp_path, damage, content):
        os.remove(tmp_path / damage)
        if content:
            (tmp_path / damage).write_bytes(content)
        assert launch.load_resume_state(opt)['iter'] == 9
        assert opt['path']['pretrain_network_g'].endswith('net_g_9.pth')

    def test_no_whole_checkpoint_is_an_error_no_restart(self, opt, tmp_path):
        for iteration in (9, 10):
            os.remove(tmp_path / f'models/net_g_{iteration}.pth')
        with pytest.raises(OptionsError, match='no training state can be resumed from.*no network of iteration 10'):
            launch.load_resume_state(opt)

    def test_new_run(self, opt, tmp_path):
        opt['path']['training_states'] = str(tmp_path / 'none')
        assert launch.load_resume_state(opt) is None

    def test_a_network_never_saved_keeps_its_own_weights(self, opt):
        opt['network_t'], opt['path']['pretrain_network_t'] = {}, 'teacher.pth'
        launch.load_resume_state(opt)
        assert opt['path']['pretrain_network_t'] == 'teacher.pth'

    def test_best_metrics_and_random_states_come_back(self, opt, model):
        model.best_metric_results = {'val': {'psnr': {'better': 'higher', 'val': 30.0, 'iter': 10}}}
        model.save_training_state(0, 11)
        model.save_network(model.net_g, 'net_g', 11)
        state = rng_state()['torch']
        torch.rand(3)
        model.best_metric_results = {}
        model.resume_training(launch.load_resume_state(opt))
        assert model.best_metric_results['val']['psnr']['val'] == 30.0 and torch.equal(rng_state()['torch'], state)


class TestLoading:
    options = {'phase': 'train', 'name': 'a', 'batch_size_per_gpu': 2, 'num_worker_per_gpu': 0, 'length': 8}

    def test_iterating_leaves_the_global_generator_alone(self):
        items = TinySet(self.options)
        loader = build_dataloader(items, self.options, num_gpu=0, sampler=EnlargedSampler(items, 1, 0), seed=1)
        before = torch.get_rng_state()
        list(loader)
        assert torch.equal(before, torch.get_rng_state())

    def test_options_that_torch_refuses(self):
        options = {**self.options, 'phase': 'val', 'persistent_workers': True, 'pin_memory': True}
        assert len(list(build_dataloader(TinySet(options), options))) == 8

    def test_an_error_while_prefetching_is_raised(self):
        class Broken(TinySet):
            def __getitem__(self, index):
                raise ValueError('this image is damaged')

        options = {**self.options, 'prefetch_mode': 'cpu'}
        loader = build_dataloader(Broken(options), options, num_gpu=0, seed=1)
        with pytest.raises(ValueError, match='this image is damaged'):
            CPUPrefetcher(loader).next()


class TestLaunch:
    def parse(self, monkeypatch, *arguments):
        monkeypatch.setattr(sys, 'argv', ['train.py', *arguments])
        monkeypatch.setattr(sys, 'excepthook', sys.excepthook)
        return parse_options('root')[0]

    def test_forced_options(self, monkeypatch, tmp_path):
        file = write_options(tmp_path / 'o.yml')
        opt = self.parse(
            monkeypatch,
            '-opt',
            file,
            '--force_yml',
            'train:optim_g:lr=2e-4',
            'val:suffix=none',
            'manual_seed=3',
            'train:optim_g:weight_decay=1',
            'val:pbar=True',
            '--auto_resume',
        )
        assert opt['train']['optim_g'] == {'type': 'RMSprop', 'lr': 2e-4, 'momentum': 0.9, 'weight_decay': 1}
        assert opt['val']['suffix'] is None and opt['val']['pbar'] is True and opt['auto_resume']
        assert opt['manual_seed'] == RUN.seed == torch.initial_seed() == 3

    @pytest.mark.skipif(torch.cuda.is_available(), reason='for machines without a GPU')
    def test_options_for_a_gpu_train_on_the_cpu(self, monkeypatch, tmp_path):
        file = write_options(tmp_path / 'o.yml', num_gpu=1, datasets__train__prefetch_mode='cuda')
        opt = self.parse(monkeypatch, '-opt', file)
        assert opt['num_gpu'] == 0 and opt['datasets']['train']['prefetch_mode'] is None

    def test_one_of_several_gpus_without_a_launcher(self, monkeypatch, tmp_path, capsys):
        monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
        monkeypatch.setattr(torch.cuda, 'device_count', lambda: 3)
        opt = self.parse(monkeypatch, '-opt', write_options(tmp_path / 'o.yml', num_gpu='auto'))
        assert opt['num_gpu'] == 1 and 'torchrun --nproc_per_node=3' in capsys.readouterr().out

    def test_unknown_keys_under_path_are_no_folders(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        path = {'experiments_root': 'run', 'models': 'run/models', 'teacher': 'weights'}
        make_exp_dirs({'is_train': True, 'path': path})
        assert os.listdir(tmp_path) == ['run'] and os.listdir('run') == ['models']


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='another C library')
def test_freed_tensors_are_not_fetched_from_the_system_again():
    program = """
import resource, sys, torch
from rim_plugin.compat.devices import keep_memory
if sys.argv[1] == 'keep':
    keep_memory()
for _ in range(5):
    torch.ones(16 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):  # the heap may still grow once or twice
    torch.ones(16 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    runs = [
        subprocess.run([sys.executable, '-c', program, how], capture_output=True, text=True, check=True)
        for how in ('plain', 'keep')
    ]
    faults = [int(run.stdout) for run in runs]
    assert faults[1] < 0.05 * faults[0], faults
