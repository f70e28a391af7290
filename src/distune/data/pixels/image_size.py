"""Width and height of an image file from its header, before anything is decoded."""

from __future__ import annotations

import struct
from pathlib import Path

from distune.data.pixels.dicom import dicom_header_of
from distune.data.pixels.orientation import PNG_SIGNATURE
from distune.errors import UserError, is_of_the_machine
from distune.utils.files.paths import check_is_file, naming


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
        with naming(Path(path)), Image.open(path) as opened:
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
