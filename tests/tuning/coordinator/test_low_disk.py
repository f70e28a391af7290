"""A disk that fills up while trials run: those end, and no other begins."""

from __future__ import annotations

import errno
import shutil
from types import SimpleNamespace

import pytest
from closed_form_trials import fold_score
from simulated_workers import Work
from study_helpers import coordinator, memory_study, settings_of, states, training

from distune.errors import DataError
from distune.tuning.coordinator.proposals import FoldProposals, JointProposals
from distune.tuning.coordinator.retention import Retention


def training_by_folds(task):
    total = 0.0
    for number in range(1, task.config["data"]["fold"]["of"] + 1):
        total += fold_score(task.config, number)
        yield Work(10.0, f"fold {number} student", 1, total / number)
        yield Work(1.0, "fold", number, total / number)


@pytest.fixture(params=["ordinary", "folds"])
def world(request, tmp_path, monkeypatch):
    """A study on a disk with `free` bytes, and a way to run coordinators on it."""
    by_folds = request.param == "folds"
    settings = settings_of(folds=3, pruner="none") if by_folds else settings_of(pruner="none")
    proposals = FoldProposals(settings) if by_folds else JointProposals(settings)
    world = SimpleNamespace(free=10**12, script=training_by_folds if by_folds else training)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=world.free))

    def run(script, **options):
        retention = Retention(tmp_path / "trials", reserve_gb=options.pop("reserve_gb", 1.0))
        return coordinator(
            world.study, settings, tmp_path, script, proposals=proposals, retention=retention, **options
        ).run()

    world.study, world.run = memory_study(settings), run
    return world


def test_running_trials_end_and_the_study_resumes_when_there_is_room_again(world):
    def filling(task):
        for done, work in enumerate(world.script(task)):
            if task.number == 1 and done == 2:
                world.free = 10**8
            yield work

    assert world.run(filling, n_trials=6, workers=2) == "low_disk"
    assert states(world.study) == {"COMPLETE": 2}
    assert world.run(world.script, n_trials=6) == "low_disk"
    assert states(world.study) == {"COMPLETE": 2}
    world.free = 10**12
    assert world.run(world.script, n_trials=6) == "finished"
    assert states(world.study) == {"COMPLETE": 6}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "checkpoint.safetensors"), "low_disk"),
        (OSError(errno.EROFS, "Read-only file system", "checkpoint.safetensors"), "failed_alike"),
        (PermissionError(errno.EACCES, "Permission denied", "trials"), "failed_alike"),
        (DataError("data", ["there is no such folder"]), "failed_alike"),
    ],
    ids=["no space", "read-only", "no permission", "data gone"],
)
def test_a_trial_that_lacks_what_all_need_is_no_failure_and_is_resumed_with_the_study(world, error, reason):
    """The next ones would fail as well."""

    def without(task):
        if task.number == 1:
            raise error
        yield from world.script(task)

    assert world.run(without, n_trials=3) == reason
    assert states(world.study) == {"COMPLETE": 1, "WAITING": 1}
    assert world.run(world.script, n_trials=3) == "finished"
    assert states(world.study) == {"COMPLETE": 3}


def test_data_that_are_too_few_for_one_trial_alone_stop_no_study_twice(world):
    def too_few(task):
        if task.number == 1:
            raise DataError("data", ["too few for these values"])
        yield from world.script(task)

    assert world.run(too_few, n_trials=3) == "failed_alike"
    assert world.run(too_few, n_trials=3) == "finished"
    assert states(world.study) == {"COMPLETE": 3, "FAIL": 1}


def test_room_for_one_more_trial_is_enough(world):
    world.free = 6_000

    def with_weights(task):
        task.path.mkdir(parents=True)
        (task.path / "student.bin").write_bytes(b"0" * 4_000)
        yield from world.script(task)

    assert world.run(with_weights, n_trials=3, reserve_gb=0.0) == "finished"


def test_the_checkpoints_of_a_running_trial_count(world):
    """They are gone when it ends, and the next trial needs as much."""
    world.free = 9_000

    def with_checkpoint(task):
        checkpoint = task.path / "fold_1" / "checkpoint_student.safetensors"
        checkpoint.parent.mkdir(parents=True)
        checkpoint.write_bytes(b"0" * 10_000)
        yield from world.script(task)
        checkpoint.unlink()

    assert world.run(with_checkpoint, n_trials=3, reserve_gb=0.0) == "low_disk"
    assert states(world.study) == {"COMPLETE": 1}


@pytest.mark.slow
def test_every_active_trial_has_its_room(world):
    """Four may run on this disk only as far as each of them can grow to the biggest."""
    at_once = []

    def watched(task):
        folder = task.path / "fold_1"
        folder.mkdir(parents=True)
        (folder / "checkpoint_student.safetensors").write_bytes(b"0" * 10_000)
        at_once.append(task.number)
        most.append(len(at_once))
        yield from world.script(task)
        at_once.remove(task.number)

    most = []
    world.free = 25_000
    world.run(watched, n_trials=6, workers=1, reserve_gb=0.0)
    most.clear()
    world.run(watched, n_trials=14, workers=4, reserve_gb=0.0)
    assert max(most) == 2
