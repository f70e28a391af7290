"""Sequences of different lengths in one flat array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LENGTH_STEP = 8
"""Few different shapes: oneDNN keeps compiled kernels for each, up to a gigabyte where every length occurs."""


@dataclass(frozen=True)
class Ragged:
    """N sequences end to end, so that nothing is stored or read that is only padding.

    Attributes:
        values: shape (total length, ...); token ids (int64) or vectors (float).
        offsets: int64 of shape (N + 1,); sequence i is `values[offsets[i]:offsets[i + 1]]`.
    """

    values: NDArray[Any]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> NDArray[Any]:
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Length of each sequence, shape (N,)."""
        return np.diff(self.offsets)

    def padded(self, rows: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The given sequences padded with zeros to the longest of them, rounded up to a multiple of 8.

        Returns:
            values of shape (rows, longest, ...) and a mask (rows, longest), true at real positions.
        """
        starts = self.offsets[rows]
        lengths = self.offsets[rows + 1] - starts
        longest = -(-int(lengths.max(initial=1)) // LENGTH_STEP) * LENGTH_STEP
        mask = np.arange(longest) < lengths[:, None]
        padded = np.zeros((len(rows), longest, *self.values.shape[1:]), dtype=self.values.dtype)
        for position, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=True)):
            padded[position, :length] = self.values[start : start + length]
        return padded, mask


def ragged(sequences: Sequence[Any], dtype: Any = None) -> Ragged:
    """Packs a list of arrays (or lists) of equal trailing shape."""
    arrays = [np.asarray(sequence, dtype=dtype) for sequence in sequences]
    offsets = np.concatenate([[0], np.cumsum([len(array) for array in arrays])]).astype(np.int64)
    return Ragged(np.concatenate(arrays), offsets)
