"""Another program's outputs, matched by file name and by the probes' values."""

import cv2
import numpy as np
import pytest
import torch

from rim_plugin.archs.folder_outputs_arch import FolderOutputs
from rim_plugin.errors import OptionsError


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def tensor(image):
    return torch.from_numpy(image.copy()).permute(2, 0, 1) / 255


@pytest.fixture
def pictures(tmp_path):
    """Two probes of 4 pixels in folders, and an output of 8 pixels for each."""
    rng = np.random.default_rng(0)
    made = {}
    for name in ('ann/1', 'bob/1'):
        made[name] = [rng.integers(0, 256, (side, side, 3), np.uint8) for side in (4, 8)]
        write(tmp_path / f'probes/{name}.png', made[name][0])
        write(tmp_path / f'outputs/{name}.bmp', made[name][1])
    return tmp_path, list(made.values())


def test_each_probe_gives_the_output_of_its_name(pictures):
    folder, ((one, first), (two, second)) = pictures
    net = FolderOutputs(str(folder / 'probes'), str(folder / 'outputs'), 8)
    faces = net(torch.stack([tensor(two), tensor(one)]))
    assert torch.equal(faces, torch.stack([tensor(second), tensor(first)]))
    assert torch.equal(net(tensor(one).flip(2)[None])[0], tensor(first).flip(2))  # the mirror image


def test_outputs_of_another_size_are_resized(pictures):
    folder, ((one, first), _) = pictures
    net = FolderOutputs(str(folder / 'probes'), str(folder / 'outputs'), 4)
    mean = first.reshape(4, 2, 4, 2, 3).mean((1, 3))
    assert (net(tensor(one)[None])[0] * 255 - torch.from_numpy(mean).permute(2, 0, 1)).abs().max() <= 0.51


def test_what_is_missing_is_told(pictures):
    folder, ((one, _), (two, _)) = pictures
    probes, outputs = str(folder / 'probes'), str(folder / 'outputs')
    net = FolderOutputs(probes, outputs, 8)
    with pytest.raises(ValueError, match='a probe is none of the folder of probes'):
        net(tensor(one)[None] + 1 / 255)
    (folder / 'outputs/bob/1.bmp').unlink()
    with pytest.raises(ValueError, match='no output bob/1'):
        FolderOutputs(probes, outputs, 8)(tensor(two)[None])
    (folder / 'outputs/ann/1.bmp').rename(folder / 'outputs/other.bmp')
    with pytest.raises(OptionsError, match='no picture of .* has the name of one'):
        FolderOutputs(probes, outputs, 8)
    (folder / 'outputs/other.bmp').write_bytes(b'x')
    (folder / 'outputs/other.bmp').rename(folder / 'outputs/bob.png')
    (folder / 'outputs/bob').rename(folder / 'none')
    with pytest.raises(OptionsError, match='there are no pictures'):
        FolderOutputs(probes, str(folder / 'none'), 8)


def test_a_damaged_picture_is_named(pictures):
    folder, ((one, _), _) = pictures
    (folder / 'outputs/ann/1.bmp').write_bytes(b'x')
    net = FolderOutputs(str(folder / 'probes'), str(folder / 'outputs'), 8)
    with pytest.raises(OptionsError, match='ann/1.bmp: no picture can be read'):
        net(tensor(one)[None])
