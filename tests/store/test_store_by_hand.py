"""What the store says of its entries, and where it lies."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pytest

from distune.errors import UserError
from distune.store import Entry, Store, checksums
from distune.store.checksums import block_checksums, mismatch
from distune.store.entry import where_writable
from distune.store.listing import StoredEntry, stored
from distune.store.locks import SharedLock
from distune.store.manifest import MANIFEST, EntryError, key_of, read_manifest, write_manifest
from distune.store.store import cache_folder


def fill(entry: Entry) -> None:
    entry.new_array("numbers", (1000,), np.float64)[:] = 1.0


def test_the_key_depends_on_every_value_and_not_on_their_order() -> None:
    assert key_of({"b": [1, 2.5, None], "a": {"y": "é", "x": True}}) == "bcedb60e9d9918eb2ddea0d6bd768c76"
    assert key_of({"a": {"x": True, "y": "é"}, "b": [1, 2.5, None]}) == key_of(
        {"b": (1, 2.5, None), "a": {"y": "é", "x": True}}
    )
    others: list[dict[str, Any]] = [
        {},
        {"a": 1},
        {"a": "1"},
        {"a": None},
        {"b": 1},
        {"a": 1, "b": None},
        {"a": [1]},
    ]
    assert len({key_of(each) for each in others}) == len(others)
    with pytest.raises(ValueError):
        key_of({"a": float("nan")})


def test_every_way_in_which_a_file_may_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksums, "BLOCK", 4)
    monkeypatch.setattr(checksums, "BLOCKS_ON_OPEN", 2)
    file = tmp_path / "data"
    file.write_bytes(b"aaaabbbbccccdd")
    os.utime(file, ns=(0, 10**9))
    recorded = block_checksums(file)
    assert recorded["mtime_ns"] == 10**9, "of its last writing"
    assert (
        recorded["size"] == 14
        and len(recorded["crc32"]) == 4
        and mismatch(file, recorded, every_block=True) is None
    )
    for content in (b"aaaabbbbccccd", b"aaaabbbbccccddd"):
        file.write_bytes(content)
        assert mismatch(file, recorded, every_block=False) == f"{len(content)} bytes instead of 14"
    file.write_bytes(b"aaaabbbbccccdx")  # written to: read whole
    for later in (-1, 1):  # a copy may have a time of long ago
        os.utime(file, ns=(0, recorded["mtime_ns"] + later))
        assert mismatch(file, recorded, every_block=False) == "block 3 was altered"
        assert file.stat().st_mtime_ns == recorded["mtime_ns"] + later
    file.write_bytes(b"aaaabbbbccccdd")
    assert mismatch(file, recorded, every_block=False) is None
    assert file.stat().st_mtime_ns == recorded["mtime_ns"]  # known to be sound from here on
    file.write_bytes(b"aaaaXbbbccccdd")
    os.utime(file, ns=(0, recorded["mtime_ns"]))
    drawn: list[tuple[int, int]] = []

    def sample(blocks: range, count: int) -> list[int]:
        drawn.append((len(blocks), count))
        return [2, 1] if len(drawn) > 1 else [3, 0]

    monkeypatch.setattr(checksums._RANDOM, "sample", sample)
    assert mismatch(file, recorded, every_block=False) is None
    assert mismatch(file, recorded, every_block=False) == "block 1 was altered"
    assert mismatch(file, recorded, every_block=True) == "block 1 was altered" and drawn == [(4, 2)] * 2


def test_a_manifest_vouches_for_its_own_fields(tmp_path: Path) -> None:
    inputs = {"size": 4}
    folder = tmp_path / "step" / key_of(inputs)
    folder.mkdir(parents=True)
    (folder / "a").write_bytes(b"x")
    write_manifest(folder, "step", inputs, {"pair": (1, 2), 3: "x"}, 1.5, {"dataset": "d"})  # type: ignore[dict-item]
    found = read_manifest(folder)
    assert (
        found["values"] == {"pair": [1, 2], "3": "x"}
        and found["seconds"] == 1.5
        and list(found["files"]) == ["a"]
    )
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace('"dataset": "d"', '"dataset": "e"'))
    read_manifest(folder)  # what is said of it is nothing that it vouches for
    for old, new in (('"seconds": 1.5', '"seconds": 2.5'), ('"size": 1', '"size": 2'), ('"3": "x"', '"3": "y"'),
                     ('"layout": 2', '"layout": 1'), ('"layout": 2', '"layout": 3'), ('"created": "', '"created": "9'),
                     ('"step": "step"', '"step": "other"'), ('"size": 4', '"size": 5')):  # fmt: skip
        assert old in text
        (folder / MANIFEST).write_text(text.replace(old, new))
        with pytest.raises(EntryError):
            read_manifest(folder)


def test_a_manifest_without_its_checksum_is_an_altered_one(tmp_path: Path) -> None:
    folder = tmp_path / "step" / key_of({})
    folder.mkdir(parents=True)
    write_manifest(folder, "step", {}, {}, 1.5, {})
    held = json.loads((folder / MANIFEST).read_text())
    del held["checksum"]
    (folder / MANIFEST).write_text(json.dumps(held))
    with pytest.raises(EntryError, match="altered"):
        read_manifest(folder)


def test_who_computes_an_entry_holds_its_lock_and_who_removes_one_lets_go_of_that_alone(
    tmp_path: Path,
) -> None:
    store, other = Store(tmp_path), Store(tmp_path)

    def compute(entry: Entry) -> None:
        with pytest.raises(filelock.Timeout):
            filelock.FileLock(store._lock_file(tmp_path / "step" / key_of({})), timeout=0).acquire()
        fill(entry)

    store.get("step", {}, compute)
    store.get("step", {"a": 1}, fill)
    store.get("step", {"a": 2}, fill)
    store.remove("step", {"a": 1})
    assert [entry.name for entry in store.entries()] == sorted(f"step/{key_of(of)}" for of in ({}, {"a": 2}))
    assert other.clear() == [], "both are in use"
    store.close()
    (tmp_path / "step" / key_of({}) / MANIFEST).unlink()
    (tmp_path / "step" / key_of({"a": 3})).mkdir()
    assert len(store.entries()) == 2, "a damaged one is listed, and a folder that no store made is not"
    assert len(other.clear()) == 2 and store.entries() == []


@pytest.mark.parametrize(
    ("step", "inputs", "kind", "encoders"),
    [
        ("images_part", {}, "images", ()),
        ("frozen_text", {"encoder": {"weights": "bert|abc"}}, "features", ("bert",)),
        ("teacher", {"weights": ["vit|1", "bert|2"]}, "teachers", ("vit", "bert")),
        ("targets", {"teacher": {"weights": ["vit|1"]}, "weights": ["other|1"]}, "targets", ("vit",)),
        ("targets", {"weights": ["vit|1"]}, "targets", ("vit",)),
        ("own_step", {"weights": "x"}, "own_step", ("x",)),
        ("tokens", {"encoder": 3}, "tokens", ()),
    ],
)
def test_what_a_person_calls_an_entry(
    step: str, inputs: dict[str, Any], kind: str, encoders: tuple[str, ...]
) -> None:
    entry = StoredEntry(f"{step}/0", Path(f"/cache/{step}/0"), 1, 0.0, inputs)
    assert (entry.kind, entry.encoders) == (kind, encoders)


def test_an_entry_is_listed_with_its_size_use_and_data_set(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.about["dataset"] = "scans"
    store.get("teacher", {"n": 1}, fill)
    folder = tmp_path / "teacher" / key_of({"n": 1})
    os.utime(folder / MANIFEST, (5, 5))
    os.utime(folder, (9, 9))
    (entry,) = store.entries()
    assert (entry.name, entry.last_used, entry.dataset, entry.inputs) == (
        f"teacher/{folder.name}",
        5.0,
        "scans",
        {"n": 1},
    )
    assert entry.size == sum(file.stat().st_size for file in folder.iterdir()) > 8000
    (folder / MANIFEST).unlink()
    os.utime(folder, (9, 9))
    bare = stored(folder)
    assert bare is not None and (bare.last_used, bare.inputs, bare.dataset) == (9.0, {}, "")
    assert stored(tmp_path / "none") is None
    (folder / "link").symlink_to("gone")
    assert stored(folder) is not None, "what lies in it is not followed"


def test_what_is_named_as_an_entry_but_is_none_is_not_listed(tmp_path: Path) -> None:
    key = key_of({"n": 1})
    for name in (f"step/{key}", "step/short", f"step/{key.upper()}"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / f"step/{key[:-1]}0").touch()
    store = Store(tmp_path)
    assert store.entries() == [] and store.clear() == [] and (tmp_path / f"step/{key}").is_dir()
    (tmp_path / f"step/.{key}-own").mkdir()
    (tmp_path / f"step/.{key}-{'0' * 32}").mkdir()
    store.get("step", {"n": 1}, fill)  # takes the place of the empty folder, and of what a dead writer left
    names = {path.name for path in (tmp_path / "step").iterdir()}
    assert names == {"short", key.upper(), key, f"{key[:-1]}0", f".{key}-own"}


def test_eviction_stops_as_soon_as_the_rest_fits(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        for number in range(4):
            store.get("step", {"n": number}, fill)
            os.utime(tmp_path / "step" / key_of({"n": number}) / MANIFEST, (number, number))
    size = store.entries()[0].size
    exact = Store(tmp_path)
    exact.max_bytes = sum(entry.size for entry in exact.entries())
    assert exact.evict() == []
    small = Store(tmp_path, max_gb=2.5 * size / 1e9)
    assert small.evict() == [f"step/{key_of({'n': number})}" for number in (0, 1)]
    assert small.evict() == []
    with small:
        small.get("step", {"n": 9}, fill)  # a new one makes room for itself
    assert {entry.inputs["n"] for entry in small.entries()} == {3, 9}
    assert Store(tmp_path).max_bytes == 20_000_000_000


def test_kinds_and_ages_that_are_cleared(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        for step in ("frozen_vision", "teacher"):
            store.get(step, {"n": 1}, fill)
    assert Store(tmp_path).clear("features", unused_for=1000) == []
    assert Store(tmp_path).clear("frozen_vision") == []
    assert [name.split("/")[0] for name in Store(tmp_path).clear("features")] == ["frozen_vision"]
    assert [name.split("/")[0] for name in Store(tmp_path).clear()] == ["teacher"]


def test_a_step_that_fails_leaves_no_draft_and_one_that_is_read_counts(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fail(entry: Entry) -> None:
        fill(entry)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        store.get("step", {"n": 1}, fail)
    assert list((tmp_path / "step").iterdir()) == [] and store.misses == {}
    store.get("step", {"n": 1}, fill)
    store.get("step", {"n": 1}, fail)
    assert (store.misses, store.hits) == ({"step": 1}, {"step": 1}) and store.verify() == {}
    file = tmp_path / "step" / key_of({"n": 1}) / "numbers.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    before = file.stat()
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert list(store.verify().values()) == ["numbers.npy: block 0 was altered"]


def test_an_entry_of_many_blocks_is_verified_in_every_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "BLOCK", 1000)
    monkeypatch.setattr(checksums, "BLOCKS_ON_OPEN", 1)
    monkeypatch.setattr(checksums._RANDOM, "sample", lambda blocks, count: [0])
    with Store(tmp_path) as store:
        store.get("step", {"n": 1}, fill)
    file = tmp_path / "step" / key_of({"n": 1}) / "numbers.npy"
    before, content = file.stat(), bytearray(file.read_bytes())
    content[5500] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert read_manifest(file.parent) and list(store.verify().values()) == [
        "numbers.npy: block 5 was altered"
    ]
    assert store.clear() == [f"step/{file.parent.name}"]  # nobody is left who uses it


def test_readers_share_a_lock_and_a_remover_is_alone(tmp_path: Path) -> None:
    with SharedLock.exclusive(tmp_path / "new/locks/a.use") as alone:
        assert alone
    lock = tmp_path / "locks" / "a.use"
    first, second = SharedLock(lock), SharedLock(lock)
    for held in (first, second):
        with SharedLock.exclusive(lock) as alone:
            assert not alone
        held.release()
    with SharedLock.exclusive(lock) as alone:
        assert alone
        with SharedLock.exclusive(lock) as another:
            assert not another
    with SharedLock.exclusive(lock) as alone:
        assert alone


def test_a_pipe_in_the_place_of_a_lock_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.use")
    with pytest.raises(OSError, match="regular"):
        SharedLock(tmp_path / "a.use")
    with pytest.raises(OSError, match="regular"), SharedLock.exclusive(tmp_path / "a.use"):
        pass


def test_the_lock_of_another_user_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.use").touch()
    opened = Path.open

    def of_another(path: Path, mode: str) -> Any:
        if mode != "r":
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, mode)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", of_another)
        held = SharedLock(tmp_path / "a.use")
        SharedLock(tmp_path / "b.use").release()  # what cannot be made is not held
    with SharedLock.exclusive(tmp_path / "a.use") as alone:
        assert not alone
    held.release()


def test_only_what_is_not_ours_to_write_is_passed_over() -> None:
    for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EPERM):
        with where_writable():
            raise OSError(code, "")
    for error in (OSError(errno.EIO, ""), ValueError("x")):
        with pytest.raises(type(error)), where_writable():
            raise error


def test_a_draft_that_the_disk_has_no_room_for_stays_in_memory(tmp_path: Path) -> None:
    for code in (errno.ENOSPC, errno.ENOENT):
        draft = Entry(tmp_path)
        draft.put_tensors("w", {"a": np.arange(2.0)})
        with draft.in_memory_otherwise():
            raise OSError(code, "gone")
        assert draft.folder is None and draft.fault is not None and draft.fault.errno == code
        assert draft.tensors("w")["a"].tolist() == [0.0, 1.0]
        draft.new_array("n", (2,), np.int64)[:] = 3
        assert draft.array("n").tolist() == [3, 3] and draft.array("n").dtype == np.int64
    draft = Entry(tmp_path)
    with pytest.raises(OSError, match="disk"), draft.in_memory_otherwise():
        raise OSError(errno.EIO, "disk")
    assert draft.folder == tmp_path


def test_where_the_cache_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTUNE_CACHE", str(tmp_path / "a/b"))
    assert cache_folder() == tmp_path / "a/b" == Store().root and not (tmp_path / "a").exists()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DISTUNE_CACHE", "~/c")
    assert cache_folder() == tmp_path / "c"
    (tmp_path / "file").touch()
    for odd in (tmp_path / "file", tmp_path / "file/deeper", "~nobody_of_this_name/c"):
        monkeypatch.setenv("DISTUNE_CACHE", str(odd))
        with pytest.raises(UserError):
            cache_folder()
    monkeypatch.delenv("DISTUNE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg/distune"
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: f"~/.cache/{name}")
    with pytest.raises(UserError, match="DISTUNE_CACHE"):
        cache_folder()
