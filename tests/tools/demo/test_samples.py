"""The drawn pictures to try the page on."""

import pytest

from rim_plugin.data.photo_files import read_rgb
from rim_plugin.tools.demo.samples import people, write_samples


@pytest.mark.slow
def test_samples_are_a_photo_and_faces_below_its_size(tmp_path):
    samples = write_samples(tmp_path / 'samples')
    (photo,), *faces = samples.alone
    assert read_rgb(photo).shape == (2 * 46, 3 * 46, 3)
    assert [read_rgb(face).shape[0] for (face,) in faces] == [28, 16, 10]
    assert [[read_rgb(face).shape[0] for face in pair] for pair in samples.pairs.values()] == [[112, 24]] * 2
    assert len(samples.probes) == 3


@pytest.mark.slow
def test_six_people_have_names():
    assert len(people()) == 6 and {face.shape for face in people().values()} == {(112, 112, 3)}
