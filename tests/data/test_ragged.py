"""Sequences of different lengths in one array, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from distune.data.ragged import ragged


def test_sequences_are_laid_end_to_end_and_taken_out_again() -> None:
    held = ragged([[1, 2, 3], [], [4]], np.int64)
    assert held.values.tolist() == [1, 2, 3, 4] and held.offsets.tolist() == [0, 3, 3, 4]
    assert held.values.dtype == held.offsets.dtype == np.int64
    assert len(held) == 3 and held.lengths.tolist() == [3, 0, 1]
    assert [held[row].tolist() for row in range(3)] == [[1, 2, 3], [], [4]]


def test_rows_are_padded_with_zeros_which_the_mask_leaves_out() -> None:
    held = ragged([[1, 2, 3], [5], [7, 8]], np.int32)
    values, mask = held.padded(np.array([2, 0]))
    assert values.dtype == np.int32 and mask.dtype == bool
    assert values.tolist() == [[7, 8, 0, 0, 0, 0, 0, 0], [1, 2, 3, 0, 0, 0, 0, 0]]
    assert mask.sum(axis=1).tolist() == [2, 3] and mask[0, :2].all() and mask[1, :3].all()


def test_vectors_keep_their_width_and_type() -> None:
    held = ragged([np.full((2, 3), 1.5, np.float32), np.full((1, 3), 2.5, np.float32)])
    values, mask = held.padded(np.array([1, 0]))
    assert values.shape == (2, 8, 3) and values.dtype == np.float32
    assert values[0, 0].tolist() == [2.5] * 3 and not values[0, 1:].any() and values[1, :2].min() == 1.5
    assert mask.sum() == 3


@pytest.mark.parametrize(("longest", "width"), [(0, 8), (1, 8), (7, 8), (8, 8), (9, 16), (16, 16), (17, 24)])
def test_the_width_is_the_next_multiple_of_eight(longest: int, width: int) -> None:
    values, mask = ragged([[1] * longest, []], np.int64).padded(np.array([0, 1]))
    assert values.shape == mask.shape == (2, width) and mask.sum() == longest


def test_no_row_has_the_smallest_width() -> None:
    values, mask = ragged([[1]], np.int64).padded(np.empty(0, np.int64))
    assert values.shape == mask.shape == (0, 8)
