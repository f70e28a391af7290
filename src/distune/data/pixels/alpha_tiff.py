"""TIFF files with opacity: of grey, of which OpenCV keeps 8 bits alone; of colour, which it multiplies itself."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distune.data.pixels.orientation import ORIENTATION, UPRIGHT, tiff_value, turned
from distune.errors import UserError

_WIDTH, _BITS, _SAMPLES, _PLANES, _PREDICTOR, _TILE_WIDTH, _EXTRA = 256, 258, 277, 284, 317, 322, 338
_ASSOCIATED, _UNASSOCIATED = 1, 2
"""What stands in `_EXTRA`: opacity that the colours are multiplied with already, and opacity that they are not."""
_UNUSED = 65000
"""A private tag, which readers skip."""


def has_grey_and_opacity(content: bytes) -> bool:
    """Whether a file is a TIFF with two values a pixel."""
    return tiff_value(content, _SAMPLES) == 2


def is_over_black(content: bytes) -> bool:
    """Whether a file is a TIFF of colour and opacity whose colours OpenCV gives as they look over black.

    It multiplies those of 8 bits; some files hold them so.
    """
    if tiff_value(content, _SAMPLES) != 4:
        return False
    opacity = tiff_value(content, _EXTRA)
    return opacity == _ASSOCIATED or (opacity == _UNASSOCIATED and tiff_value(content, _BITS) == 8)


def grey_and_opacity(content: bytes) -> NDArray[Any]:
    """Decodes a TIFF with two values a pixel.

    Rows of such pixels are, byte for byte, rows of twice as many grey ones, which OpenCV reads at full depth: so a
    copy of the file whose header says that is decoded.

    Returns:
        Grey and opacity, (height, width, 2), upright and with the file's depth.

    Raises:
        UserError: the values lie in separate planes, or the file is damaged.
    """
    if tiff_value(content, _PLANES) == 2:
        raise UserError("a TIFF with grey and opacity in separate planes; save it with pixels interleaved")
    is_differenced = tiff_value(content, _PREDICTOR) == 2
    try:
        wide = cv2.imdecode(np.frombuffer(_as_wide_grey(content), np.uint8), cv2.IMREAD_UNCHANGED)
    except struct.error:  # a header that was cut, or a width that does not fit its field when doubled
        wide = None
    if wide is None or wide.ndim != 2 or wide.shape[1] % 2:
        raise UserError("damaged, or a TIFF of grey and opacity that cannot be decoded")
    pixels = wide.reshape(wide.shape[0], -1, 2)
    # Each value is stored as what it differs by from its left neighbour, modulo its range.
    values = np.cumsum(pixels, axis=1, dtype=pixels.dtype) if is_differenced else pixels
    return turned(values, tiff_value(content, ORIENTATION) or UPRIGHT)


def _as_wide_grey(content: bytes) -> bytes:
    order = "<" if content[:2] == b"II" else ">"
    changed = bytearray(content)
    (start,) = struct.unpack_from(order + "I", content, 4)
    (count,) = struct.unpack_from(order + "H", content, start)
    bits = tiff_value(content, _BITS) or 8
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(order + "HH", content, entry)
        form = order + ("I" if kind == 4 else "H")
        if tag in (_WIDTH, _TILE_WIDTH):
            (width,) = struct.unpack_from(form, content, entry + 8)
            struct.pack_into(form, changed, entry + 8, 2 * width)
        elif tag in (_SAMPLES, _PREDICTOR, ORIENTATION):
            struct.pack_into(form, changed, entry + 8, 1)
        elif tag == _BITS:
            struct.pack_into(order + "HHIHH", changed, entry, _BITS, 3, 1, bits, 0)
        elif tag == _EXTRA:
            struct.pack_into(order + "H", changed, entry, _UNUSED)
    return bytes(changed)
