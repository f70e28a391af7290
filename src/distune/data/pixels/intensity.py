"""Pixels of any depth -> 8 bits, by one rule that training and prediction share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.errors import UserError

Window = tuple[float, float]


@dataclass(frozen=True)
class PixelRules:
    """How grey values with more than 8 bits become pixels; images of 8 bits are shown as they are.

    Attributes:
        window: centre and width in the file's own units (Hounsfield units in a CT); None takes the window that a DICOM
            file carries, and the percentiles where there is none.
        percentiles: the values that become black and white, in percent of the pixels. A few burned-in or broken pixels
            then darken no scan; 0 and 100 take the smallest and the largest value.
    """

    window: Window | None = None
    percentiles: tuple[float, float] = (0.5, 99.5)


DEFAULT = PixelRules()


def eight_bit(pixels: NDArray[Any], rules: PixelRules = DEFAULT) -> NDArray[np.uint8]:
    """Scales deep pixels to 8 bits and lays transparent ones over black, so that hidden colours stay hidden.

    The channels of a deep colour image are scaled together, which keeps its hues.

    Args:
        pixels: (height, width), or (height, width, channels) with 1, 3, or 4 channels, of which the fourth is opacity.
        rules: window or percentiles of deep pixels.

    Returns:
        uint8 of shape (height, width) for grey images, else (height, width, 3).
    """
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim == 2:
        return np.asarray(pixels, np.uint8) if pixels.dtype == np.uint8 else scaled(pixels, rules)
    colours = pixels[..., :3]
    opacity = opacity_of(pixels[..., 3]) if pixels.shape[2] == 4 else None
    if pixels.dtype != np.uint8:
        if (colours == colours[..., :1]).all():  # grey with opacity is decoded as colour
            colours = colours[..., 0]
        colours = scaled(colours, rules, None if opacity is None else opacity > 0)
    if opacity is None:
        return np.asarray(colours, np.uint8)
    if colours.ndim == 3:
        opacity = opacity[..., None]
    return np.rint(colours * opacity).astype(np.uint8)


def opacity_of(channel: NDArray[Any]) -> NDArray[np.float32]:
    """The values of a fourth channel as shares of the whole: 0 is transparent, 1 opaque."""
    full = float(np.iinfo(channel.dtype).max) if channel.dtype.kind in "iu" else 1.0
    return channel.astype(np.float32) / np.float32(full)


def scaled(
    values: NDArray[Any], rules: PixelRules = DEFAULT, counted: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """Values of any range -> 0 to 255, by the window or by percentiles of the values.

    Args:
        values: (height, width) or (height, width, channels); what is not a number becomes black.
        rules: the window or the percentiles.
        counted: (height, width), the pixels that the percentiles are taken over; None takes all.

    Raises:
        UserError: not one value is a number.
    """
    if rules.window is not None:
        return windowed(values, rules.window)
    _check_numbers(values)
    low, high = _limits(values if counted is None else values[counted], rules.percentiles)
    if values.dtype.kind in "iu" and values.dtype.itemsize == 2:  # one look-up a pixel in place of arithmetic
        first = int(np.iinfo(values.dtype).min)
        grey = _stretched(np.arange(first, first + 65536, dtype=np.float64), low, high)
        return grey[values.astype(np.int32) - first]
    return _stretched(np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low), low, high)


def windowed(values: NDArray[Any], window: Window, function: str = "LINEAR") -> NDArray[np.uint8]:
    """Applies a window as DICOM defines it (PS3.3, C.11.2.1.2 and C.11.2.1.3).

    Args:
        values: grey values in the units of the window.
        window: centre and width.
        function: LINEAR, LINEAR_EXACT or SIGMOID.

    Raises:
        UserError: not one value is a number.
    """
    _check_numbers(values)
    centre, width = window
    numbers = np.nan_to_num(values.astype(np.float64), nan=-np.inf)
    if function == "SIGMOID":
        with np.errstate(over="ignore"):
            shown = 1.0 / (1.0 + np.exp(-4.0 * (numbers - centre) / width))
    elif function == "LINEAR_EXACT":
        shown = (numbers - centre) / width + 0.5
    elif width <= 1:
        shown = (numbers > centre - 0.5).astype(np.float64)
    else:
        shown = (numbers - (centre - 0.5)) / (width - 1.0) + 0.5
    return np.rint(np.clip(shown, 0.0, 1.0) * 255.0).astype(np.uint8)


def _check_numbers(values: NDArray[Any]) -> None:
    """Refuses a picture without one number, which would be shown as all black.

    Raises:
        UserError: it is such a picture.
    """
    if values.dtype.kind == "f" and not np.isfinite(values).any():
        raise UserError("no pixel of the image is a number")


def _stretched(numbers: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint8]:
    if not math.isfinite(high - low):  # values of both signs near the largest number that there is
        numbers, low, high = numbers / 4.0, low / 4.0, high / 4.0
    factor = 255.0 / (high - low) if high > low else 0.0
    return np.clip(np.rint((numbers - low) * factor), 0, 255).astype(np.uint8)


def _limits(values: NDArray[Any], percentiles: tuple[float, float]) -> tuple[float, float]:
    """The smallest values that at least so many percent of the pixels do not exceed; the whole range if they agree."""
    flat = values.ravel()
    if flat.dtype.kind == "f":
        flat = flat[np.isfinite(flat)]
    if not flat.size:
        return 0.0, 0.0
    ranks = [min(flat.size, max(1, math.ceil(percent / 100.0 * flat.size))) for percent in percentiles]
    if flat.dtype.kind in "iu" and flat.dtype.itemsize <= 2:
        first = int(flat.min())
        below = np.bincount(flat.astype(np.int64) - first).cumsum()
        low, high = (float(first + np.searchsorted(below, rank)) for rank in ranks)
        least, most = float(first), float(first + len(below) - 1)
    else:
        ordered = np.partition(flat, [rank - 1 for rank in ranks])
        low, high = (float(ordered[rank - 1]) for rank in ranks)
        least, most = float(flat.min()), float(flat.max())
    return (low, high) if high > low else (least, most)
