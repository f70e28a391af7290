"""What was read last stays, whatever was written first."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from distune.store import Entry, Store


def fill(entry: Entry) -> None:
    entry.new_array("values", (25_000,), np.float64)[:] = 1.0


def test_reading_makes_an_entry_recent(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        for number in range(3):
            store.get("step", {"number": number}, fill)
    for age, entry in enumerate(sorted(Store(tmp_path).entries(), key=lambda entry: entry.last_used)):
        for file in entry.folder.iterdir():
            os.utime(file, (time.time() - 1000 + age, time.time() - 1000 + age))
    with Store(tmp_path) as store:
        store.get("step", {"number": 0}, fill)  # the oldest is read
        assert store.hits == {"step": 1}
    small = Store(tmp_path, max_gb=3e-4)  # room for one of 200 kB
    small.evict()
    with small:
        small.get("step", {"number": 0}, fill)
        assert small.hits == {"step": 1}
    assert len(small.entries()) == 1
