"""The teacher of the phases' tests."""

import pytest


@pytest.fixture
def teacher(tiny_teacher):
    return tiny_teacher
