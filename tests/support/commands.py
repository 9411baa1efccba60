"""What tests of the commands share: detectors to name on the command line, and how a command fails."""

import numpy as np
import pytest

from rim_plugin.data.alignment import alignment_template

POINTS = np.stack([alignment_template(40) + (30, 20), alignment_template(24) + (100, 60)])  # 40, 24 pixels
TWO_FACES, ONE_FACE, NOBODY = (f'{__name__}:{name}' for name in ('two_faces', 'one_face', 'nobody'))


def two_faces(image):
    """A detector that sees two faces in every photo."""
    return POINTS


def two_large_faces(image):
    """The same two, in a photo four times as large."""
    return (POINTS + 0.5) * 4 - 0.5


def one_face(image):
    """A detector that sees one."""
    return POINTS[:1]


def nobody(image):
    """A detector that sees none."""
    return []


def failed(command, *argv):
    """The one line with which a command ends."""
    with pytest.raises(SystemExit) as caught:
        command([str(each) for each in argv])
    message = str(caught.value.code)
    assert message.startswith('Error: ') and '\n' not in message
    return message


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*') if path.is_file())
