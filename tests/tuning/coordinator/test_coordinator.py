from __future__ import annotations

import logging
import math
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from closed_form_trials import final_score, score_at
from optuna.trial import TrialState, create_trial
from simulated_workers import SimulatedExecutor, Work, WorkerDied
from study_helpers import (
    base_config,
    coordinator,
    memory_study,
    points,
    settings_of,
    sqlite_study,
    states,
    training,
)

from distune.config import parse_config
from distune.tuning.coordinator.leases import Lease, leases
from distune.tuning.coordinator.proposals import JointProposals
from distune.tuning.coordinator.retention import Retention
from distune.tuning.trials.messages import TrialStarted


def by_number(behaviours, ordinary=training):
    """Trials that behave badly by number, the others well."""

    def script(task):
        behaviour = behaviours.get(task.number)
        if callable(behaviour):
            yield from behaviour(task)
        elif behaviour is not None:
            raise behaviour
        yield from ordinary(task)

    return script


@pytest.fixture
def world(tmp_path):
    """A study in memory and a way to run coordinators on it."""
    settings = settings_of()
    study = memory_study(settings)

    def run(script=training, **options):
        return coordinator(study, settings, tmp_path, script, **options).run()

    return SimpleNamespace(study=study, settings=settings, run=run, folder=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3, 64])
def test_a_study_has_exactly_the_trials_that_were_asked_for(world, workers):
    assert world.run(n_trials=20, workers=workers) == "finished"
    found = states(world.study)
    assert sum(found.values()) == 20 and set(found) <= {"COMPLETE", "PRUNED"}
    assert world.run(n_trials=20) == "finished"
    assert len(world.study.trials) == 20
    assert world.run(n_trials=23, workers=2) == "finished"
    assert len(world.study.trials) == 23


def test_trials_run_to_their_end_where_a_coordinator_that_asks_for_more_has_ended_enough_meanwhile(world):
    def overtaken(task):
        yield Work(10.0, "teacher", 1, 0.5)
        for _ in range(2):
            world.study.add_trial(create_trial(value=0.5, user_attrs={"overrides": {}}))

    assert world.run(by_number({0: overtaken}), n_trials=2, workers=2) == "finished"
    assert states(world.study) == {"COMPLETE": 4}


def test_values_of_another_program_that_the_space_cannot_hold_fail_their_trial_alone(world):
    world.run(n_trials=1)
    world.study.enqueue_trial({"alpha": "x"})
    assert world.run(n_trials=3) == "finished"
    assert states(world.study) == {"COMPLETE": 3, "FAIL": 1}
    assert world.study.trials[1].user_attrs["failure_kind"] == "config"


@pytest.mark.slow
def test_every_score_is_the_one_of_its_parameters(world):
    world.run(n_trials=12, workers=4)
    for trial in world.study.trials:
        config = world.settings.base.model_dump()
        for key, value in trial.user_attrs["overrides"].items():
            section, leaf = key.split(".")
            config[section][leaf] = value
        if trial.state == TrialState.COMPLETE:
            assert trial.value == pytest.approx(score_at(config, 4))
        assert trial.intermediate_values[1] == pytest.approx(score_at(config, 1))


def test_trial_0_is_the_base_config(world):
    world.run(n_trials=3, workers=3)
    first = world.study.trials[0]
    assert first.user_attrs["baseline"] is True and first.user_attrs["overrides"] == {}
    assert first.params == world.settings.space.base_values(world.settings.base)
    assert first.value == pytest.approx(final_score(world.settings.base.model_dump()) * (1 - 0.5**4))
    assert not any("baseline" in trial.user_attrs for trial in world.study.trials[1:])


def test_the_pruner_hears_student_epochs_only_and_never_the_last_one(world):
    heard = []

    class Pruner:
        def prune(self, study, trial):
            heard.append((trial.number, trial.last_step))
            return trial.number == 2 and trial.last_step == 3

    world.study.pruner = Pruner()
    world.run(n_trials=3)
    assert heard == [(n, epoch) for n in range(3) for epoch in (1, 2, 3)]
    assert [trial.state.name for trial in world.study.trials] == ["COMPLETE", "COMPLETE", "PRUNED"]
    pruned = world.study.trials[2]
    assert list(pruned.intermediate_values) == [1, 2, 3]
    assert pruned.value == pruned.intermediate_values[3]
    assert pruned.user_attrs["epochs_done"] == 3


@pytest.mark.slow
def test_median_pruning_stops_bad_trials_and_saves_their_epochs(world):
    world.run(n_trials=30)
    pruned = [trial for trial in world.study.trials if trial.state == TrialState.PRUNED]
    complete = [trial for trial in world.study.trials if trial.state == TrialState.COMPLETE]
    assert len(pruned) >= 3 and all(trial.number >= 5 for trial in pruned)
    assert all(2 <= len(trial.intermediate_values) < 4 for trial in pruned)
    assert {trial.user_attrs["seconds"] for trial in complete} == {50.0}
    assert all(trial.user_attrs["seconds"] < 50.0 for trial in pruned)


def test_what_a_trial_cost_is_recorded(world):
    world.run(n_trials=2)
    known = world.study.trials[1].user_attrs
    assert (known["seconds"], known["device"]) == (50.0, "virtual")
    assert known["stage_seconds"] == {"teacher": 10.0, "student": 40.0}
    assert (known["attempts"], known["worker"], known["epochs_done"]) == (1, "virtual-0", 4)
    assert known["folder"] == str(world.folder / "trials" / "trial_0001")
    assert known["started"] <= known["finished"]


def test_a_failed_trial_has_no_value_and_is_replaced(world):
    bad = {
        1: RuntimeError("the roof fell in"),
        3: MemoryError("none left"),
        4: FloatingPointError("the loss is nan"),
    }
    assert world.run(by_number(bad), n_trials=5) == "finished"
    assert states(world.study) == {"COMPLETE": 5, "FAIL": 3}
    failed = {t.number: t for t in world.study.trials if t.state == TrialState.FAIL}
    kinds = {number: trial.user_attrs["failure_kind"] for number, trial in failed.items()}
    assert kinds == {1: "crash", 3: "out_of_memory", 4: "not_finite"}
    assert failed[1].user_attrs["failure_message"] == "the roof fell in"
    assert "RuntimeError" in failed[1].user_attrs["failure_output"]
    assert all(trial.value is None for trial in failed.values())


def test_a_score_that_is_not_finite_is_a_failure(world):
    def infinite(task):
        yield Work(1.0, "student", 1, math.inf)

    world.run(by_number({1: infinite}), n_trials=2)
    assert world.study.trials[1].user_attrs["failure_kind"] == "not_finite"
    assert world.study.trials[1].intermediate_values == {}


def test_a_study_whose_first_three_trials_fail_alike_ends(world):
    bad = dict.fromkeys(range(9), RuntimeError("no CUDA device 3"))
    one = coordinator(world.study, world.settings, world.folder, by_number(bad), n_trials=5)
    assert one.run() == "failed_alike"
    assert states(world.study) == {"FAIL": 3}
    assert one.failure is not None and one.failure.message == "no CUDA device 3"
    assert world.run(n_trials=5) == "finished", "the same study continues once the fault is gone"
    assert states(world.study) == {"COMPLETE": 5, "FAIL": 3}


def test_three_different_failures_do_not_end_a_study(world):
    bad = {0: RuntimeError("a"), 1: ValueError("b"), 2: RuntimeError("c"), 3: RuntimeError("a")}
    assert world.run(by_number(bad), n_trials=4) == "finished"


@pytest.mark.slow
def test_a_finished_trial_ends_a_row_of_failures(world):
    """Nineteen failures alike before it and nineteen after it are no row of twenty."""
    fails = {number: RuntimeError("out of luck") for number in range(1, 40) if number != 20}
    one = coordinator(world.study, world.settings, world.folder, by_number(fails), n_trials=3)
    assert one.run() == "finished" and one.failure is None
    assert states(world.study) == {"COMPLETE": 3, "FAIL": 38}
    in_a_row = {number: RuntimeError("out of luck") for number in range(41, 80)}
    other = coordinator(world.study, world.settings, world.folder, by_number(in_a_row), n_trials=9)
    assert other.run() == "failed_alike" and states(world.study)["FAIL"] == 38 + 20


def test_a_verdict_stands_when_another_failure_comes_with_it(world):
    """Four workers: the fourth, different failure is in the same batch as the three that are alike."""
    bad = {0: RuntimeError("a"), 1: RuntimeError("a"), 2: RuntimeError("a"), 3: ValueError("b")}

    class AtOnce(SimulatedExecutor):
        def wait(self, seconds):
            events = super().wait(seconds)
            while more := super().wait(0.0):
                events += more
            return events

    one = coordinator(
        world.study, world.settings, world.folder, AtOnce(by_number(bad), workers=4), n_trials=9
    )
    assert one.run() == "failed_alike"
    assert one.failure is not None and one.failure.message == "a"
    assert states(world.study) == {"FAIL": 4}


def test_a_killed_worker_s_trial_is_repeated_until_it_is_done(world):
    def dies_five_times(task):
        if task.attempt <= 5:
            yield Work(5.0, "teacher", 1, 0.5)
            raise WorkerDied

    assert world.run(by_number({1: dies_five_times}), n_trials=3) == "finished"
    assert states(world.study) == {"COMPLETE": 3}
    assert world.study.trials[1].user_attrs["attempts"] == 6


def test_a_trial_whose_worker_always_dies_is_given_up(world):
    def dies(task):
        if task.number == 1:
            raise WorkerDied
        yield from training(task)

    assert world.run(dies, n_trials=3) == "finished"
    failed = world.study.trials[1]
    assert (failed.user_attrs["failure_kind"], failed.user_attrs["attempts"]) == ("preempted", 20)


def test_new_epochs_between_deaths_count_as_progress(world):
    """A long trial on machines that are taken away again and again gets done."""

    def one_epoch_a_life(task):
        yield Work(5.0, "student", min(task.attempt, 30), 0.5 + task.attempt / 1000)
        if task.attempt < 30:
            raise WorkerDied

    settings = settings_of(base_config(student__epochs=30), pruner="none")
    study = memory_study(settings)
    script = by_number({1: one_epoch_a_life}, ordinary=lambda task: iter([Work(1.0, "student", 1, 0.1)]))
    assert coordinator(study, settings, world.folder, script, n_trials=2).run() == "finished"
    assert study.trials[1].user_attrs["attempts"] == 30


@pytest.mark.parametrize("on_oom", ["fail", "retry"])
def test_out_of_memory_is_tried_once_with_smaller_parts_if_asked_for(world, on_oom):
    parts = []

    def needs_four_parts(task):
        parts.append(task.config["training"]["accumulation"])
        if task.number == 1 and parts[-1] < 2:
            raise MemoryError("too big")
        yield from training(task)

    world.run(needs_four_parts, n_trials=2, on_oom=on_oom)
    if on_oom == "fail":
        assert states(world.study) == {"COMPLETE": 2, "FAIL": 1} and parts == [1, 1, 1]
    else:
        assert states(world.study) == {"COMPLETE": 2} and parts == [1, 1, 2]
        assert world.study.trials[1].user_attrs["overrides"]["training.accumulation"] == 2


def test_out_of_memory_twice_is_a_failure(world):
    world.run(by_number({1: MemoryError("too big")}), n_trials=2, on_oom="retry")
    assert world.study.trials[1].user_attrs["failure_kind"] == "out_of_memory"
    assert world.study.trials[1].user_attrs["attempts"] == 2


@pytest.mark.slow
def test_values_that_break_the_config_together_fail_as_config(tmp_path):
    raw = {"teacher_fusion_heads": {"type": "categorical", "choices": [5, 7]}}
    base = base_config(search_space=raw)
    settings = settings_of(base)
    study = memory_study(settings)

    def validated(task):
        parse_config(task.config)
        yield from training(task)

    assert coordinator(study, settings, tmp_path, validated, n_trials=2).run() in ("finished", "failed_alike")
    failed = [trial for trial in study.trials if trial.state == TrialState.FAIL]
    assert failed and all(trial.user_attrs["failure_kind"] == "config" for trial in failed)
    assert "fusion_heads" in failed[0].user_attrs["failure_message"]


@pytest.mark.slow
def test_the_time_limit_stops_trials_at_their_next_epoch_and_they_resume_later(world):
    assert world.run(n_trials=9, workers=2, timeout=125.0) == "timeout"
    found = states(world.study)
    assert found == {"COMPLETE": 4, "WAITING": 2}
    waiting = [trial for trial in world.study.trials if trial.state == TrialState.WAITING]
    assert all(2 <= len(trial.intermediate_values) <= 3 for trial in waiting)
    spent = [trial.user_attrs["seconds"] for trial in waiting]
    assert world.run(n_trials=6) == "finished"
    assert states(world.study) == {"COMPLETE": 6}
    for before, trial in zip(spent, waiting, strict=True):
        after = world.study.trials[trial.number]
        assert after.params == trial.params
        assert after.user_attrs["attempts"] == 2
        assert after.user_attrs["seconds"] == before + 50.0


def test_an_interruption_waits_for_the_epoch_and_a_second_one_does_not(world):
    asked = {"times": 0}

    def interrupted():
        return asked["times"]

    def interrupting(task):
        for work in training(task):
            if (work.stage, work.epoch, task.number) == ("student", 2, 1):
                asked["times"] = 1
            yield work

    assert world.run(interrupting, n_trials=3, interrupted=interrupted) == "interrupted"
    assert states(world.study) == {"COMPLETE": 1, "WAITING": 1}
    assert list(world.study.trials[1].intermediate_values) == [1, 2]
    asked["times"] = 2
    assert world.run(n_trials=3, interrupted=interrupted) == "interrupted"
    assert states(world.study) == {"COMPLETE": 1, "WAITING": 1}
    asked["times"] = 0
    assert world.run(n_trials=3) == "finished"
    assert points(world.study)[1:2] and states(world.study) == {"COMPLETE": 3}


@pytest.mark.slow
def test_an_epoch_that_is_trained_again_is_not_evaluated_again(world):
    """An attempt may go over known epochs; the pruner's earlier answers stand, the open one is given again."""
    heard = []

    class Pruner:
        def prune(self, study, trial):
            heard.append(trial.last_step)
            return False

    world.study.pruner = Pruner()

    def dies_after_three(task):
        for work in training(task):
            yield work
            if work.epoch == 3 and task.attempt == 1:
                raise WorkerDied

    world.run(dies_after_three, n_trials=1)
    assert heard == [1, 2, 3, 3]
    assert list(world.study.trials[0].intermediate_values) == [1, 2, 3, 4]


def test_low_disk_ends_the_study_before_anything_breaks(world):
    full = Retention(world.folder / "full", reserve_gb=1e9)
    assert world.run(n_trials=3, retention=full) == "low_disk"
    assert states(world.study) == {}
    assert world.run(n_trials=3) == "finished"


@pytest.mark.slow
def test_a_dead_coordinator_s_trials_are_taken_over(tmp_path):
    settings = settings_of()
    study = sqlite_study(tmp_path, settings)
    dead = replace(Lease.new(2), pid=2**22 - 1, coordinator="dead")
    one = coordinator(study, settings, tmp_path, n_trials=5, lease=dead)
    for _ in range(2):
        one._take(one._ledger.ask())
    nameless = study.ask()
    study._storage.set_trial_param(nameless._trial_id, "alpha", 1.25, nameless_distribution(settings))
    assert states(study) == {"RUNNING": 3}
    before = points(study)
    again = sqlite_study(tmp_path, settings)
    assert coordinator(again, settings, tmp_path, n_trials=5).run() == "finished"
    assert states(again) == {"COMPLETE": 5}
    assert points(again)[:2] == before[:2]
    assert points(again)[2]["alpha"] == 1.25


def nameless_distribution(settings):
    from distune.tuning.coordinator.proposals import distribution

    return distribution(settings.space.parameters["alpha"])


@pytest.mark.slow
def test_a_living_coordinator_s_trials_are_left_alone(tmp_path):
    settings = settings_of()
    study = sqlite_study(tmp_path, settings)
    living = coordinator(study, settings, tmp_path, n_trials=3)
    living._take(living._ledger.ask())
    calls = []

    def give_up():
        calls.append(1)
        return 2 if len(calls) > 400 else 0

    other = sqlite_study(tmp_path, settings)
    assert coordinator(other, settings, tmp_path, n_trials=3, interrupted=give_up).run() == "interrupted"
    assert states(other) == {"COMPLETE": 2, "RUNNING": 1}
    assert other.trials[0].user_attrs["coordinator"] == living._ledger._owner


THIEF = {"coordinator": "thief", "worker": "thief-0", "failure_kind": "theirs"}


def takes_over(study, number, finishes):
    """What a coordinator does that takes this one for dead: it puts its name on the trial, and may end it."""
    trial_id = study.trials[number]._trial_id
    for key, value in THIEF.items():
        study._storage.set_trial_user_attr(trial_id, key, value)
    if finishes:
        study._storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.123])


def robbed(folder, at_epoch, finishes, fails=False, turns=400, **options):
    """A study of two trials, the first of which another coordinator takes over while it trains."""
    settings = settings_of()
    study = sqlite_study(folder, settings)
    thief = replace(Lease.new(1), coordinator="thief")
    study.set_user_attr("coordinator:thief", thief.__dict__)
    heard, stop = [], {"now": 0}

    def script(task):
        for work in training(task):
            heard.append((task.number, work.stage, work.epoch))
            yield work
            if task.number == 0 and (work.stage, work.epoch) == at_epoch:
                takes_over(study, 0, finishes)
                if fails:
                    raise RuntimeError("the roof fell in")
            stop["now"] = 2 if task.number == 1 and work.epoch == 4 else 0

    calls = []

    def give_up():
        calls.append(1)
        return 2 if len(calls) > turns else 0

    one = coordinator(study, settings, folder, script, n_trials=2, interrupted=give_up, **options)
    return one, study, heard


@pytest.mark.slow
@pytest.mark.parametrize("at_epoch", [("teacher", 1), ("student", 2), ("student", 4)])
def test_a_trial_that_another_coordinator_took_over_and_finished_is_left_to_it(tmp_path, caplog, at_epoch):
    one, study, heard = robbed(tmp_path, at_epoch, finishes=True)
    with caplog.at_level(logging.WARNING, logger="distune"):
        assert one.run() == "finished"
    assert "trial 0 was taken over" in caplog.text
    assert states(study) == {"COMPLETE": 2}
    assert study.trials[0].value == 0.123 and study.trials[0].user_attrs["worker"] == "thief-0"
    epochs = [epoch for number, stage, epoch in heard if number == 0 and stage == "student"]
    assert len(epochs) <= at_epoch[1] + 1, "its worker stopped at the next epoch"


@pytest.mark.slow
@pytest.mark.parametrize("fails", [False, True])
def test_a_result_of_a_trial_that_was_taken_over_is_dropped(tmp_path, caplog, fails):
    one, study, _ = robbed(tmp_path, ("student", 4), finishes=False, fails=fails)
    with caplog.at_level(logging.WARNING, logger="distune"):
        one.run()
    assert "taken over" in caplog.text
    trial = study.trials[0]
    assert trial.state == TrialState.RUNNING
    assert {key: trial.user_attrs[key] for key in THIEF} == THIEF
    assert "finished" not in trial.user_attrs and "failure_message" not in trial.user_attrs


@pytest.mark.slow
def test_a_beat_drops_the_trials_that_others_took_over(tmp_path, monkeypatch):
    monkeypatch.setattr("distune.tuning.coordinator.takeover.BEAT_SECONDS", 0.0)
    one, study, heard = robbed(tmp_path, ("teacher", 1), finishes=False, turns=100)  # each writes a lease
    one.run()
    assert [epoch for number, stage, epoch in heard if number == 0 and stage == "student"] == [1]
    assert study.trials[0].intermediate_values == {}
    assert {key: study.trials[0].user_attrs[key] for key in THIEF} == THIEF


@pytest.mark.slow
def test_the_lease_is_renewed_while_many_workers_get_their_trials(tmp_path):
    """With many workers the first trials take longer to draw than a lease lives."""
    settings = settings_of()
    study = sqlite_study(tmp_path, settings)
    clock = SimpleNamespace(now=0.0)
    silent = []

    class SlowProposals(JointProposals):
        def propose(self, study, trial):
            clock.now += 10.0
            (lease,) = leases(study.user_attrs).values()
            silent.append(clock.now - beats.setdefault(lease.beat, clock.now))
            return super().propose(study, trial)

    beats: dict[int, float] = {}
    coordinator(
        study, settings, tmp_path, n_trials=12, workers=12,
        proposals=SlowProposals(settings), clock=lambda: clock.now,
    ).run()  # fmt: skip
    assert clock.now >= 120.0 and max(silent) == 0.0, "a new beat before every slow draw"


@pytest.mark.slow
def test_two_coordinators_share_one_budget(tmp_path):
    """Interleaved turn by turn in one thread: both see old counts, the total is exact."""
    import threading

    settings = settings_of(pruner="none")
    sqlite_study(tmp_path, settings)
    reasons = []

    def work():
        study = sqlite_study(tmp_path, settings)
        one = coordinator(study, settings, tmp_path, n_trials=15, workers=4)
        reasons.append(one.run())

    threads = [threading.Thread(target=work) for _ in range(3)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    study = sqlite_study(tmp_path, settings)
    assert reasons == ["finished"] * 3
    found = states(study)
    assert found["COMPLETE"] == 15 and set(found) <= {"COMPLETE", "FAIL"}
    kinds = {t.user_attrs["failure_kind"] for t in study.trials if t.state == TrialState.FAIL}
    assert kinds <= {"surplus"}
    drawn = [tuple(t.params.values()) for t in study.trials if t.state == TrialState.COMPLETE]
    assert len(set(drawn)) == 15


@pytest.mark.slow
def test_64_virtual_workers_hardly_wait_for_the_coordinator(tmp_path, monkeypatch):
    cpu_time = SimpleNamespace(
        perf_counter=time.thread_time
    )  # a busy machine makes the coordinator no slower
    monkeypatch.setattr("simulated_workers.time", cpu_time)
    settings = settings_of(pruner="none")
    study = memory_study(settings)
    executor = SimulatedExecutor(training, workers=64, charge=True)
    assert coordinator(study, settings, tmp_path, executor, n_trials=150).run() == "finished"
    assert len(study.trials) == 150
    assert executor.worked == pytest.approx(150 * 50.0)
    assert executor.waited / (executor.worked + executor.waited) < 0.02


@pytest.mark.slow
def test_judging_an_epoch_reads_no_trial_again(tmp_path, monkeypatch):
    """With many workers, reading all running trials for every epoch of each would take most of its time."""
    settings = settings_of(base_config(student__epochs=20))
    study = sqlite_study(tmp_path, settings)
    reads = []
    read = study._storage.get_all_trials
    monkeypatch.setattr(study._storage, "get_all_trials", lambda *a, **k: reads.append(1) or read(*a, **k))
    coordinator(study, settings, tmp_path, n_trials=10, workers=5).run()
    assert len(reads) < 150, "a dozen a trial, none an epoch"
    assert sum(len(trial.intermediate_values) for trial in study.trials) > 120


class Deaf(SimulatedExecutor):
    """Hears of no trial, but of one that nobody knows, many times at once."""

    looked = 0

    def wait(self, seconds):
        self.looked += 1
        assert self.looked < 20, "asked to stop now, it goes on"
        return [TrialStarted(99, "worker")] * 5


def test_who_is_asked_twice_waits_for_no_epoch_and_renews_its_lease_among_events(tmp_path):
    settings = settings_of()
    study, executor = memory_study(settings), Deaf(training, workers=1)
    found = coordinator(study, settings, tmp_path, executor, interrupted=lambda: 2 * (executor.looked > 2))
    beats, renew = [], found._takeover.renew_if_due
    found._takeover.renew_if_due = lambda: beats.append(executor.looked) or renew()
    assert found.run() == "interrupted" and executor.looked == 3
    assert states(study) == {"WAITING": 1} and beats.count(3) >= 5


def test_a_time_limit_counts_from_the_coordinator_s_start(tmp_path):
    settings = settings_of()
    executor = SimulatedExecutor(training, workers=1)
    executor._skipped = 1000.0  # its clock shows anything
    assert coordinator(
        memory_study(settings), settings, tmp_path, executor, n_trials=1, timeout=500.0
    ).run() == ("finished")
