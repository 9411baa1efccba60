"""What is told of a gallery's place before faces are embedded."""

import os

import pytest

from rim_plugin.tools.gallery.opening import check_store
from rim_plugin.tools.gallery.store import GalleryError


def test_a_place_that_may_not_be_written_to_is_told_before_the_work(tmp_path, monkeypatch):
    check_store(tmp_path / 'new/people.rim', None, 'ab')
    monkeypatch.setattr(os, 'access', lambda path, mode: path != tmp_path)  # root writes everywhere
    with pytest.raises(GalleryError, match=f'people.rim: {tmp_path} may not be written to'):
        check_store(tmp_path / 'new/people.rim', None, 'ab')
    assert not list(tmp_path.iterdir())
