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


def test_what_was_not_used_for_long_is_cleared_by_its_kind(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        for step in ("images", "teacher"):
            for number in range(2):
                store.get(step, {"number": number}, fill)
    store = Store(tmp_path)
    old = [entry for entry in store.entries() if entry.inputs["number"] == 0]
    for entry in old:
        for file in entry.folder.iterdir():
            os.utime(file, (time.time() - 1000, time.time() - 1000))
    assert store.clear("images", unused_for=100) == [old[0].name]
    assert store.clear(unused_for=100) == [old[1].name]
    assert len(store.entries()) == 2 and store.clear(unused_for=100) == []


def test_a_process_removes_what_it_does_not_need_any_more_itself(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        for number in range(2):
            store.get("step_part", {"number": number}, fill)
        store.remove("step_part", {"number": 0})
        assert [entry.inputs["number"] for entry in store.entries()] == [1]


def test_every_hit_saves_the_seconds_of_its_computation(tmp_path: Path) -> None:
    def slowly(entry: Entry) -> None:
        time.sleep(0.02)
        fill(entry)

    with Store(tmp_path) as store:
        for _ in range(3):
            store.get("step", {}, slowly)
    assert store.hits == {"step": 2} and store.seconds_saved >= 0.04
