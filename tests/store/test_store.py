from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from distune.store import Entry, Store, key_of
from distune.store.manifest import MANIFEST
from tests.forked import forked

INPUTS = {"step_version": 1, "size": 4}


def fill(entry: Entry) -> None:
    array = entry.new_array("numbers", (4,), np.float32)
    array[:] = [1, 2, 3, 4]
    entry.put_tensors("weights", {"w": np.arange(3.0)})
    entry.values["note"] = "made"


def never(entry: Entry) -> None:
    raise AssertionError("the step ran although its result was stored")


def test_second_asking_reads_what_the_first_computed(tmp_path: Path) -> None:
    first = Store(tmp_path).get("step", INPUTS, fill)
    again = Store(tmp_path).get("step", dict(reversed(INPUTS.items())), never)
    np.testing.assert_array_equal(again.array("numbers"), [1, 2, 3, 4])
    np.testing.assert_array_equal(again.tensors("weights")["w"], [0, 1, 2])
    assert again.values == first.values == {"note": "made"}
    assert isinstance(again.array("numbers").base, np.memmap) and not again.array("numbers").flags.writeable
    assert not again.array("numbers").flags.writeable


@pytest.mark.parametrize("changed", [{"size": 5}, {"step_version": 2}, {"more": None}])
def test_any_changed_input_misses(tmp_path: Path, changed: dict[str, object]) -> None:
    store = Store(tmp_path)
    store.get("step", INPUTS, fill)
    store.get("step", INPUTS | changed, fill)
    assert store.misses == {"step": 2}


def _ask_slowly(root: Path, log: Path) -> None:
    def compute(entry: Entry) -> None:
        with log.open("a") as handle:
            handle.write("computed\n")
        time.sleep(0.3)
        fill(entry)

    Store(root).get("step", INPUTS, compute)


@pytest.mark.slow
def test_two_processes_asking_at_once_compute_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    asking = [forked(_ask_slowly, tmp_path / "c", log) for _ in range(3)]
    for process in asking:
        process.start()
    for process in asking:
        process.join()
        assert process.exitcode == 0
    assert log.read_text() == "computed\n"


def _write_forever(root: Path, log: Path) -> None:
    def compute(entry: Entry) -> None:
        entry.new_array("numbers", (4,), np.float32)
        log.write_text("half written")
        time.sleep(60)

    Store(root).get("step", INPUTS, compute)


@pytest.mark.slow
def test_killed_writer_leaves_no_half_entry(tmp_path: Path) -> None:
    root, log = tmp_path / "c", tmp_path / "log"
    process = forked(_write_forever, root, log)
    process.start()
    while not log.exists():
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    store = Store(root)
    assert store.entries() == []
    np.testing.assert_array_equal(store.get("step", INPUTS, fill).array("numbers"), [1, 2, 3, 4])
    store.close()
    store.clear()
    assert list((root / "step").iterdir()) == []


def big(entry: Entry) -> None:
    entry.new_array("numbers", (10_000,), np.float32)[:] = 0


def test_least_recently_used_goes_first_and_an_entry_in_use_stays(tmp_path: Path) -> None:
    with Store(tmp_path) as first:
        for size in (1, 2, 3):
            first.get("step", {"size": size}, big)
            os.utime(tmp_path / "step" / key_of({"size": size}) / MANIFEST, (size, size))
    user = Store(tmp_path)
    user.get("step", {"size": 2}, never)
    os.utime(tmp_path / "step" / key_of({"size": 2}) / MANIFEST, (0, 0))
    removed = Store(tmp_path, max_gb=60_000 / 1e9).evict()
    assert removed == [f"step/{key_of({'size': size})}" for size in (1, 3)]
    user.close()
    assert Store(tmp_path).clear() == [f"step/{key_of({'size': 2})}"]


def test_full_disk_is_said_and_the_step_runs_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left")

    monkeypatch.setattr(os, "posix_fallocate", full)
    entry = Store(tmp_path).get("step", INPUTS, fill)
    np.testing.assert_array_equal(entry.array("numbers"), [1, 2, 3, 4])
    np.testing.assert_array_equal(entry.tensors("weights")["w"], [0, 1, 2])
    assert "No space left" in caplog.text
    assert "DISTUNE_CACHE" in caplog.text
    assert Store(tmp_path).entries() == []
