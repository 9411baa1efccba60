"""Memory of a process that runs for long."""

import ctypes


def give_back() -> None:
    """Give freed memory back to the system: glibc keeps what lies between blocks in use, and of pictures of many sizes
    read and written by threads that becomes more and more. Nothing happens with another C library."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    trim(0)
