"""Checkpoints that are written over in place are those that the library reads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, safe_open

from distune.training import checkpoint
from distune.training.checkpoint import Checkpoint, CheckpointFile
from distune.training.safetensors_file import write_over

TENSORS = {
    "flags": torch.tensor([True, False, True]),
    "bytes": torch.arange(5, dtype=torch.uint8),
    "half": torch.randn(3).half(),
    "brain": torch.randn(2, 2).bfloat16(),
    "weights": torch.randn(3, 5),
    "step": torch.tensor(7.0),
    "none": torch.empty(0, 4),
    "counts": torch.arange(6).reshape(2, 3),
    "small": torch.arange(3, dtype=torch.int32),
    "exact": torch.randn(2, dtype=torch.float64),
}


def test_the_library_reads_what_was_written(tmp_path: Path) -> None:
    write_over(tmp_path / "a", TENSORS, {"note": "größer"})
    found = load_file(tmp_path / "a")
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor), name
    with safe_open(tmp_path / "a", framework="pt") as file:
        assert file.metadata() == {"note": "größer"}


def test_nothing_of_a_longer_file_is_left(tmp_path: Path) -> None:
    write_over(tmp_path / "a", {"long": torch.ones(1000)}, {"values": "x" * 100})
    place = (tmp_path / "a").stat().st_ino
    write_over(tmp_path / "a", TENSORS, {})
    write_over(tmp_path / "b", TENSORS, {})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").stat().st_ino == place


def state(steps: int) -> Checkpoint:
    return Checkpoint({"m": {"a": torch.full((1000,), float(steps))}}, {"steps": steps})


def check(file: CheckpointFile, steps: int) -> None:
    found = checkpoint.load_checkpoint(file.path)
    assert found is not None and found.values["steps"] == steps
    assert torch.equal(found.tensors["m"]["a"], state(steps).tensors["m"]["a"])


def test_two_files_take_turns(tmp_path: Path) -> None:
    file, places = CheckpointFile(tmp_path / "c.safetensors", "k"), []
    for steps in range(1, 7):
        file.save(state(steps))
        check(file, steps)
        places.append(file.path.stat().st_ino)
    assert len(set(places[1:])) == 2 and places[1:3] * 2 == places[1:5]
    assert len(list(tmp_path.iterdir())) == 2
    file.remove()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("left", [".next.c.safetensors", ".replaced.c.safetensors"])
def test_what_a_kill_left_behind_is_written_over(tmp_path: Path, left: str) -> None:
    file = CheckpointFile(tmp_path / "c.safetensors", "k")
    file.save(state(1))
    (tmp_path / left).write_bytes(b"half of a checkpoint" * 1000)
    for steps in (2, 3, 4):
        file.save(state(steps))
        check(file, steps)
    assert len(list(tmp_path.iterdir())) == 2


def test_without_hard_links_one_file_is_made_anew_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    file = CheckpointFile(tmp_path / "c.safetensors", "k")
    for steps in (1, 2, 3):
        file.save(state(steps))
        check(file, steps)
    assert list(tmp_path.iterdir()) == [file.path]


def test_a_large_state_is_on_the_disk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SMALL", 1000)
    file = CheckpointFile(tmp_path / "c.safetensors", "k")
    for steps in (1, 2, 3):
        file.save(state(steps))
        check(file, steps)
    assert list(tmp_path.iterdir()) == [file.path]
