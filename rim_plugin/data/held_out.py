"""One set of faces for training and validation: some are held out, the same ones whenever the set is read."""

import zlib
from collections.abc import Sequence


def faces_of_phase(keys: Sequence[str], share: float, phase: str | None) -> list[str]:
    """The faces to train on, or those held out, of which there is one at least.

    Who is held out depends on the names alone: the ``share`` of the keys whose CRC-32 is least, ties by name.

    Args:
        keys: of all faces.
        share: to hold out, 0 to 1.
        phase: ``train`` for the faces to train on, anything else for those held out.

    Returns:
        Keys, in their order.
    """
    count = max(round(share * len(keys)), 1)
    held_out = set(sorted(keys, key=lambda key: (zlib.crc32(key.encode()), key))[:count])
    return [key for key in keys if (key in held_out) != (phase == 'train')]
