"""A folder for benchmarks."""

import pytest
from support.benchmarks import write_options


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in with the options of two methods and the weights of one."""
    monkeypatch.chdir(tmp_path)
    write_options()
    return tmp_path
