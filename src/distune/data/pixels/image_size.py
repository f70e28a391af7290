"""Width and height of an image file from its header, before anything is decoded, and whether it holds several."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distune.data.pixels.dicom import dicom_header_of
from distune.data.pixels.orientation import PNG_SIGNATURE
from distune.errors import UserError, is_of_the_machine
from distune.utils.files.paths import check_is_file
from distune.utils.text import counted


def size_of(path: str) -> tuple[int, int] | None:
    """Width and height of an image file in pixels; None where its header does not tell.

    Where Pillow is not installed, as beside a bundle, those of PNG files alone are known.

    Args:
        path: the file.

    Raises:
        UserError: it is so large that Pillow refuses it.
    """
    try:
        check_is_file(Path(path))
    except OSError:  # whatever decodes it says why
        return None
    try:
        from PIL import Image
    except ImportError:
        return _of_png(path)
    try:
        with Image.open(path) as opened:
            return opened.size
    except Image.DecompressionBombError as error:
        raise UserError(f"{path}: {error}") from None
    except Exception as error:  # no image that Pillow knows, or whatever its plugins raise on a damaged one
        if is_of_the_machine(error):
            raise
    try:
        header = dicom_header_of(path)
    except (OSError, UserError):  # whatever decodes it says why
        return None
    return None if header is None else (header.width, header.height)


def has_more(opened: Any) -> bool:
    """Whether a file that Pillow opened is animated or has pages.

    The previews that cameras add to a JPEG are no pictures of their own.
    """
    try:
        return opened.format != "MPO" and bool(getattr(opened, "is_animated", False))
    except Exception as error:  # what follows the first picture is damaged
        if is_of_the_machine(error):
            raise
        return False


def holds_several(path: str) -> bool:
    """Whether an image file that can be read holds several pictures; without Pillow only DICOM files tell."""
    try:
        if (header := dicom_header_of(path)) is not None:
            return header.frames > 1
        from PIL import Image

        with Image.open(path) as opened:
            return has_more(opened)
    except Exception as error:  # no Pillow, or an image that it does not know
        if is_of_the_machine(error):
            raise
        return False


def several_pictures(names: Sequence[str]) -> str:
    """One line about files that hold several pictures."""
    return (
        f"image: {counted(len(names), 'file holds', 'files hold')} several pictures, of which the first (of DICOM the "
        f"middle one) is read, such as {names[0]!r}"
    )


def _of_png(path: str) -> tuple[int, int] | None:
    try:
        with Path(path).open("rb") as file:
            start = file.read(24)
    except OSError:
        return None
    if not start.startswith(PNG_SIGNATURE) or len(start) < 24:
        return None
    width, height = struct.unpack(">II", start[16:24])
    return width, height
