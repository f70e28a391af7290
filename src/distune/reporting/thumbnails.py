"""Small pictures of examples, inside a page that loads nothing."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2

from distune.config import DataConfig
from distune.data.pixels.images import FRAME, located, read_pixels
from distune.data.pixels.intensity import PixelRules
from distune.data.readers.checks import image_problems
from distune.data.readers.image_files import ImageFiles

SIDE = 240
"""Longer side in pixels."""
_QUALITY = 85


def thumbnail(image: str, data: DataConfig) -> str | None:
    """A picture of an example as the address of an `img` element, `data:image/jpeg;base64,...`.

    Args:
        image: path relative to the data root.
        data: says where the root is and how deep pixels are shown.

    Returns:
        None where the file is not there, lies outside of the root, or cannot be shown.
    """
    name, frame = located(image)
    found = ImageFiles(data.root, follow_links=data.follow_links).find(name)
    if not isinstance(found, Path):
        return None
    file = str(found) if frame is None else f"{found}{FRAME}{frame}"
    rules = PixelRules(data.window, data.percentiles)
    if image_problems([file], data.max_image_megapixels, rules)[0] is not None:
        return None
    pixels = read_pixels(file, rules)
    height, width = pixels.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    done, content = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(content.tobytes()).decode('ascii')}" if done else None
