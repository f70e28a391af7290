"""Reading a large memory map does not grow the process by the map."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from distune.data.batches import ModelInputs, eval_batches, train_batches
from distune.data.pages import LARGE
from distune.data.ragged import ragged

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
CPU = torch.device("cpu")


def mapped_mb() -> float:
    """Resident pages of files, MiB."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["RssFile"].split()[0]) / 1024


def test_an_epoch_leaves_no_pages_of_a_large_map(tmp_path: Path) -> None:
    count, width = 2048, 4 * LARGE // 2048  # 256 MiB
    array = np.lib.format.open_memmap(
        tmp_path / "image.npy", mode="w+", dtype=np.uint8, shape=(1, count, width)
    )
    array[0] = (np.arange(count) % 251)[:, None]
    array.flush()
    del array
    image = np.load(tmp_path / "image.npy", mmap_mode="r")
    inputs = ModelInputs(image, ragged([[1]] * count, np.int64))
    rows, labels = np.arange(count), np.zeros((count, 0), np.int64)
    before, most = mapped_mb(), 0.0
    for batches in (
        train_batches(inputs, labels, rows, batch_size=8, seed=1, epoch=1, device=CPU),
        eval_batches(inputs, labels, rows, batch_size=8, device=CPU),
    ):
        for batch in batches:
            assert torch.equal(batch.image[:, -1].long(), batch.rows % 251)
            most = max(most, mapped_mb())
    assert most - before < 64, "of 256"
