"""The list of seeded faults still fits the package."""

from pathlib import Path

import pytest
from seeded_faults import FAULTS, REPOSITORY, first_failure


@pytest.mark.parametrize('fault', FAULTS, ids=[fault.wrong for fault in FAULTS])
def test_the_text_of_a_fault_occurs_once_and_its_tests_exist(fault):
    text = Path(REPOSITORY, 'rim_plugin', fault.file).read_text(encoding='utf-8')
    assert text.count(fault.old) == 1 and fault.new != fault.old
    assert all(Path(REPOSITORY, 'tests', test).is_file() for test in fault.tests.split())


@pytest.mark.slow
def test_a_fault_is_seen_by_the_tests_of_the_copy_that_has_it():
    fault = next(each for each in FAULTS if each.wrong == 'pipeline: the mirror image is upside down')
    assert first_failure(fault.tests.split(), fault).startswith('test_pipeline.py::')
