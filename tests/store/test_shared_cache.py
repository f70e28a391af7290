"""Many processes in one cache folder: none takes away what another one writes or reads."""

from __future__ import annotations

import errno
import multiprocessing
import os
import stat
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distune.store import Entry, Store, key_of, locks, manifest, store
from distune.store.listing import StoredEntry
from distune.store.manifest import MANIFEST
from tests.forked import forked

SPAWN = multiprocessing.get_context("spawn")  # whose error output a test can read


def fill(entry: Entry) -> None:
    entry.new_array("numbers", (1000,), np.float32)[:] = 1


def never(entry: Entry) -> None:
    raise AssertionError("the step ran although its result was stored")


def test_clearing_and_evicting_leave_the_drafts_of_living_writers(tmp_path: Path) -> None:
    def compute(entry: Entry) -> None:
        array = entry.new_array("numbers", (4,), np.float32)
        other = Store(tmp_path, max_gb=1e-9)
        other.get("other step", {}, fill)
        other.close()
        assert other.clear() == ["other step/" + key_of({})]
        array[:] = 1
        entry.put_tensors("weights", {"w": np.zeros(2)})

    Store(tmp_path).get("step", {}, compute)
    again = Store(tmp_path).get("step", {}, never)
    assert again.array("numbers").tolist() == [1, 1, 1, 1] and again.tensors("weights")["w"].tolist() == [
        0,
        0,
    ]


def _die_while_writing(root: Path) -> None:
    def compute(entry: Entry) -> None:
        fill(entry)
        os._exit(9)

    Store(root).get("step", {}, compute)


@pytest.mark.slow
@pytest.mark.parametrize("done", ["evict", "clear", "get"])
def test_drafts_of_dead_writers_are_removed(tmp_path: Path, done: str) -> None:
    process = forked(_die_while_writing, tmp_path)
    process.start()
    process.join()
    assert len(list((tmp_path / "step").iterdir())) == 1
    found = Store(tmp_path)
    if done == "get":
        found.get("step", {}, lambda entry: entry.put_tensors("weights", {"w": np.zeros(2)}))
        assert [path.name for path in (tmp_path / "step").iterdir()] == [key_of({})]
    else:
        assert getattr(found, done)() == []
        assert list((tmp_path / "step").iterdir()) == []


def _hammer(root: Path, seed: int) -> None:
    """Reads, evicts, lists, checks and clears, with room for two entries of five."""
    random = np.random.default_rng(seed)
    for _ in range(150):
        with Store(root, max_gb=1e-5) as here:
            size = int(random.integers(5))
            assert here.get("step", {"size": size}, fill).array("numbers").sum() == 1000
        action = int(random.integers(6))
        if action == 0:
            here.entries()
        if action == 1:
            assert here.verify() == {}
        if action == 2:
            here.clear()


@pytest.mark.slow
def test_processes_that_read_evict_list_check_and_clear_at_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    processes = [SPAWN.Process(target=_hammer, args=(tmp_path, seed)) for seed in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert "is not used" not in capfd.readouterr().err, "nobody meets half an entry"
    Store(tmp_path).clear()
    assert list((tmp_path / "step").iterdir()) == []


def test_a_reader_that_waited_out_an_eviction_computes_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Store(tmp_path).get("step", {}, fill)
    at_the_lock, folder = threading.Event(), tmp_path / "step" / key_of({})
    flock = locks.fcntl.flock

    def noted(handle: object, how: int) -> None:
        if how & locks.fcntl.LOCK_SH:
            at_the_lock.set()
        flock(handle, how)

    monkeypatch.setattr(locks.fcntl, "flock", noted)
    reader = Store(tmp_path)
    asking = threading.Thread(target=lambda: reader.get("step", {}, fill))
    with locks.SharedLock.exclusive(reader._use_file(folder)) as alone:
        assert alone
        asking.start()
        assert at_the_lock.wait(60)
        reader._discard(folder)
    asking.join()
    assert reader.misses == {"step": 1} and caplog.text == ""


def test_an_entry_that_was_evicted_after_the_listing_and_computed_again_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Overtaken(Store):
        """Another process clears the cache when this one has listed it."""

        def entries(self) -> list[StoredEntry]:
            listed = super().entries()
            Store(tmp_path).clear()
            return listed

    def read_before_it_is_computed_again(folder: Path, **how: bool) -> dict[str, Any]:
        try:
            return manifest.read_manifest(folder, **how)
        finally:
            Store(tmp_path).get("step", {}, fill)

    Store(tmp_path).get("step", {}, fill)
    monkeypatch.setattr(store, "read_manifest", read_before_it_is_computed_again)
    assert Overtaken(tmp_path).verify() == {}


def _as_user(number: int, umask: int, root: Path, uses: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory() as elsewhere:  # imports what the user may not be able to read
        Store(Path(elsewhere)).get("step", {}, fill)
    os.setgid(number)
    os.setuid(number)
    os.umask(umask)
    uses(root)


def _die_with_an_entry(root: Path) -> None:
    with Store(root) as here:
        here.get("step", {"of": "the first"}, fill)
    _die_while_writing(root)


def _use_what_another_filled(root: Path) -> None:
    with Store(root, max_gb=1e-9) as here:
        names = [here.get("step", {"of": "the second", "number": n}, fill).folder for n in range(2)]
        assert here.get("step", {}, fill).array("numbers").sum() == 1000
    assert here.verify() == {}
    assert set(here.clear()) == {f"step/{folder.name}" for folder in names if folder}
    kept = [folder.name for folder in (root / "step").iterdir() if not folder.name.startswith(".")]
    assert kept == [key_of({"of": "the first"})]


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="only root can become two users")
@pytest.mark.parametrize("umask", [0o022, 0o077], ids=["readable", "private"])
def test_users_of_one_cache_leave_alone_what_is_not_theirs(umask: int) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are shut to others
        root = Path(name)
        for folder in (root, root / "step", root / "locks"):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o777)
        for user, uses, code in ((1001, _die_with_an_entry, 9), (1002, _use_what_another_filled, 0)):
            process = forked(_as_user, user, umask, root, uses)
            process.start()
            process.join()
            assert process.exitcode == code


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EROFS, "Read-only file system")


def test_a_filled_cache_that_cannot_be_written_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(tmp_path).get("step", {}, fill)
    for module, call in ((store.filelock.FileLock, "__enter__"), (store.os, "utime"), (Path, "mkdir")):
        monkeypatch.setattr(module, call, refuse)
    found = Store(tmp_path)
    assert found.get("step", {}, never).array("numbers").sum() == 1000
    assert found.hits == {"step": 1}


def test_entries_are_as_readable_as_the_users_other_files(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        Store(tmp_path).get("step", {}, fill)
    finally:
        os.umask(before)
    folder = tmp_path / "step" / key_of({})
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert stat.S_IMODE((folder / MANIFEST).stat().st_mode) == 0o640


def test_what_another_process_evicted_comes_from_memory(tmp_path: Path) -> None:
    entry = Entry(tmp_path)
    entry.put_tensors("weights", {"w": np.ones(2)})
    (tmp_path / "weights.safetensors").unlink()
    assert entry.tensors("weights")["w"].tolist() == [1, 1]
