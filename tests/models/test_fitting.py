"""What does not fit is told with the place in the options file and the shapes of both sides."""

import pytest
import torch

from rim_plugin.errors import OptionsError
from rim_plugin.models.fitting import called, check_faces

from basicsr.losses import build_loss

CONV = torch.nn.Conv2d(3, 4, 1)


def test_what_fits_is_what_the_part_gives():
    image = torch.rand(2, 3, 8, 8)
    assert torch.equal(called('network_g', CONV, image), CONV(image))
    assert check_faces('network_g', CONV, image, image) is image


def test_a_network_that_cannot_take_its_input_is_told():
    with pytest.raises(OptionsError, match=r'^network_g: Conv2d cannot take \(2, 1, 8, 8\) \(Given groups=1, weight'):
        called('network_g', CONV, torch.rand(2, 1, 8, 8))
    wrapped = torch.nn.Sequential()
    wrapped.module = CONV  # as DistributedDataParallel has it
    with pytest.raises(OptionsError, match=r'cannot take \[\(1, 2\), True\]'):
        called('network_g', wrapped, [torch.rand(1, 2), True])


def test_faces_of_another_size_are_told():
    with pytest.raises(
        OptionsError, match=r'^network_g: Conv2d makes \(2, 4, 8, 8\) of the probes; the training faces'
    ):
        check_faces('network_g', CONV, torch.rand(2, 4, 8, 8), torch.rand(2, 3, 8, 8))


def test_words_of_this_package_are_kept_whole():
    loss = build_loss({'type': 'CosineIdentityLoss'})
    with pytest.raises(
        OptionsError, match=r'^train.sr_identity_opt: CosineIdentityLoss: embeddings must have one shape'
    ):
        called('train.sr_identity_opt', loss, torch.rand(2, 3), torch.rand(2, 4))


def test_memory_that_runs_out_is_no_mistake_in_the_options():
    def exhausted():
        raise torch.OutOfMemoryError('CUDA out of memory')

    with pytest.raises(torch.OutOfMemoryError):
        called('network_g', exhausted)
