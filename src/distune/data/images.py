"""Image files -> square RGB pixels, and the fixed random views of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distune.errors import UserError
from distune.utils.threads import threaded

# A bad file is reported with its name by our own error; OpenCV would add nameless lines to the terminal.
_set_log_level = (
    cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel
)  # OpenCV 4, 5
_set_log_level(0)

ROTATION_DEGREES = 10.0
SHIFT = 0.06
SCALE = 0.1
LIGHT = 0.1


def decode(path: str | Path, size: int) -> NDArray[np.uint8]:
    """Reads an image file as RGB pixels of a given square size.

    The picture is squashed, not cropped or padded: a crop could cut away the finding near the border, a pad
    gives part of the few pixels to nothing, and a stretched axis is the same for teacher and student.
    Shrinking averages areas (no aliasing), enlarging interpolates linearly.

    Args:
        path: the image file.
        size: side of the result in pixels.

    Returns:
        uint8 of shape (3, size, size).

    Raises:
        UserError: the file is missing, damaged, or no image that OpenCV can decode.
    """
    pixels = read_pixels(path)
    if pixels.shape[:2] != (size, size):
        shrinking = min(pixels.shape[:2]) >= size
        pixels = cv2.resize(
            pixels, (size, size), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
        )
    rgb = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels[..., ::-1]
    return np.ascontiguousarray(rgb.transpose(2, 0, 1))


def decode_all(
    paths: Sequence[str | Path], size: int, out: NDArray[np.uint8] | None = None, threads: int | None = None
) -> NDArray[np.uint8]:
    """Decodes many image files at once.

    Args:
        paths: N image files.
        size: side of the result in pixels.
        out: array of shape (N, 3, size, size) to write into, such as a memory map; None makes one.
        threads: decoding threads; None takes one a usable core.

    Returns:
        uint8 of shape (N, 3, size, size); `out` where it was given.

    Raises:
        UserError: a file cannot be decoded (the first one is named).
    """
    pixels = np.empty((len(paths), 3, size, size), dtype=np.uint8) if out is None else out
    if pixels.shape != (len(paths), 3, size, size) or pixels.dtype != np.uint8:
        raise ValueError(f"out is {pixels.dtype} {pixels.shape}, not uint8 {(len(paths), 3, size, size)}")

    def write(position: int) -> None:
        pixels[position] = decode(paths[position], size)

    for _ in threaded(write, range(len(paths)), threads):
        pass
    return pixels


def read_pixels(path: str | Path) -> NDArray[np.uint8]:
    """Reads an image file at its own size.

    Returns:
        uint8 of shape (height, width) for grey images, else (height, width, 3) in OpenCV's order BGR.

    Raises:
        UserError: see `decode`.
    """
    try:
        content = np.frombuffer(Path(path).read_bytes(), dtype=np.uint8)
        # Only photos carry their orientation, only the other formats carry transparency, and OpenCV honours
        # just one of the two.
        is_jpeg = content[:2].tobytes() == b"\xff\xd8"
        flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR if is_jpeg else cv2.IMREAD_UNCHANGED
        pixels = cv2.imdecode(content, flags)
    except OSError as error:
        raise UserError(f"{path}: not readable: {error.strerror or error}") from None
    except cv2.error as error:
        raise UserError(f"{path}: not an image that can be decoded: {error.err}") from None
    if pixels is None:
        raise UserError(f"{path}: damaged, or not an image that can be decoded (PNG, JPEG, WebP, TIFF, BMP)")
    return _without_alpha(_eight_bit(pixels))


def _eight_bit(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Scales deep pixels to 8 bits.

    Deep grey images are scans whose values fill an unknown part of their range (12 bits in 16, Hounsfield
    units), so their own range is stretched; deep colour images use their whole range.
    """
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, dtype=np.uint8)
    values = np.nan_to_num(pixels.astype(np.float64), posinf=0.0, neginf=0.0)
    if pixels.ndim == 2:
        low, high = values.min(), values.max()
    else:
        low, high = 0.0, float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind in "iu" else 1.0
    scaled = (values - low) * (255.0 / (high - low) if high > low else 0.0)
    eight_bit: NDArray[np.uint8] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return eight_bit


def _without_alpha(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lays transparent pixels over black, so that colours hidden under full transparency stay hidden."""
    if pixels.ndim == 2 or pixels.shape[2] == 3:
        return pixels
    if pixels.shape[2] == 1:
        return pixels[..., 0]
    opacity = pixels[..., 3:].astype(np.float32) / 255.0
    return np.rint(pixels[..., :3] * opacity).astype(np.uint8)


def views(pixels: NDArray[np.uint8], *, seed: int, index: int, count: int) -> NDArray[np.uint8]:
    """Makes fixed random views of an image; the same (seed, index, view) gives the same view anywhere.

    A view is turned by up to 10 degrees, shifted by up to 6 % of the side, scaled by 0.9 to 1.1, and changed
    by up to 10 % in contrast and brightness. It is never mirrored: left and right carry meaning in medicine.
    The border is continued outwards, which keeps the black surroundings of scans and the skin of photos.

    Args:
        pixels: uint8 of shape (3, size, size).
        seed: the run's seed.
        index: the example's index in its table.
        count: number of views, at least 1.

    Returns:
        uint8 of shape (count, 3, size, size); view 0 is the image as it is.
    """
    stacked = np.empty((count, *pixels.shape), dtype=np.uint8)
    stacked[0] = pixels
    plain = np.ascontiguousarray(pixels.transpose(1, 2, 0))
    for view in range(1, count):
        stacked[view] = _view(plain, np.random.default_rng([seed, index, view])).transpose(2, 0, 1)
    return stacked


def _view(plain: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    height, width = plain.shape[:2]
    angle, zoom, right, down, contrast, brightness = random.uniform(-1.0, 1.0, size=6)
    matrix = cv2.getRotationMatrix2D(
        ((width - 1) / 2, (height - 1) / 2), float(angle * ROTATION_DEGREES), float(1.0 + zoom * SCALE)
    )
    matrix[:, 2] += (right * SHIFT * width, down * SHIFT * height)
    moved = cv2.warpAffine(
        plain, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    lit = (moved.astype(np.float32) - 127.5) * (1.0 + contrast * LIGHT) + 127.5 * (1.0 + brightness * LIGHT)
    view: NDArray[np.uint8] = np.clip(np.rint(lit), 0, 255).astype(np.uint8)
    return view
