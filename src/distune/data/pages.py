"""Memory maps that are read from end to end without staying in the process's memory."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIMIT = 12 * 2**20
"""Bytes that are mapped before the pages are given back; smaller arrays stay mapped."""
_STATM = Path("/proc/self/statm")


class MappedPages:
    """Gives pages of memory maps back to the system's file cache, from where the next look maps them again.

    A page that was read counts as memory of the process for as long as it is mapped, so an epoch over a large array
    would seem to need, and under a memory limit may cost, as much as the array. To give back every page takes a look
    at each of them, so it is done once in `LIMIT` bytes. How many pages a look maps is the system's choice, from
    sixteen to hundreds, so they are not counted but asked for. Only Linux tells.

    Args:
        arrays: those that are not memory maps, or are smaller than `LIMIT`, are left alone.
    """

    def __init__(self, arrays: Iterable[NDArray[Any]]):
        large = (_map_of(array) for array in arrays if array.nbytes > LIMIT)
        self._maps = [found for found in large if found is not None] if _STATM.exists() else []
        self._others = 0  # so that what another pass left goes at once
        self.trim()

    def trim(self) -> None:
        """Gives the pages back if there are many by now."""
        if self._maps and _mapped() - self._others > LIMIT:
            for found in self._maps:
                found.madvise(mmap.MADV_DONTNEED)
            self._others = _mapped()


def _map_of(array: NDArray[Any]) -> mmap.mmap | None:
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None


def _mapped() -> int:
    """Bytes of files that are mapped into this process."""
    return int(_STATM.read_bytes().split()[2]) * mmap.PAGESIZE
