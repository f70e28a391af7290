"""Images in any form as the pixels that an encoder reads."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.data.pixels.image_size import size_of
from distune.data.pixels.images import decode, from_array, located, squared
from distune.data.pixels.intensity import DEFAULT, PixelRules
from distune.errors import UserError, is_of_the_machine
from distune.utils.text import one_line

PICTURE_MODES = ("L", "RGB", "RGBA", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")
"""Modes of Pillow whose arrays are what they look like; the others are converted."""
_SHALLOW_COLOUR = ("RGB", "RGBA", "LA", "RGBX")


def encoder_pixels(
    image: Any, size: int, rules: PixelRules = DEFAULT, max_megapixels: float = math.inf
) -> NDArray[np.uint8]:
    """An image in any form -> what the encoder reads, uint8 (3, size, size).

    Args:
        image: a path, an array or a Pillow image.
        size: side of the result in pixels.
        rules: how deep pixels become 8 bits.
        max_megapixels: larger images are refused, files by their header as far as it tells.

    Raises:
        UserError: it cannot be read, or is too large.
    """
    if isinstance(image, str | Path):
        _check_size(size_of(located(image)[0]), max_megapixels)
        return decode(image, size, rules)
    if is_picture(image):
        _check_size(image.size, max_megapixels)
        image = array_of(image)
    if not isinstance(image, np.ndarray):
        raise UserError(
            f"an image of type {type(image).__name__}: give a path, a NumPy array or a Pillow image"
        )
    _check_size(image.shape[:2][::-1], max_megapixels)
    return squared(from_array(image, rules), size)


def _check_size(size: tuple[int, ...] | None, max_megapixels: float) -> None:
    if size is not None and len(size) == 2 and size[0] * size[1] > max_megapixels * 1e6:
        raise UserError(
            f"image of {size[0]} x {size[1]} pixels is larger than data.max_image_megapixels {max_megapixels:g}"
        )


def is_picture(value: Any) -> bool:
    """Whether a value is a Pillow image."""
    return hasattr(value, "getexif") and hasattr(value, "mode")


def array_of(picture: Any) -> NDArray[Any]:
    """The values of a Pillow image, turned as its camera says, as those of a file would be.

    Raises:
        UserError: the file behind it is damaged, or holds more than the picture.
    """
    from PIL import ImageOps

    if picture.mode in _SHALLOW_COLOUR and any(";16" in str(part) for part in getattr(picture, "tile", ())):
        raise UserError("colours of 16 bits, of which Pillow keeps 8; give the path of the file, or an array")
    try:
        picture.load()  # which turns most of the TIFF files, and says so
        picture = ImageOps.exif_transpose(picture)
        # A grey that stands for transparent in a PNG is shown, as where the file is read.
        is_keyed = "transparency" in picture.info and picture.mode not in ("1", "L", "I", "I;16")
        has_alpha = picture.mode in ("LA", "PA", "La", "RGBa") or is_keyed
        if has_alpha or picture.mode not in PICTURE_MODES:
            picture = picture.convert("RGBA" if has_alpha else "L" if picture.mode == "1" else "RGB")
        return np.asarray(picture)
    except Exception as error:  # Pillow reads the file only now, and its plugins raise what they like
        if is_of_the_machine(error):
            raise
        raise UserError(f"not readable: {one_line(error, 100)}") from None
