"""No room, and no leave to write: what a run leaves, and what it says."""

import errno
import os

import pytest
import torch
from support.disks import limited

from rim_plugin.compat import checkpoints, launch

from basicsr.utils import imwrite


def test_a_checkpoint_says_which_file_and_why_and_leaves_the_one_before(tmp_path):
    path = tmp_path / 'net.pth'
    checkpoints.write({'a': torch.ones(3)}, path)
    with limited(8192), pytest.raises(OSError, match=f'cannot save {path}: File too large') as caught:
        checkpoints.write({'a': torch.zeros(100_000)}, path)
    assert caught.value.errno == errno.EFBIG
    assert torch.equal(torch.load(path)['a'], torch.ones(3)) and os.listdir(tmp_path) == ['net.pth']


def test_a_folder_in_the_place_of_a_checkpoint_is_moved_aside(tmp_path):
    for _ in range(2):
        (tmp_path / '4.state').mkdir()
        (tmp_path / '4.state' / 'mine').touch()
        checkpoints.write({'iter': 4}, tmp_path / '4.state')
        assert torch.load(tmp_path / '4.state') == {'iter': 4}
        (tmp_path / '4.state').unlink()
    assert sorted(path.name for path in tmp_path.glob('*/mine')) == ['mine', 'mine']


def test_pictures_of_basicsr_are_written_whole_or_say_why(tmp_path):
    image = torch.randint(255, (99, 99, 3), dtype=torch.uint8).numpy()
    with limited(4096), pytest.raises(OSError, match='File too large.*new/a.png'):
        imwrite(image, str(tmp_path / 'new/a.png'))
    assert os.listdir(tmp_path / 'new') == []
    assert imwrite(image, str(tmp_path / 'new/a.png'))


@pytest.mark.parametrize('number', [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EFBIG, errno.EDQUOT])
def test_a_full_disk_ends_a_training_in_one_line(number, capsys):
    error = OSError(number, os.strerror(number), '/run/a.log')
    launch._one_line_error(lambda *_: print('before'), OSError, error, None)
    printed = capsys.readouterr()
    assert printed.out == '' and printed.err.startswith(f'Error: {os.strerror(number)}: /run/a.log. With room there')
    assert printed.err.count('\n') == 1
    launch._one_line_error(lambda *_: print('before'), OSError, OSError('a bug'), None)
    assert capsys.readouterr().out == 'before\n'
