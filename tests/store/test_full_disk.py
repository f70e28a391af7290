"""A disk that is full at any moment costs the cache, and nothing is computed twice."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from distune.store import Entry, Store

INPUTS = {"step_version": 1}


def no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def at_once(patch: pytest.MonkeyPatch) -> None:
    mkdir = Path.mkdir
    patch.setattr(
        Path, "mkdir", lambda path, *a, **k: no_space() if path.name[0] == "." else mkdir(path, *a, **k)
    )


def at_the_second_array(patch: pytest.MonkeyPatch) -> None:
    claims = iter([None, OSError(errno.EDQUOT, "No space left on device")])

    def claim(*_: object) -> None:
        if fault := next(claims):
            raise fault

    patch.setattr(os, "posix_fallocate", claim)


def at_the_tensors(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Path, "write_bytes", no_space)


def at_the_manifest(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(os, "fsync", no_space)


@pytest.mark.parametrize(
    "moment",
    [at_once, at_the_second_array, at_the_tensors, at_the_manifest],
    ids=lambda moment: moment.__name__,
)
def test_what_is_computed_stays_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, moment: object
) -> None:
    computed = []

    def compute(draft: Entry) -> None:
        computed.append(draft)
        draft.new_array("first", (3,), np.float32)[:] = [1, 2, 3]
        draft.new_array("second", (2,), np.float32)[:] = [4, 5]
        draft.put_tensors("weights", {"w": np.arange(3.0)})
        draft.values["note"] = "made"

    with monkeypatch.context() as patch:
        moment(patch)  # type: ignore[operator]
        asked = Store(tmp_path)
        found = asked.get("step", INPUTS, compute)
    assert len(computed) == 1
    np.testing.assert_array_equal(found.array("first"), [1, 2, 3])
    np.testing.assert_array_equal(found.array("second"), [4, 5])
    np.testing.assert_array_equal(found.tensors("weights")["w"], [0, 1, 2])
    assert found.values == {"note": "made"}
    assert caplog.text.count("cannot be written (No space left on device); step is computed without it") == 1
    assert asked.misses == {} and list((tmp_path / "step").iterdir()) == []
    Store(tmp_path).get("step", INPUTS, compute)
    assert len(Store(tmp_path).entries()) == 1, "with room again, it is kept"


def test_a_cache_that_is_deleted_while_a_step_computes_costs_that_entry_alone(tmp_path: Path) -> None:
    root, computed = tmp_path / "cache", []

    def compute(entry: Entry) -> None:
        computed.append(1)
        before = entry.new_array("before", (2,), np.float32)
        if len(computed) == 1:
            shutil.rmtree(root)
        before[:] = 1.0
        entry.new_array("after", (2,), np.float32)[:] = 2.0
        entry.put_tensors("weights", {"w": np.ones(2, np.float32)})

    for times in (1, 2, 2):
        with Store(root) as store:
            found = store.get("step", {}, compute)
            assert found.array("before").tolist() == [1.0, 1.0] and found.array("after").tolist() == [
                2.0,
                2.0,
            ]
            assert found.tensors("weights")["w"].tolist() == [1.0, 1.0]
        assert len(computed) == times


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG, errno.EACCES])
def test_a_file_that_the_step_itself_cannot_use_is_no_matter_of_the_cache(tmp_path: Path, code: int) -> None:
    computed = []

    def compute(draft: Entry) -> None:
        computed.append(draft)
        raise OSError(code, "a checkpoint")

    with pytest.raises(OSError, match="a checkpoint"):
        Store(tmp_path).get("step", INPUTS, compute)
    assert len(computed) == 1 and list((tmp_path / "step").iterdir()) == []


def test_a_broken_disk_is_not_taken_for_a_full_one(tmp_path: Path) -> None:
    """Other errors of the disk, such as a broken one, are not hidden."""

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match="Input/output"):
        patch.setattr(os, "posix_fallocate", broken)
        Store(tmp_path).get("step", INPUTS, lambda draft: draft.new_array("a", (3,), np.float32))
