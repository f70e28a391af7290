from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from distune.data import pages
from distune.data.batches import ModelInputs, eval_batches, train_batches
from distune.data.pages import MappedPages
from distune.data.ragged import ragged

ROWS = 1024
CPU = torch.device("cpu")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="mapped pages are read from /proc")


def mapped_bytes() -> int:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssFile:"))


@pytest.fixture
def images(tmp_path: Path) -> np.ndarray:
    """128 MiB of pixels on disk; each image is filled with its row's number."""
    values = np.lib.format.open_memmap(tmp_path / "a.npy", mode="w+", dtype=np.uint8, shape=(1, ROWS, 2**17))
    values[:] = np.arange(ROWS).astype(np.uint8)[None, :, None]
    values.flush()
    del values
    return np.load(tmp_path / "a.npy", mmap_mode="r")


@needs_linux
@pytest.mark.parametrize("in_train", [True, False])
def test_an_epoch_over_a_large_array_leaves_little_of_it_mapped(images: np.ndarray, in_train: bool) -> None:
    inputs, rows = ModelInputs(images, ragged([[1]] * ROWS)), np.arange(ROWS)
    before, most, seen = mapped_bytes(), 0, []
    batches = (
        train_batches(inputs, np.zeros((ROWS, 1), np.int64), rows, batch_size=8, seed=1, epoch=1, device=CPU)
        if in_train
        else eval_batches(inputs, np.zeros((ROWS, 1), np.int64), rows, batch_size=8, device=CPU)
    )
    for batch in batches:
        most = max(most, mapped_bytes() - before)
        assert torch.equal(batch.image, (batch.rows.byte())[:, None].expand_as(batch.image))
        seen += batch.rows.tolist()
    assert sorted(seen) == list(range(ROWS))
    assert most < 5 * pages.LIMIT < images.nbytes


@needs_linux
def test_what_was_written_into_a_map_stays(tmp_path: Path) -> None:
    values = np.lib.format.open_memmap(tmp_path / "a.npy", mode="w+", dtype=np.uint8, shape=(ROWS, 2**16))
    given_back = MappedPages([values])
    before = mapped_bytes()
    for row in range(ROWS):
        values[row] = row % 251
        given_back.trim()
    assert mapped_bytes() - before < 3 * pages.LIMIT
    assert all((values[row] == row % 251).all() for row in range(ROWS))


def test_arrays_in_memory_and_small_maps_are_left_alone(images: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "small.npy", np.arange(10))
    small = np.load(tmp_path / "small.npy", mmap_mode="r")
    assert MappedPages([small, np.zeros(pages.LIMIT + 1, np.uint8)])._maps == []
    if sys.platform == "linux":
        assert len(MappedPages([np.asarray(images).reshape(ROWS, -1)])._maps) == 1
