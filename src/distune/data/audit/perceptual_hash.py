"""Near-duplicate images: a 64-bit hash finds candidates fast, their thumbnails decide."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from distune.data.pixels.images import decode
from distune.data.pixels.intensity import DEFAULT, PixelRules
from distune.utils.progress import report_progress
from distune.utils.threads import threaded

THUMBNAIL = 32
LARGEST_BLOCK = 2_000_000
SHIFTS = ((0.0, 0.0), (0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, -0.5))
"""Moves to the right and down, in pixels of a thumbnail, at which two pictures are compared: half a pixel is a whole
one of a picture of 64."""


def thumbnails(paths: Sequence[str], rules: PixelRules = DEFAULT) -> NDArray[np.uint8]:
    """Reads every image as grey, 32 x 32.

    Args:
        paths: the image files.
        rules: how deep pixels become 8 bits.

    Returns:
        uint8 of shape (N, 32, 32).
    """

    def read(path: str) -> NDArray[np.uint8]:
        grey: NDArray[np.uint8] = decode(path, THUMBNAIL, rules).mean(axis=0).round().astype(np.uint8)
        return grey

    if not paths:
        return np.empty((0, THUMBNAIL, THUMBNAIL), np.uint8)
    distinct = list(dict.fromkeys(paths))
    read_once = dict(zip(distinct, threaded(read, distinct, step="comparing images"), strict=True))
    return np.stack([read_once[path] for path in paths])


def difference_hashes(small: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hashes grey thumbnails by the sign of each step to the right in a 9 x 8 reduction (dHash).

    Brightness, contrast, size and file format hardly change it.

    Args:
        small: uint8 of shape (N, height, width).

    Returns:
        uint64 of shape (N,).
    """
    if not len(small):
        return np.empty(0, np.uint64)
    reduced = np.stack([cv2.resize(image, (9, 8), interpolation=cv2.INTER_AREA) for image in small])
    bits = reduced[:, :, 1:] > reduced[:, :, :-1]
    packed = np.packbits(bits.reshape(len(small), 64), axis=1)
    return packed.view(">u8")[:, 0].astype(np.uint64)


def near_duplicates(
    small: NDArray[np.uint8],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    distance: int,
    correlation: float,
) -> NDArray[np.int64]:
    """Finds all pairs of a row of `first` and a row of `second` that show one picture, also if it is slightly moved.

    At each of `SHIFTS` both pictures are moved by half of it, towards each other, so that both are smoothed alike; then
    their hashes must be near and their thumbnails correlate.

    Args:
        small: thumbnails, uint8 of shape (N, height, width).
        first: rows on one side.
        second: rows on the other side.
        distance: largest number of differing bits of the hashes.
        correlation: smallest Pearson correlation of the thumbnails.

    Returns:
        int64 of shape (pairs, 2), sorted, without repeats.
    """
    count, found = len(small), []
    for done, (right, down) in enumerate(SHIFTS):
        report_progress("comparing pictures", done, len(SHIFTS))
        both = np.concatenate([moved(small, right / 2, down / 2), moved(small, -right / 2, -down / 2)])
        pairs = near_pairs(difference_hashes(both), first, second + count, distance)
        found.append(pairs[alike(both, pairs, correlation)] - [0, count])
    return np.unique(np.concatenate(found), axis=0)


def pictures(small: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The first row with the same thumbnail, for every row: int64 of shape (N,)."""
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(one.tobytes(), row) for row, one in enumerate(small)], np.int64)


def partners(
    kinds: Sequence[Hashable],
    alike: Iterable[tuple[Hashable, Hashable]],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    apart: Sequence[Hashable],
) -> list[tuple[int, int]]:
    """For each row of `second`, one row of `first` of each kind that is alike.

    One is enough: a picture that stands in for every missing one has as many pairs as rows, squared.

    Args:
        kinds: of each row, such as its picture.
        alike: kinds that go together: one of `first`, one of `second`.
        first: rows on one side.
        second: rows on the other side.
        apart: what must differ between the two rows, such as the file.

    Returns:
        Pairs of a row of `first`, the earliest that will do, and one of `second`.
    """
    candidates: dict[Hashable, list[int]] = {}
    for row in first.tolist():
        held = candidates.setdefault(kinds[row], [])
        if len(held) < 2 and all(apart[row] != apart[other] for other in held):
            held.append(row)
    members: dict[Hashable, list[int]] = {}
    for row in second.tolist():
        members.setdefault(kinds[row], []).append(row)
    found = []
    for one, other in alike:
        for row in members.get(other, ()):
            fitting = (candidate for candidate in candidates.get(one, ()) if apart[candidate] != apart[row])
            if (partner := next(fitting, None)) is not None:
                found.append((partner, row))
    return found


def moved(small: NDArray[np.uint8], right: float, down: float) -> NDArray[np.uint8]:
    """Moves thumbnails by parts of a pixel, interpolated linearly; the border is continued.

    Args:
        small: uint8 of shape (N, height, width).
        right: pixels.
        down: pixels.
    """
    if not (right or down) or not len(small):
        return small
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float32)
    size = (small.shape[2], small.shape[1])
    return np.stack(
        [cv2.warpAffine(one, matrix, size, borderMode=cv2.BORDER_REPLICATE) for one in small]
    ).astype(np.uint8)


def near_pairs(
    hashes: NDArray[np.uint64], first: NDArray[np.int64], second: NDArray[np.int64], distance: int
) -> NDArray[np.int64]:
    """Finds all pairs of a row of `first` and a row of `second` whose hashes differ in few bits.

    Two hashes that differ in at most d bits agree in at least one of d + 1 bands, so only rows that share a band
    are compared: 100,000 images take seconds, not 10^10 comparisons.

    Args:
        hashes: uint64 of shape (N,).
        first: rows on one side.
        second: rows on the other side.
        distance: largest number of differing bits.

    Returns:
        int64 of shape (pairs, 2), sorted, without repeats.
    """
    found = [np.empty((0, 2), dtype=np.int64)]
    edges = np.linspace(0, 64, distance + 2).astype(int)
    for low, high in pairwise(edges.tolist()):
        band = (hashes >> np.uint64(low)) & np.uint64(2 ** (high - low) - 1)
        for left, right in _equal_pairs(band, first, second):
            near = np.bitwise_count(hashes[left] ^ hashes[right]) <= distance
            found.append(np.stack([left[near], right[near]], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _equal_pairs(
    keys: NDArray[np.uint64], first: NDArray[np.int64], second: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yields all pairs with equal keys, in blocks that fit in memory."""
    ordered = second[np.argsort(keys[second], kind="stable")]
    start = np.searchsorted(keys[ordered], keys[first], side="left")
    count = np.searchsorted(keys[ordered], keys[first], side="right") - start
    block = np.cumsum(count) // LARGEST_BLOCK
    for number in np.unique(block):
        rows = np.flatnonzero(block == number)
        left = np.repeat(first[rows], count[rows])
        before = np.repeat(np.cumsum(count[rows]) - count[rows], count[rows])
        place = np.repeat(start[rows], count[rows]) + np.arange(len(left)) - before
        yield left, ordered[place]


def alike(small: NDArray[np.uint8], pairs: NDArray[np.int64], correlation: float) -> NDArray[np.bool_]:
    """Tells which pairs of thumbnails are the same picture up to brightness and contrast.

    Args:
        small: uint8 of shape (N, height, width).
        pairs: int64 of shape (P, 2).
        correlation: smallest Pearson correlation of the pixels; a picture of one colour is like none.

    Returns:
        bool of shape (P,).
    """
    verdict = np.zeros(len(pairs), dtype=bool)
    for start in range(0, len(pairs), 100_000):
        part = pairs[start : start + 100_000]
        left, right = (small[part[:, side]].reshape(len(part), -1).astype(np.float32) for side in (0, 1))
        left -= left.mean(axis=1, keepdims=True)
        right -= right.mean(axis=1, keepdims=True)
        size = np.sqrt((left**2).sum(axis=1) * (right**2).sum(axis=1))
        verdict[start : start + len(part)] = (left * right).sum(axis=1) > np.maximum(correlation * size, 1e-6)
    return verdict
