"""Image files that hold several pictures: animations, pages, frames; one of them is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distune.data.pixels.dicom import dicom_header_of
from distune.errors import is_of_the_machine
from distune.utils.files.paths import naming
from distune.utils.text import counted


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

        with naming(Path(path)), Image.open(path) as opened:
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
