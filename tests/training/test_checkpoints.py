"""What a run resumes from, and what it leaves alone."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from run_files import Calls, read_metrics

from distune.config import Config
from distune.store import Store
from distune.training.callbacks import EpochRecord
from distune.training.files import checkpoint as checkpoint_module
from distune.training.files.checkpoint import Checkpoint, CheckpointFile, CheckpointWriter, save_checkpoint
from distune.training.run import run

pytestmark = pytest.mark.slow

MakeConfig = Callable[..., Config]
TEACHER, STUDENT = [("teacher", 1), ("teacher", 2)], [("student", 1), ("student", 2), ("student", 3)]


def stopped(config: Config, folder: Path, after: tuple[str, int]) -> None:
    """A run that was interrupted after an epoch."""
    with Store(folder.parent / "cache_of_the_first") as store:
        run(config, folder, callback=Calls(lambda one: (one.stage, one.epoch) != after), store=store)


def broken_off_after_the_last_epoch(config: Config, folder: Path, store: Store) -> None:
    """A run that ended when it came to write its first predictions."""
    in_the_way = folder / "predictions_dev.csv"

    def put_in_the_way(record: EpochRecord) -> bool:
        if (record.stage, record.epoch) != STUDENT[-1]:
            return True
        in_the_way.mkdir()
        return False  # leaves a checkpoint

    with pytest.raises(IsADirectoryError):
        run(config, folder, callback=Calls(put_in_the_way), store=store)
    in_the_way.rmdir()


def numbers(folder: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in line.items() if k != "seconds"} for line in read_metrics(folder)]


def other_data(root: Path, folder: Path) -> str:
    """The data set without its last train example."""
    copy = shutil.copytree(root, folder)
    described = next(copy.glob("splitted_dataset/descriptions_train*"))
    described.write_text("\n".join(described.read_text().splitlines()[:-1]) + "\n")
    return str(copy)


@pytest.fixture(scope="module")
def interrupted(
    tiny_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[tuple[str, int], Path], Path]:
    """Puts what a run left that was stopped after an epoch into a folder; gives the store that it used.

    Each is trained once; tests must not change the store.
    """
    made: dict[tuple[str, int], Path] = {}

    def give(after: tuple[str, int], folder: Path) -> Path:
        if after not in made:
            made[after] = tmp_path_factory.mktemp("interrupted")
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(checkpoint_module, "EVERY_SECONDS", 0.0)
                stopped(tiny_config(), made[after] / "run", after)
        shutil.copytree(made[after] / "run", folder)
        return made[after] / "cache_of_the_first"

    return give


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Config], list[dict[str, Any]]]:
    """The epochs of a whole run of a config; each is trained once."""
    made: dict[str, list[dict[str, Any]]] = {}

    def give(config: Config) -> list[dict[str, Any]]:
        key = config.model_dump_json()
        if key not in made:
            folder = tmp_path_factory.mktemp("whole")
            run(config, folder / "run", store=Store(folder / "cache"))
            made[key] = numbers(folder / "run")
        return made[key]

    return give


@pytest.fixture(scope="module")
def other_root(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return other_data(demo_root, tmp_path_factory.mktemp("other") / "data")


@pytest.mark.parametrize("after", [("teacher", 1), ("student", 2)], ids=str)
@pytest.mark.parametrize(
    "changed",
    [
        {"student__lr": 1e-3},
        {"teacher__dropout": 0.3},
        {"distillation__T": 4.0},
        {"seed": 4},
        {"data__root": "other"},
        {"training__accumulation": 2},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_another_config_or_data_set_left_is_not_used(
    tiny_config: MakeConfig,
    interrupted: Callable[[tuple[str, int], Path], Path],
    uninterrupted: Callable[[Config], list[dict[str, Any]]],
    other_root: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    after: tuple[str, int],
    changed: dict[str, Any],
) -> None:
    config = tiny_config(**({"data__root": other_root} if "data__root" in changed else changed))
    interrupted(after, tmp_path / "used")
    run(config, tmp_path / "used", store=Store(tmp_path / "cache"))
    assert numbers(tmp_path / "used") == uninterrupted(config)
    the_same_teacher = after[0] == "teacher" and changed.keys() & {"student__lr", "distillation__T"}
    assert ("starts over" in caplog.text) is not bool(the_same_teacher)


def test_threads_and_where_the_data_lie_do_not_matter(
    tiny_config: MakeConfig,
    interrupted: Callable[[tuple[str, int], Path], Path],
    demo_root: Path,
    tmp_path: Path,
    trained: list[tuple[str, int]],
) -> None:
    interrupted(("student", 2), tmp_path / "run")
    trained.clear()
    moved = shutil.copytree(demo_root, tmp_path / "moved")
    run(tiny_config(data__root=str(moved), training__threads=1), tmp_path / "run")
    assert trained == [*TEACHER, STUDENT[2]]  # the second run has another store, without the teacher


@pytest.mark.parametrize("content", [b"", b"\x10\x00\x00\x00\x00\x00\x00\x00{}", b"x" * 5000])
def test_unreadable_checkpoint_lets_its_stage_start_over(
    tiny_config: MakeConfig,
    interrupted: Callable[[tuple[str, int], Path], Path],
    tmp_path: Path,
    trained: list[tuple[str, int]],
    caplog: pytest.LogCaptureFixture,
    content: bytes,
) -> None:
    cache = interrupted(("student", 2), tmp_path / "run")
    (tmp_path / "run/checkpoint_student.safetensors").write_bytes(content)
    trained.clear()
    with Store(cache) as store:
        run(tiny_config(), tmp_path / "run", store=store)
    assert trained == STUDENT
    assert "cannot be read" in caplog.text


def test_a_run_that_broke_off_after_its_last_epoch_trains_none_again(
    tiny_config: MakeConfig,
    uninterrupted: Callable[[Config], list[dict[str, Any]]],
    tmp_path: Path,
    trained: list[tuple[str, int]],
) -> None:
    with Store(tmp_path / "cache_a") as store:
        broken_off_after_the_last_epoch(tiny_config(), tmp_path / "run", store)
        trained.clear()
        resumed = run(tiny_config(), tmp_path / "run", store=store)
    assert trained == []
    assert numbers(tmp_path / "run") == uninterrupted(tiny_config())
    assert resumed.score == max(epoch["dev_score"] for epoch in numbers(tmp_path / "run")[len(TEACHER) :])
    assert not list((tmp_path / "run").glob("checkpoint*"))


def test_a_run_stopped_at_its_last_epoch_ends_whole_also_where_it_only_replays(
    tiny_config: MakeConfig, tmp_path: Path
) -> None:
    def until_the_last(record: EpochRecord) -> bool:
        return (record.stage, record.epoch) != STUDENT[-1]

    with Store(tmp_path / "cache") as store:
        live = run(tiny_config(), tmp_path / "live", callback=Calls(until_the_last), store=store)
        broken_off_after_the_last_epoch(tiny_config(), tmp_path / "again", store)
        again = run(tiny_config(), tmp_path / "again", callback=Calls(until_the_last), store=store)
    assert not live.stopped and not again.stopped
    assert live.results["splits"] == again.results["splits"]


def test_run_that_starts_over_has_no_results_before_it_ends(tiny_config: MakeConfig, tmp_path: Path) -> None:
    run(tiny_config(), tmp_path / "run", open_test=True)
    (tmp_path / "run/evaluation.json").write_text("{}")
    left: list[set[str]] = []

    def look(record: EpochRecord) -> bool:
        left.append({path.name for path in (tmp_path / "run").iterdir()})
        return False

    run(tiny_config(student__lr=1e-3), tmp_path / "run", callback=Calls(look))
    assert left == [{"config.yaml", "environment.json", "metrics.jsonl"}]


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


def test_a_short_stage_leaves_no_checkpoint(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_module, "EVERY_SECONDS", 3600.0)
    stopped(tiny_config(), tmp_path / "run", ("student", 2))
    assert not list((tmp_path / "run").glob("*.safetensors"))


def _killed_while_it_saves(path: Path) -> None:
    os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
    CheckpointFile(path, "k").save(Checkpoint({"m": {"a": torch.ones(1000)}}, {"steps": 2}))


def test_drafts_of_killed_processes_count_as_weights_and_go_with_the_next_start(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path / "checkpoint_student.safetensors", "k")
    file.save(Checkpoint({"m": {"a": torch.zeros(1)}}, {"steps": 1}))
    process = multiprocessing.get_context("spawn").Process(target=_killed_while_it_saves, args=(file.path,))
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
