"""Reading tensors: nothing is unpickled, keys of checkpoints, and each kind of wrong file gets one line."""

import pytest
import torch
from support.refusals import refused

from rim_plugin.tensor_files import is_packed, misfit, read_tensors, read_weights


def test_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / 'trap'), 'w')

    torch.save({'params': Trap()}, tmp_path / 'object.pth')
    (tmp_path / 'damaged.pth').write_bytes(b'PK\x03\x04 half a file')
    (tmp_path / 'folder.pth').mkdir()
    told_of = {'object': 'safe to read', 'damaged': 'safe to read', 'absent': 'no such file', 'folder': 'a folder'}
    for name, message in told_of.items():
        for read in (read_tensors, read_weights):
            told = refused(read, tmp_path / f'{name}.pth')
            assert f'{name}.pth: ' in told and message in told
    assert not (tmp_path / 'trap').exists()


@pytest.mark.parametrize('content', [[1, 2], torch.zeros(2, 2), {'params': 3}, {'params': {1: torch.zeros(1)}}])
def test_a_file_without_weights_is_told(tmp_path, content):
    torch.save(content, tmp_path / 'x.pth')
    assert 'x.pth: holds no weights' in refused(read_weights, tmp_path / 'x.pth')


def test_keys_of_a_checkpoint(tmp_path):
    weights = {key: {'a': torch.full((1,), number)} for number, key in enumerate(('params', 'params_ema'))}
    torch.save(weights, tmp_path / 'x.pth')
    for key, number in (('params', 0), ('params_ema', 1), ('gone', 0)):
        assert read_weights(tmp_path / 'x.pth', key)['a'].item() == number
    assert read_weights(tmp_path / 'x.pth', None).keys() == weights.keys()
    torch.save({'net': {}}, tmp_path / 'y.pth')
    assert "no weights under 'params'; the file holds net" in refused(read_weights, tmp_path / 'y.pth')


def test_former_names_of_tensors(tmp_path):
    torch.save(
        {f'module.{branch}.fits.0.1.weight': torch.ones(1) for branch in ('student', 'assistant')},
        tmp_path / 'bare.pth',
    )
    expected = {f'module.{branch}.adapters.0.1.weight' for branch in ('student', 'assistant')}
    assert read_weights(tmp_path / 'bare.pth', None).keys() == expected


def test_misfit_names_keys_and_shapes():
    own = {'a': torch.zeros(1), 'b': torch.zeros(2)}
    assert misfit(own, own) == ''
    told = misfit(own, {'b': torch.zeros(3), 'c': torch.zeros(1)})
    assert told == 'missing: a; unexpected: c; other shape: b (3,) for (2,)'


def test_packed_by_its_names():
    assert is_packed({'fhn.a': 0, 'hrn.b': 0})
    assert not is_packed({'fhn.a': 0, 'conv.b': 0}) and not is_packed({})
