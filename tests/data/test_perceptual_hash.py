from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from distune.data.audit import perceptual_hash
from distune.data.audit.perceptual_hash import alike, difference_hashes, near_pairs, thumbnails


def brute_force(hashes: np.ndarray, first: np.ndarray, second: np.ndarray, distance: int) -> list[list[int]]:
    pairs = [
        [a, b] for a in first for b in second if bin(int(hashes[a]) ^ int(hashes[b])).count("1") <= distance
    ]
    return sorted(pairs)


@given(st.integers(0, 2**32), st.integers(0, 12), st.integers(0, 10))
@settings(max_examples=60, deadline=None)
def test_bands_find_every_pair_that_comparing_all_finds(seed: int, distance: int, flips: int) -> None:
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 2**63, size=40, dtype=np.uint64)
    for row in range(20):  # twins that differ by up to `flips` bits
        twin = int(hashes[row])
        for bit in random.integers(0, 64, size=flips):
            twin ^= 1 << int(bit)
        hashes[20 + row] = twin
    rows = random.permutation(40)
    first, second = np.sort(rows[:25]), np.sort(rows[25:])
    assert near_pairs(hashes, first, second, distance).tolist() == brute_force(
        hashes, first, second, distance
    )


def test_small_blocks_give_the_same_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = np.random.default_rng(0).integers(0, 4, size=60).astype(np.uint64)
    first, second = np.arange(40), np.arange(40, 60)
    whole = near_pairs(hashes, first, second, 1)
    monkeypatch.setattr(perceptual_hash, "LARGEST_BLOCK", 7)
    assert np.array_equal(near_pairs(hashes, first, second, 1), whole)
    assert whole.tolist() == brute_force(hashes, first, second, 1)


def test_a_hundred_thousand_hashes_take_seconds() -> None:
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**63, size=100_000, dtype=np.uint64)
    hashes[90_000:90_100] = hashes[:100] ^ np.uint64(0b101)
    start = time.perf_counter()
    pairs = near_pairs(hashes, np.arange(70_000), np.arange(70_000, 100_000), 6)
    assert time.perf_counter() - start < 20
    assert pairs.tolist() == [[row, 90_000 + row] for row in range(100)]


def test_no_rows_on_one_side() -> None:
    empty = np.empty(0, dtype=np.int64)
    assert near_pairs(np.zeros(3, dtype=np.uint64), np.arange(3), empty, 4).shape == (0, 2)
    assert alike(np.zeros((3, 4, 4), dtype=np.uint8), np.empty((0, 2), dtype=np.int64), 0.9).shape == (0,)


def test_the_hash_reads_steps_to_the_right() -> None:
    rising = np.tile(np.arange(0, 180, 20, dtype=np.uint8), (8, 1))
    hashes = difference_hashes(np.stack([rising, rising[:, ::-1], np.full((8, 9), 7, dtype=np.uint8)]))
    assert [int(value) for value in hashes] == [2**64 - 1, 0, 0]
    one_step = np.zeros((8, 9), dtype=np.uint8)
    one_step[0, 1:] = 9
    assert int(difference_hashes(one_step[None])[0]) == 2**63


def test_alike_ignores_light_and_refuses_flat_pictures() -> None:
    picture = np.random.default_rng(0).integers(0, 100, size=(8, 8), dtype=np.uint8)
    other = np.random.default_rng(1).integers(0, 100, size=(8, 8), dtype=np.uint8)
    flat = np.full((8, 8), 9, dtype=np.uint8)
    small = np.stack([picture, picture * 2 + 20, other, flat, flat, 100 - picture])
    pairs = np.array([[0, 1], [0, 2], [3, 4], [0, 3], [0, 5]])
    assert alike(small, pairs, 0.99).tolist() == [True, False, False, False, False]


def test_thumbnails_are_grey_and_in_order(tmp_path: Path) -> None:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    Image.new("RGB", (50, 40), (30, 60, 90)).save(paths[0])
    Image.new("L", (10, 10), 7).save(paths[1])
    small = thumbnails([paths[1], paths[0], paths[1]])
    assert small.shape == (3, 32, 32)
    assert small[:, 0, 0].tolist() == [7, 60, 7]
