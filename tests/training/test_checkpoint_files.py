"""The file of a checkpoint, and when and how it is written."""

from __future__ import annotations

import errno
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import safetensors
import torch
from safetensors.torch import save_file

from distune.training.callbacks import EpochRecord
from distune.training.files import checkpoint as checkpoint_module
from distune.training.files.checkpoint import (
    Checkpoint,
    CheckpointFile,
    CheckpointWriter,
    load_checkpoint,
    save_checkpoint,
)
from distune.training.files.run_folder import record_opening, write_metrics, write_results
from distune.utils.files.paths import GONE
from tests.forked import forked


class _Disk:
    """A checkpoint file whose writing ends when the test says so."""

    def __init__(self) -> None:
        self.saved: list[float] = []
        self.free = threading.Event()
        self.free.set()

    def save(self, checkpoint: Checkpoint) -> None:
        assert self.free.wait(10)
        self.saved.append(float(checkpoint.tensors["model"]["a"]))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    found = SimpleNamespace(now=0.0)
    monkeypatch.setattr(checkpoint_module, "EVERY_SECONDS", 5.0)
    monkeypatch.setattr(checkpoint_module, "time", SimpleNamespace(perf_counter=lambda: found.now))
    return found


def test_a_checkpoint_is_taken_where_a_kill_would_cost_more_than_seconds(clock: SimpleNamespace) -> None:
    disk, weight = _Disk(), torch.zeros(())

    def state() -> Checkpoint:
        return Checkpoint({"model": {"a": weight}}, {})

    with CheckpointWriter(disk) as writer:  # type: ignore[arg-type]
        for _ in range(12):  # epochs of two seconds
            clock.now += 2.0
            weight += 1
            writer.save(state)
            time.sleep(0.01)
    assert disk.saved == [3.0, 6.0, 9.0, 12.0]


def test_training_never_waits_for_the_disk_and_writes_what_it_was(clock: SimpleNamespace) -> None:
    disk, weight = _Disk(), torch.zeros(())

    def state() -> Checkpoint:
        return Checkpoint({"model": {"a": weight}}, {})

    disk.free.clear()
    with CheckpointWriter(disk) as writer:  # type: ignore[arg-type]
        for _ in range(3):
            clock.now += 10.0
            weight += 1
            writer.save(state)
        disk.free.set()
        clock.now += 10.0
        weight += 1
        writer.save(state, last=True)
    assert disk.saved == [1.0, 4.0]


def test_a_checkpoint_that_cannot_be_written_ends_the_stage(clock: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    broken = CheckpointFile(tmp_path / "file/inside", "k")
    clock.now += 10.0
    with pytest.raises(OSError), CheckpointWriter(broken) as writer:
        clock.now += 10.0
        writer.save(lambda: Checkpoint({"model": {"a": torch.zeros(())}}, {}))


def test_a_folder_that_is_gone_is_said_to_be_and_not_made_again(tmp_path: Path) -> None:
    gone, epoch = tmp_path / "run", EpochRecord("student", 1, 1.0, 0.5, 0.5, 0.25, {"t": 0.25}, 1e-3, 2.0)
    state = Checkpoint({"m": {"a": torch.zeros(1)}}, {})
    for write in (
        lambda: CheckpointFile(gone / "checkpoint_student.safetensors", "k").save(state),
        lambda: write_metrics(gone, [epoch]),
        lambda: write_results(gone, {}),
        lambda: record_opening(gone, by="a run", dataset="d"),
    ):
        with pytest.raises(FileNotFoundError) as error:
            write()
        assert str(gone) in str(error.value) and GONE in str(error.value)
        assert list(tmp_path.iterdir()) == []


def _killed_while_it_saves(path: Path) -> None:
    os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
    CheckpointFile(path, "k").save(Checkpoint({"m": {"a": torch.ones(1000)}}, {"steps": 2}))


@pytest.mark.slow
def test_drafts_of_killed_processes_count_as_weights_and_go_with_the_next_start(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path / "checkpoint_student.safetensors", "k")
    file.save(Checkpoint({"m": {"a": torch.zeros(1)}}, {"steps": 1}))
    process = forked(_killed_while_it_saves, file.path)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2  # what retention clears away
    kept = file.load()
    assert kept is not None and kept.values["steps"] == 1
    assert list(tmp_path.iterdir()) == [file.path]


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, there = tmp_path / "checkpoint.safetensors", []
    flush = os.fsync

    def noting(descriptor: int) -> None:
        there.append(path.exists())
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    CheckpointFile(path, "k").save(Checkpoint({"m": {"a": torch.zeros(1)}}, {}))
    assert there == [False] and path.exists()


def test_who_may_read_a_run_may_read_its_weights(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "student.safetensors", Checkpoint({"model": {"w": torch.zeros(2)}}, {}))
    (tmp_path / "results.json").touch()
    assert (tmp_path / "student.safetensors").stat().st_mode == (tmp_path / "results.json").stat().st_mode


def test_a_disk_that_takes_no_more_is_an_error_of_the_system(tmp_path: Path) -> None:
    child = os.fork()  # the limit is of a whole process
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            save_checkpoint(tmp_path / "student.safetensors", Checkpoint({"m": {"w": torch.zeros(1000)}}, {}))
        except OSError as error:
            os._exit(error.errno if error.filename == str(tmp_path / "student.safetensors") else 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == errno.EFBIG
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_names_no_key_or_another_one_is_not_resumed(tmp_path: Path) -> None:
    file, state = CheckpointFile(tmp_path / "c", "k"), {"model": {"a": torch.ones(1)}}
    file.save(Checkpoint(state, {"epoch": 1}))
    found = file.load()
    assert found is not None and found.values["epoch"] == 1
    assert CheckpointFile(file.path, "other").load() is None
    save_checkpoint(file.path, Checkpoint(state, {"epoch": 1}))
    assert file.load() is None


def test_drafts_of_a_killed_process_go_with_the_next_start_and_with_the_end(tmp_path: Path) -> None:
    file, other = CheckpointFile(tmp_path / "c", "k"), tmp_path / ".0a.other"
    other.touch()
    for end in (file.load, file.remove):
        file.save(Checkpoint({"m": {"a": torch.zeros(1)}}, {}))
        (tmp_path / f".distune-{'0' * 24}.c").touch()
        end()
        assert {path.name for path in tmp_path.iterdir()} == (
            {"c", other.name} if end == file.load else {other.name}
        )
    file.remove()


def test_a_state_that_is_saved_again_under_another_key_is_of_that(tmp_path: Path) -> None:
    first, second = CheckpointFile(tmp_path / "c", "first"), CheckpointFile(tmp_path / "c", "second")
    first.save(Checkpoint({"m": {"a": torch.zeros(1)}}, {}))
    found = first.load()
    assert found is not None
    second.save(found)
    assert first.load() is None and second.load() is not None


def changed_values(tensors: dict[str, torch.Tensor], about: dict[str, str]) -> None:
    about["values"] = about["values"].replace("1", "2")


def changed_name(tensors: dict[str, torch.Tensor], about: dict[str, str]) -> None:
    tensors["m/z"] = tensors.pop("m/a")


def changed_shape(tensors: dict[str, torch.Tensor], about: dict[str, str]) -> None:
    tensors["m/a"] = tensors["m/a"].reshape(2, 2)


def changed_type(tensors: dict[str, torch.Tensor], about: dict[str, str]) -> None:
    tensors["m/a"] = tensors["m/a"].view(torch.int32)


def changed_number(tensors: dict[str, torch.Tensor], about: dict[str, str]) -> None:
    tensors["m/b"][0] += 1


@pytest.mark.parametrize(
    "change", [changed_values, changed_name, changed_shape, changed_type, changed_number]
)
def test_a_checkpoint_that_was_changed_starts_its_stage_over(
    tmp_path: Path, change: Callable[[dict[str, torch.Tensor], dict[str, str]], None]
) -> None:
    file = CheckpointFile(tmp_path / "c", "k")
    file.save(Checkpoint({"m": {"a": torch.arange(4.0), "b": torch.ones(1)}}, {"steps": 1}))
    with safetensors.safe_open(file.path, framework="pt") as held:
        tensors, about = {name: held.get_tensor(name) for name in held.keys()}, held.metadata()  # noqa: SIM118
    save_file(tensors, file.path, metadata=about)
    assert file.load() is not None
    change(tensors, about)
    save_file(tensors, file.path, metadata=about)
    assert file.load() is None
    save_file(tensors, file.path, metadata={"values": about["values"]})
    assert file.load() is not None, "an earlier version wrote no checksum"
    save_file(tensors, file.path)
    assert file.load() is None, "weights alone are no checkpoint"
    file.path.write_bytes(b"no checkpoint")
    assert file.load() is None


def test_what_is_no_error_of_the_disk_stays_what_it_is(tmp_path: Path) -> None:
    with (
        pytest.raises(safetensors.SafetensorError, match="a header"),
        checkpoint_module._errors_of_the_system(tmp_path),
    ):
        raise safetensors.SafetensorError("a header")


@pytest.mark.parametrize(
    "error",
    [
        safetensors.SafetensorError("I/O error: (os error 28)"),
        RuntimeError("unable to mmap 8 bytes from file </c>: (28)"),
        OSError("no number (os error 28)"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_full_disk_is_one_whoever_says_so(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, checkpoint_module._errors_of_the_system(tmp_path / "c"):
        raise error
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "c"))


def test_the_last_checkpoint_is_written_last(clock: SimpleNamespace) -> None:
    saved: list[float] = []
    slow = iter([0.05, 0.0])

    def save(checkpoint: Checkpoint) -> None:
        time.sleep(next(slow))
        saved.append(float(checkpoint.tensors["model"]["a"]))

    with CheckpointWriter(SimpleNamespace(save=save)) as writer:  # type: ignore[arg-type]
        for number in (1.0, 2.0):
            clock.now += 10.0
            writer.save(partial(Checkpoint, {"model": {"a": torch.tensor(number)}}, {}), last=True)
    assert saved == [1.0, 2.0]


def test_a_checkpoint_that_is_no_regular_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c")  # to open it would wait for a writer
    with pytest.raises(OSError):
        load_checkpoint(tmp_path / "c")
