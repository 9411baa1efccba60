"""What is told of a gallery's place before faces are embedded."""

import os

import pytest
from support.galleries import SHA256, fill

from rim_plugin.tools.gallery.opening import check_store, open_store
from rim_plugin.tools.gallery.store import GalleryError


def test_a_place_that_may_not_be_written_to_is_told_before_the_work(tmp_path, monkeypatch):
    check_store(tmp_path / 'new/people.rim', None, 'ab')
    monkeypatch.setattr(os, 'access', lambda path, mode: path != tmp_path)  # root writes everywhere
    with pytest.raises(GalleryError, match=f'people.rim: {tmp_path} may not be written to'):
        check_store(tmp_path / 'new/people.rim', None, 'ab')
    assert not list(tmp_path.iterdir())


def test_faces_cut_otherwise_are_told_before_the_work(tmp_path):
    path = tmp_path / 'people.rim'
    with open_store(path, sha256=SHA256, make=True) as store:
        check_store(path, None, SHA256, 'aligned')
        fill(store, ['Ann'], cut='auto')
    check_store(path, None, SHA256, 'auto')
    check_store(path, None, SHA256)
    with pytest.raises(GalleryError, match='people.rim: its faces were cut by --detect auto, these by --detect none'):
        check_store(path, None, SHA256, 'aligned')
