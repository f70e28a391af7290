from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from distune.config import DataConfig
from distune.data import Table, read_table
from distune.data.fingerprint import image_fingerprints, table_fingerprint

from .conftest import write_png

Write = Callable[..., Path]


@pytest.fixture
def table(medpix: Write) -> Table:
    return read_table(DataConfig(root=medpix()))


def test_only_the_content_of_an_image_counts(table: Table) -> None:
    before = image_fingerprints(table)
    assert len(set(before)) == 8  # dev repeats the seeds of the first four train images
    assert all(len(digest) == 32 for digest in before)
    os.utime(table.images[0], (0, 0))
    assert image_fingerprints(table) == before
    write_png(Path(table.images[0]), 99)
    after = image_fingerprints(table)
    assert after[0] != before[0]
    assert after[1:] == before[1:]


def test_a_moved_set_keeps_its_fingerprint(table: Table, tmp_path: Path) -> None:
    shutil.copytree(table.root, tmp_path / "moved")
    moved = read_table(DataConfig(root=tmp_path / "moved"))
    assert table_fingerprint(moved) == table_fingerprint(table)
    assert table_fingerprint(table, image_fingerprints(table)) == table_fingerprint(table)
