"""Image files -> square RGB pixels, and the fixed random views of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distune.data.pixels.alpha_tiff import grey_and_opacity, has_grey_and_opacity, is_over_black
from distune.data.pixels.decoder_messages import check_decoded
from distune.data.pixels.dicom import SUFFIXES, is_dicom, read_dicom
from distune.data.pixels.intensity import DEFAULT, PixelRules, eight_bit, opacity_of
from distune.data.pixels.orientation import PNG_SIGNATURE, UPRIGHT, orientation, tiff_value, turned
from distune.data.pixels.tiff_damage import check_tiff
from distune.errors import UserError, is_of_the_machine
from distune.utils.files.paths import read_file
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
BITS_PER_SAMPLE, PHOTOMETRIC = 0x0102, 0x0106
WHITE_IS_ZERO = 0
DECODING = "decoding images"
"""What progress calls the work of `decode_all`."""
FRAME = "#frame="
"""What stands between the path of a file of several frames and the number of one."""
LONGEST_FRAME = 9
"""Digits of that number."""
NO_FRAME = "frame that is no number from 1"
_FRAME_CELL = re.compile(rf"[1-9]\d{{0,{LONGEST_FRAME - 1}}}(\.0+)?", re.ASCII)


def decode(path: str | Path, size: int, rules: PixelRules = DEFAULT) -> NDArray[np.uint8]:
    """Reads an image file as RGB pixels of a given square size.

    The picture is squashed, not cropped or padded: a crop could cut away the finding near the border, a pad
    gives part of the few pixels to nothing, and a stretched axis is the same for teacher and student.
    Shrinking averages areas (no aliasing), enlarging interpolates linearly.

    Args:
        path: the image file; empty for none, which is grey. Of a DICOM file of several frames, `scan.dcm#frame=7`
            names one, counted from 1.
        size: side of the result in pixels.
        rules: how deep pixels become 8 bits.

    Returns:
        uint8 of shape (3, size, size).

    Raises:
        UserError: the file is missing, damaged, or no image that OpenCV or pydicom can decode.
    """
    if not path:  # an example without an image; models put what they learnt for that in its place
        return np.full((3, size, size), 128, np.uint8)
    return squared(read_pixels(path, rules), size)


def squared(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """What `read_pixels` gives -> RGB of a given square size, uint8 (3, size, size); see `decode`."""
    if pixels.shape[:2] != (size, size):
        shrinking = min(pixels.shape[:2]) >= size
        pixels = cv2.resize(
            pixels, (size, size), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
        )
    rgb = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels[..., ::-1]
    return np.ascontiguousarray(rgb.transpose(2, 0, 1))


def decode_all(
    paths: Sequence[str | Path],
    size: int,
    out: NDArray[np.uint8] | None = None,
    threads: int | None = None,
    rules: PixelRules = DEFAULT,
    progress: Callable[[str, int, int], None] | None = None,
) -> NDArray[np.uint8]:
    """Decodes many image files at once.

    Args:
        paths: N image files.
        size: side of the result in pixels.
        out: array of shape (N, 3, size, size) to write into, such as a memory map; None makes one.
        threads: decoding threads; None takes one a usable core.
        rules: how deep pixels become 8 bits.
        progress: called with `DECODING`, how many are done, and of how many.

    Returns:
        uint8 of shape (N, 3, size, size); `out` where it was given.

    Raises:
        UserError: a file cannot be decoded (the first one is named).
    """
    pixels = np.empty((len(paths), 3, size, size), dtype=np.uint8) if out is None else out
    if pixels.shape != (len(paths), 3, size, size) or pixels.dtype != np.uint8:
        raise ValueError(f"out is {pixels.dtype} {pixels.shape}, not uint8 {(len(paths), 3, size, size)}")

    def write(position: int) -> None:
        pixels[position] = decode(paths[position], size, rules)

    for done, _ in enumerate(threaded(write, range(len(paths)), threads), start=1):
        if progress is not None:
            progress(DECODING, done, len(paths))
    return pixels


def from_array(values: NDArray[Any], rules: PixelRules = DEFAULT) -> NDArray[np.uint8]:
    """An image in memory -> what `read_pixels` gives for a file with these values.

    Args:
        values: grey (height, width), or RGB or RGBA with the channels last; bytes, or deep values as in a file.
        rules: how deep values become 8 bits.

    Raises:
        UserError: it has another shape, no pixel, or masked ones.
    """
    values = in_bgr(values)
    if values.dtype.kind not in "uif":
        raise UserError(f"an image of {values.dtype}: give bytes, or numbers as in a scan")
    return eight_bit(values, rules)


def in_bgr(values: NDArray[Any]) -> NDArray[Any]:
    """An image in memory, grey, RGB or RGBA -> its channels in OpenCV's order.

    Raises:
        UserError: it has another shape, no pixel, or masked ones.
    """
    if np.ma.is_masked(values):
        raise UserError("an image with masked pixels; say what they show with filled(...)")
    values = np.asarray(values)  # a matrix stays one in whatever is computed from it
    is_grey = values.ndim == 2
    if not (is_grey or (values.ndim == 3 and values.shape[2] in (1, 3, 4))) or not values.size:
        raise UserError(
            f"an image of shape {values.shape}: give (height, width) or (height, width, channels) with 1, 3 or 4 "
            "channels, RGB"
        )
    if is_grey or values.shape[2] == 1:
        return values
    return np.concatenate([values[..., 2::-1], values[..., 3:]], axis=2)


def read_pixels(path: str | Path, rules: PixelRules = DEFAULT) -> NDArray[np.uint8]:
    """Reads an image file at its own size, upright, and with 8 bits a value.

    Returns:
        uint8 of shape (height, width) for grey images, else (height, width, 3) in OpenCV's order BGR.

    Raises:
        UserError: see `decode`.
    """
    file, frame = located(path)
    try:
        content = read_file(Path(file))
    except OSError as error:
        if is_of_the_machine(error):
            raise
        raise UserError(f"{path}: not readable: {error.strerror}") from None
    try:
        return pixels_of(content, rules, frame, suffix=Path(file).suffix)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def pixels_of(
    content: bytes, rules: PixelRules = DEFAULT, frame: int | None = None, *, suffix: str = ""
) -> NDArray[np.uint8]:
    """What `read_pixels` gives, of a file that is in memory.

    Args:
        content: the whole file.
        rules: how deep pixels become 8 bits.
        frame: number of the frame of a DICOM file, from 1; None takes the middle one.
        suffix: of the file's name; `.dcm` marks DICOM files of the time before their signature.
    """
    if is_dicom(content) or (content and suffix.lower() in SUFFIXES):
        shown = read_dicom(content, rules, frame)
        return shown if shown.ndim == 2 else np.ascontiguousarray(shown[..., ::-1])
    if frame not in (None, 1):
        raise UserError(f"there is no frame {frame}; only DICOM files have several")
    if not content:
        raise UserError("not an image that can be decoded: the file is empty")
    # OpenCV turns a JPEG as its camera says, or keeps transparency, which no JPEG has; never both.
    is_jpeg = content[:2] == b"\xff\xd8"
    flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR if is_jpeg else cv2.IMREAD_UNCHANGED
    check_tiff(content)
    try:
        if has_grey_and_opacity(content):
            return eight_bit(grey_and_opacity(content)[..., [0, 0, 0, 1]], rules)
        encoded = np.frombuffer(content, dtype=np.uint8)
        pixels = check_decoded(lambda: cv2.imdecode(encoded, flags), content)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:  # the machine's fault, not the file's
            raise MemoryError(error.err) from None
        raise UserError(f"not an image that can be decoded: {error.err}") from None
    if pixels is None:
        raise UserError("damaged, or not an image that can be decoded (PNG, JPEG, WebP, TIFF, BMP, DICOM)")
    shown = eight_bit(pixels[..., :3] if is_over_black(content) else pixels, rules)
    return turned(255 - shown if _is_deep_negative(content) else shown, orientation(content))


def _is_deep_negative(content: bytes) -> bool:
    """Whether a file is a TIFF whose zero is white and whose values OpenCV, which inverts bytes, leaves so."""
    return tiff_value(content, PHOTOMETRIC) == WHITE_IS_ZERO and is_deep(content)


def located(image: str | Path) -> tuple[str, int | None]:
    """The file of an image and the number of its frame, from 1; None where none is named."""
    file, mark, number = str(image).rpartition(FRAME)
    is_number = number.isascii() and number.isdecimal() and len(number) <= LONGEST_FRAME
    return (file, int(number)) if mark and is_number else (str(image), None)


def with_frame(image: str, cell: str) -> str:
    """The path of an image with the number of its frame, as a cell of a table names it; an empty cell names none.

    Raises:
        ValueError: the cell holds no number from 1.
    """
    if not (number := cell.strip()) or not image.strip():
        return image
    if not _FRAME_CELL.fullmatch(number):
        raise ValueError(number)
    return f"{image}{FRAME}{int(float(number))}"


def reading_rule(content: bytes, rules: PixelRules, frame: int | None = None) -> str:
    """What the pixels of a file depend on besides its content; empty for upright images of 8 bits.

    It belongs to the keys of whatever is computed from the pixels.
    """
    if is_over_black(content) and _is_translucent(content):  # before, the opacity was counted twice
        return f"pixels-4|{rules.window}|{rules.percentiles}"
    # Until version 2 the opacity of these was not read, and those were shown as negatives.
    if has_grey_and_opacity(content) or _is_deep_negative(content):
        return f"pixels-3|{rules.window}|{rules.percentiles}"
    if not (is_deep(content) or orientation(content) != UPRIGHT):
        return ""
    return f"pixels-2|{rules.window}|{rules.percentiles}|{frame}"


def _is_translucent(content: bytes) -> bool:
    """Whether a colour TIFF with opacity has a pixel that is not opaque."""
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(error.err) from None
        return False  # damaged, as is said where its pixels are read
    return pixels is not None and bool((opacity_of(pixels[..., 3]) < 1).any())


def is_deep(content: bytes) -> bool:
    """Whether a file may hold values of more than 8 bits; its header tells, as far as it is a common format."""
    if content.startswith(PNG_SIGNATURE):
        return content[24:25] == b"\x10"
    if content[:4] in (b"II*\0", b"MM\0*"):
        return (tiff_value(content, BITS_PER_SAMPLE) or 1) > 8
    eight_bits_alone = (b"\xff\xd8", b"RIFF", b"BM", b"GIF8")
    return not content.startswith(eight_bits_alone)


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
