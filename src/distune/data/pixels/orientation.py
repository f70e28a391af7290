"""The orientation that a camera wrote into a PNG or WebP file (EXIF tag 0x0112), and pixels turned by it.

OpenCV turns JPEG and TIFF by itself; of PNG and WebP it gives either the orientation or the transparency.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

ORIENTATION = 0x0112
UPRIGHT = 1
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def orientation(content: bytes) -> int:
    """The EXIF orientation of a PNG or WebP file, 1 to 8; 1, which is upright, where it has none."""
    if content.startswith(PNG_SIGNATURE):
        chunks, wanted = _png_chunks(content), b"eXIf"
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        chunks, wanted = _webp_chunks(content), b"EXIF"
    else:
        return UPRIGHT
    exif = next((body for kind, body in chunks if kind == wanted), b"")
    value = tiff_value(exif.removeprefix(b"Exif\0\0"), ORIENTATION)
    return value if value is not None and 1 <= value <= 8 else UPRIGHT


def turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turns and mirrors pixels (height, width, ...) so that what the EXIF orientation calls up is up."""
    if orientation >= 5:
        pixels = np.swapaxes(pixels, 0, 1)
    flips = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}.get(orientation, ())
    return np.flip(pixels, flips) if flips else pixels


_BYTE_ORDER = {b"II*\0": "<", b"MM\0*": ">"}


def tiff_is_cut(content: bytes) -> bool:
    """Whether the first directory of a TIFF has no end: behind it stands where the next one is, if only 0."""
    if content[:4] not in _BYTE_ORDER:
        return False
    found = _first_directory(content)
    return found is None or len(content) < found[1].stop + 4


def tiff_value(content: bytes, tag: int) -> int | None:
    """The first 16-bit value of a tag in the first directory of TIFF or EXIF data; None where it has none."""
    found = _first_directory(content)
    if found is None:
        return None
    order, entries = found
    try:
        for entry in entries:
            own, kind, number = struct.unpack_from(order + "HHI", content, entry)
            if own == tag and kind == 3:
                place = entry + 8
                if number > 2:  # more than fits the entry: it holds where the values are
                    (place,) = struct.unpack_from(order + "I", content, place)
                return int(struct.unpack_from(order + "H", content, place)[0])
    except struct.error:
        pass
    return None


def _first_directory(content: bytes) -> tuple[str, range] | None:
    """The byte order of TIFF or EXIF data, and the places of their first entries; None where there are none."""
    order = _BYTE_ORDER.get(content[:4])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(order + "I", content, 4)
        (count,) = struct.unpack_from(order + "H", content, start)
    except struct.error:
        return None
    return order, range(start + 2, start + 2 + 12 * count, 12)


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(PNG_SIGNATURE)
    while place + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        kind = content[place + 4 : place + 8]
        yield kind, content[place + 8 : place + 8 + length] if kind == b"eXIf" else b""
        place += length + 12


def _webp_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    while place + 8 <= len(content):
        (length,) = struct.unpack_from("<I", content, place + 4)
        kind = content[place : place + 4]
        yield kind, content[place + 8 : place + 8 + length] if kind == b"EXIF" else b""
        place += 8 + length + length % 2
