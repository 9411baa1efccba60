"""What tests of the checks share."""

import pytest
from support.tiny_training import write_options

from rim_plugin.errors import OptionsError
from rim_plugin.options.checking import check
from rim_plugin.options.reading import read_options


@pytest.fixture
def problem(tmp_path):
    """A function that gives the error that changes of a right options file bring."""

    def problem(is_train=True, forced=(), **changes):
        file = write_options(tmp_path / 'o.yml', **changes)
        with pytest.raises(OptionsError) as caught:
            check(read_options(file, forced), file, is_train)
        assert '\n' not in str(caught.value)
        return str(caught.value).replace(str(tmp_path), '')

    return problem
