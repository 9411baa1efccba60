"""What tests of refused files and options share."""

import pytest

from rim_plugin.errors import OptionsError


def refused(function, *args):
    """The one line of the OptionsError with which a call ends."""
    with pytest.raises(OptionsError) as caught:
        function(*args)
    message = str(caught.value)
    assert '\n' not in message
    return message
