from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from distune.data.audit import perceptual_hash
from distune.data.audit.leaks import near_duplicate_findings
from distune.data.audit.perceptual_hash import (
    alike,
    difference_hashes,
    moved,
    near_duplicates,
    near_pairs,
    thumbnails,
)
from distune.data.pixels.intensity import PixelRules
from distune.data.table import Table, Task


def brute_force(hashes: np.ndarray, first: np.ndarray, second: np.ndarray, distance: int) -> list[list[int]]:
    pairs = [
        [a, b] for a in first for b in second if bin(int(hashes[a]) ^ int(hashes[b])).count("1") <= distance
    ]
    return sorted(pairs)


@given(st.integers(0, 2**32), st.integers(0, 12), st.integers(0, 10))
@settings(max_examples=60)
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
    alike_keys, rows = np.zeros(12, np.uint64), np.arange(6)
    assert [len(left) for left, _ in perceptual_hash._equal_pairs(alike_keys, rows, rows + 6)] == [6] * 6
    assert np.array_equal(near_pairs(hashes, first, second, 1), whole)
    assert whole.tolist() == brute_force(hashes, first, second, 1)


@pytest.mark.slow
def test_few_of_the_pairs_of_a_hundred_thousand_hashes_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**63, size=100_000, dtype=np.uint64)
    hashes[90_000:90_100] = hashes[:100] ^ np.uint64(0b101)
    compared, equal_pairs = 0, perceptual_hash._equal_pairs

    def counted(*given: Any) -> Iterator[Any]:
        nonlocal compared
        for left, right in equal_pairs(*given):
            compared += len(left)
            yield left, right

    monkeypatch.setattr(perceptual_hash, "_equal_pairs", counted)
    pairs = near_pairs(hashes, np.arange(70_000), np.arange(70_000, 100_000), 6)
    assert 0 < compared < 0.02 * 70_000 * 30_000
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
    Image.fromarray(np.full((8, 8), 600, np.uint16)).save(paths[1])
    # 100.5 of the window's 400 steps above its middle
    assert thumbnails(paths[1:], PixelRules(window=(500, 401)))[0, 0, 0] == 192
    assert thumbnails([]).shape == (0, 32, 32)


def noisy_pictures(count: int) -> np.ndarray:
    """Pictures of 64 x 64 with a few soft blobs and the grain of a scan."""
    random = np.random.default_rng(3)
    down, right = np.mgrid[:64, :64]
    pictures = np.zeros((count, 64, 64))
    for picture in pictures:
        for y, x, width in zip(*random.uniform(8, 56, (2, 5)), random.uniform(4, 12, 5), strict=True):
            picture += 50 * np.exp(-((down - y) ** 2 + (right - x) ** 2) / (2 * width**2))
    return np.clip(pictures + random.normal(60, 14, pictures.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("axis", "step"), [(1, 1), (1, -1), (0, 1), (0, -1)])
def test_a_picture_moved_by_one_of_its_pixels_is_found_and_no_other(axis: int, step: int) -> None:
    pictures = noisy_pictures(60)
    both = np.concatenate([pictures, np.roll(pictures, step, axis=axis + 1)]).reshape(120, 32, 2, 32, 2)
    small = both.mean(axis=(2, 4)).round().astype(np.uint8)
    pairs = near_duplicates(small, np.arange(60), np.arange(60, 120), 6, 0.97)
    assert all(second == first + 60 for first, second in pairs)
    assert len(pairs) >= 54  # the grain of a few flips more bits than the hash forgives


def test_moving_is_a_mean_of_neighbours() -> None:
    rising = np.tile(np.arange(0, 80, 10, dtype=np.uint8), (1, 8, 1))
    assert moved(rising, 0.5, 0)[0, 0].tolist() == [0, 5, 15, 25, 35, 45, 55, 65]
    assert moved(rising, 0, 0.5).tolist() == rising.tolist()


@pytest.mark.parametrize(("dev", "severity"), [(40, "severe"), (60, "warning")])
def test_near_duplicates_are_severe_from_two_in_a_hundred_of_a_split_on(dev: int, severity: str) -> None:
    """One of 40 dev images is 2.5 %, one of 60 is 1.7 %; test has no twin, which excuses nothing."""
    splits = ("train",) * 20 + ("dev",) * dev + ("test",) * 10
    pictures = noisy_pictures(len(splits)).reshape(-1, 32, 2, 32, 2)
    small = pictures.mean(axis=(2, 4)).round().astype(np.uint8)
    small[25] = np.minimum(small[3], 250) + 5  # the same, a little brighter
    names = tuple(map(str, range(len(splits))))
    labels = np.zeros((len(splits), 1), np.int64)
    table = Table(Path(), names, names, names, labels, names, splits, (Task("kind", ("a", "b")),))  # type: ignore[arg-type]
    (found,) = near_duplicate_findings(table, names, small)
    assert found.severity == severity and len(found.rows) == 1
