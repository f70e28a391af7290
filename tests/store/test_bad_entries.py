"""An entry that is torn, altered or foreign is named, and computed again."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from distune.store import Entry, Store, checksums, key_of
from distune.store.manifest import MANIFEST

INPUTS = {"step_version": 1, "size": 4}


def fill(entry: Entry) -> None:
    entry.new_array("numbers", (4,), np.float32)[:] = [1, 2, 3, 4]
    entry.put_tensors("weights", {"w": np.arange(3.0)})
    entry.values["note"] = "made"


def never(entry: Entry) -> None:
    raise AssertionError("the step ran although its result was stored")


def folder_of(tmp_path: Path) -> Path:
    return tmp_path / "step" / key_of(INPUTS)


def truncate(folder: Path) -> None:
    os.truncate(folder / "numbers.npy", 130)


def alter(folder: Path) -> None:
    data = bytearray((folder / "numbers.npy").read_bytes())
    data[-1] ^= 1
    (folder / "numbers.npy").write_bytes(data)


def lose_a_file(folder: Path) -> None:
    (folder / "weights.safetensors").unlink()


def add_a_file(folder: Path) -> None:
    (folder / "other.npy").write_bytes(b"x")


def tear_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text('{"layout": 1')


def foreign_layout(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"layout": 0}))


def foreign_step(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"step": "other"}))


def foreign_inputs(folder: Path) -> None:
    Store(folder.parents[1]).get("step", {"other": 1}, fill)
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name(key_of({"other": 1})), folder)


def alter_a_value(folder: Path) -> None:
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace('"note": "made"', '"note": "mad"'))


def lose_a_field(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["seconds"], manifest["files"]
    (folder / MANIFEST).write_text(json.dumps(manifest))


def lose_a_number(folder: Path) -> None:
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace('"size": 4', '"size": NaN'))


def link_to_nothing(folder: Path) -> None:
    (folder / "numbers.npy").unlink()
    (folder / "numbers.npy").symlink_to(folder / "gone")


def link_to_itself(folder: Path) -> None:
    (folder / "numbers.npy").unlink()
    (folder / "numbers.npy").symlink_to("numbers.npy")


FAULTS = {
    truncate: "numbers.npy: 130 bytes instead of 144",
    alter: "numbers.npy: block 0 was altered",
    lose_a_file: "missing or foreign files: weights.safetensors",
    add_a_file: "missing or foreign files: other.npy",
    tear_manifest: "entry.json cannot be read",
    foreign_layout: "another layout",
    foreign_step: "belongs to step 'other'",
    foreign_inputs: f"belongs to other inputs, those of {key_of({'other': 1})}",
    alter_a_value: "entry.json was altered",
    lose_a_number: "entry.json cannot be read",
    lose_a_field: "entry.json lacks seconds, files",
    link_to_nothing: "its files cannot be read",
    link_to_itself: "its files cannot be read",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_damaged_entry_is_named_and_computed_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: object
) -> None:
    Store(tmp_path).get("step", INPUTS, fill).array("numbers")
    fault(folder_of(tmp_path))  # type: ignore[operator]
    assert FAULTS[fault] in Store(tmp_path).verify()[f"step/{key_of(INPUTS)}"]  # type: ignore[index]
    store = Store(tmp_path)
    np.testing.assert_array_equal(store.get("step", INPUTS, fill).array("numbers"), [1, 2, 3, 4])
    assert store.misses == {"step": 1}
    assert FAULTS[fault] in caplog.text  # type: ignore[index]
    assert Store(tmp_path).verify() == {}


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of kilobytes are checked as if they had gigabytes."""
    monkeypatch.setattr(checksums, "BLOCK", 8)


def large(entry: Entry) -> None:
    entry.new_array("numbers", (1000,), np.float32)[:] = 1


def spoil(file: Path, *, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


@pytest.mark.slow
@pytest.mark.usefixtures("small_blocks")
def test_a_large_file_that_was_written_to_is_read_whole(tmp_path: Path) -> None:
    for at in range(0, 4128, 129):
        Store(tmp_path).get("step", INPUTS, large)
        spoil(folder_of(tmp_path) / "numbers.npy", at=at)
        store = Store(tmp_path)
        assert store.get("step", INPUTS, large).array("numbers").sum() == 1000
        assert store.misses == {"step": 1}, at


@pytest.mark.usefixtures("small_blocks")
def test_damage_without_a_writer_is_met_sooner_or_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that loses bits leaves the time of the file as it was."""
    Store(tmp_path).get("step", INPUTS, large)
    file = folder_of(tmp_path) / "numbers.npy"
    state = file.stat()
    spoil(file, at=2000)
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    # Asked for, all are read.
    assert "block 250 was altered" in Store(tmp_path).verify()[f"step/{key_of(INPUTS)}"]
    read: list[list[int]] = []

    def drawn(blocks: range, count: int) -> list[int]:
        first = count * len(read)
        read.append(list(blocks[first : first + count]))
        return read[-1]

    monkeypatch.setattr(checksums._RANDOM, "sample", drawn)
    while not (misses := _misses_of_one_asking(tmp_path)):
        assert len(read) < 100
    assert misses == {"step": 1} and 2000 // 8 in read[-1]
    assert Store(tmp_path).get("step", INPUTS, never).array("numbers").sum() == 1000
    assert all(len(blocks) == checksums.BLOCKS_ON_OPEN for blocks in read[:-1])


def _misses_of_one_asking(root: Path) -> dict[str, int]:
    store = Store(root)
    store.get("step", INPUTS, large)
    return store.misses


@pytest.mark.usefixtures("small_blocks")
def test_a_sound_copy_is_read_whole_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path / "here").get("step", INPUTS, large)
    shutil.copytree(tmp_path / "here", tmp_path / "there", copy_function=shutil.copyfile)
    drawn: list[int] = []
    sample = checksums._RANDOM.sample
    monkeypatch.setattr(
        checksums._RANDOM, "sample", lambda blocks, count: drawn.append(count) or sample(blocks, count)
    )
    Store(tmp_path / "there").get("step", INPUTS, never)
    assert drawn == []
    Store(tmp_path / "there").get("step", INPUTS, never)
    assert drawn == [checksums.BLOCKS_ON_OPEN]


def test_a_file_in_the_place_of_an_entry_makes_way(tmp_path: Path) -> None:
    (tmp_path / "step").mkdir()
    folder_of(tmp_path).write_text("no folder")
    np.testing.assert_array_equal(Store(tmp_path).get("step", INPUTS, fill).array("numbers"), [1, 2, 3, 4])
    Store(tmp_path).get("step", INPUTS, never)
    assert list((tmp_path / "step").iterdir()) == [folder_of(tmp_path)]


@pytest.mark.parametrize("inputs", [[1], {"weights": 3}, {"encoder": []}, {"teacher": [1]}, "text"])
def test_a_manifest_of_another_form_is_listed(tmp_path: Path, inputs: object) -> None:
    for step in ("targets", "tokens"):
        Store(tmp_path).get(step, INPUTS, fill)
        manifest = tmp_path / step / key_of(INPUTS) / MANIFEST
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"inputs": inputs}))
    assert [entry.encoders for entry in Store(tmp_path).entries()] == [(), ()]
