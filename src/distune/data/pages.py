"""Pages of memory maps: given back after use, so that a large data set does not grow into the memory of a process."""

from __future__ import annotations

import mmap
from typing import Any

from numpy.typing import NDArray

LARGE = 64 * 2**20
"""Bytes of a map from which its pages are given back, which takes a batch 0.3 ms longer; smaller ones may stay."""


def give_back(*arrays: NDArray[Any] | None) -> None:
    """Unmaps what was read of large memory maps; the system keeps it in its own cache of files.

    One random row can map two megabytes around it (large folios), so a few batches would map all of a data set.

    Args:
        arrays: mapped from files, or not; both keep their values.
    """
    for array in arrays:
        mapped = getattr(array, "_mmap", None)  # NumPy has no public name for it
        if array is not None and array.nbytes >= LARGE and isinstance(mapped, mmap.mmap):
            mapped.madvise(mmap.MADV_DONTNEED)
