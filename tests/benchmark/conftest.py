"""A folder for benchmarks."""

import pytest
from support.benchmarks import write_options
from support.forking_python import forking_python


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in with the options of two methods and the weights of one."""
    monkeypatch.chdir(tmp_path)
    write_options()
    return tmp_path


@pytest.fixture
def forks(monkeypatch):
    """Processes that train and measure are forks, of one that has imported what they import."""
    monkeypatch.setattr('sys.executable', forking_python())
