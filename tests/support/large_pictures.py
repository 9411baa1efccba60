"""Pictures that are too large to be read."""

import struct
import zlib


def write_header(path, width, height):
    """A grey PNG of which nothing but the header is there: whoever decoded it would call it damaged."""
    header = b'IHDR' + struct.pack('>II5B', width, height, 8, 0, 0, 0, 0)
    chunks = struct.pack('>I', 13) + header + struct.pack('>I', zlib.crc32(header)) + struct.pack('>I', 999) + b'IDAT'
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + chunks)
    return path
