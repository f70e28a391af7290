"""What a trial cost is recorded however it ended, over all its attempts."""

from __future__ import annotations

import pytest
from optuna.trial import TrialState
from simulated_workers import Work, WorkerDied
from study_helpers import coordinator, settings_of, sqlite_study

from distune.tuning.summary import write_summary

pytestmark = pytest.mark.slow

SMALL, BIG = 100.0, 900.0


def epochs(memory, last=4):
    yield Work(10.0, "teacher", 1, 0.5, memory)
    for epoch in range(1, last + 1):
        yield Work(10.0, "student", epoch, 0.5, memory)


def cost_of(trial):
    known = trial.user_attrs
    return trial.state, known["seconds"], known["stage_seconds"], known["peak_memory_mb"], known["device"]


class World:
    """A study of one trial, or of two where the first fails, and coordinators one after the other."""

    def __init__(self, folder):
        self.folder, self.settings, self.interruptions = folder, settings_of(), 0
        self.study = sqlite_study(folder, self.settings)

    def run(self, script, **options):
        again = sqlite_study(self.folder, self.settings)
        coordinator(
            again,
            self.settings,
            self.folder,
            script,
            n_trials=1,
            interrupted=lambda: self.interruptions,
            **options,
        ).run()
        return self.study.trials[0]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.mark.parametrize("error", [RuntimeError("the roof fell in"), MemoryError("too big")])
def test_a_failed_trial_keeps_what_it_cost(world, error):
    def fails(task):
        yield from epochs(SMALL, last=2 if task.number == 0 else 4)
        if task.number == 0:
            raise error

    trial = world.run(fails)
    assert cost_of(trial) == (TrialState.FAIL, 30.0, {"teacher": 10.0, "student": 20.0}, SMALL, "virtual")


def test_the_summary_counts_the_memory_and_the_device_of_failed_trials(world, tmp_path):
    def fails_alone(task):
        yield from epochs(BIG)
        raise RuntimeError("the roof fell in")

    world.run(fails_alone)
    machine = write_summary(world.study, tmp_path)["machine"]
    assert (machine["peak_memory_mb"], machine["devices"]) == (BIG, ["virtual"])


def test_what_nobody_saw_of_a_failed_trial_is_left_out(world):
    def dies(task):
        if task.number == 0:
            raise WorkerDied
        yield from epochs(SMALL)

    trial = world.run(dies)
    assert trial.state == TrialState.FAIL and trial.user_attrs["seconds"] == 0.0
    assert not {"stage_seconds", "peak_memory_mb", "peak_device_mb", "device"} & trial.user_attrs.keys()


@pytest.mark.parametrize(
    ("ends", "told"),
    [(MemoryError("too big"), {"teacher": 10.0, "student": 20.0}), (WorkerDied(), {})],
    ids=["out of memory", "lost"],
)
def test_a_trial_that_is_tried_again_cost_the_sum_of_its_attempts_and_the_highest_peak(world, ends, told):
    """A lost worker cannot say how its seconds fall to the stages."""

    def ends_once(task):
        yield from epochs(BIG if task.attempt == 1 else SMALL, last=2 if task.attempt == 1 else 4)
        if task.attempt == 1:
            raise ends

    trial = world.run(ends_once, on_oom="retry")
    stages = {"teacher": 10.0 + told.get("teacher", 0.0), "student": 40.0 + told.get("student", 0.0)}
    assert cost_of(trial) == (TrialState.COMPLETE, 30.0 + 50.0, stages, BIG, "virtual")


@pytest.mark.parametrize(
    ("interruptions", "told"), [(1, {"teacher": 10.0, "student": 20.0}), (2, {})], ids=["in order", "at once"]
)
def test_a_trial_that_is_resumed_elsewhere_keeps_what_it_cost_before(world, interruptions, told):
    """A worker that is ended at once tells nothing; its coordinator still has looked at the clock."""

    def interrupting(task):
        for work in epochs(BIG):
            yield work
            if (work.stage, work.epoch) == ("student", 1):
                world.interruptions = interruptions

    trial = world.run(interrupting)
    assert trial.state == TrialState.WAITING
    before = trial.user_attrs["seconds"]
    assert before == (30.0 if interruptions == 1 else 20.0)
    assert trial.user_attrs.get("stage_seconds", {}) == told
    world.interruptions = 0
    trial = world.run(lambda task: epochs(SMALL))
    stages = {"teacher": 10.0 + told.get("teacher", 0.0), "student": 40.0 + told.get("student", 0.0)}
    assert cost_of(trial) == (TrialState.COMPLETE, before + 50.0, stages, BIG if told else SMALL, "virtual")
