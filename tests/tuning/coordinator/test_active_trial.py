"""What a coordinator knows of a trial that it runs: its attempts, its cost, and the micro-batches of a retry."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from distune.training.cost import Cost
from distune.tuning.coordinator.active_trial import TAKEN_OVER, ActiveTrial
from distune.tuning.coordinator.epoch_reports import EpochReports
from distune.tuning.trials.messages import EpochReported, TrialOutcome


def active(**known):
    trial = SimpleNamespace(number=3, user_attrs=known)
    return ActiveTrial.of(trial, {"alpha": 0.7}, {"distillation.alpha": 0.7}, Path("t"), {1: 0.5})


def test_an_attempt_costs_what_the_clock_says_or_its_stages_where_they_took_longer():
    one = active(seconds=10.0, stage_seconds={"teacher": 4.0})
    one.began = 100.0
    one.end_attempt(130.0, Cost({"student": 3.0}))
    assert one.spending() == {"seconds": 40.0, "stage_seconds": {"teacher": 4.0, "student": 3.0}}
    lost = active(stage_seconds={"teacher": 4.0, "student": 3.0})
    assert lost.spending()["seconds"] == 7.0, "the clock of a killed coordinator is lost"


def test_attempts_without_a_new_epoch_are_counted_in_a_row():
    one = active()
    for stalled in (1, 2):
        one.end_attempt(0.0, Cost())
        assert one.stalled == stalled
    one.progressed(EpochReported(3, "student", 1, 0.5))
    assert one.stalled == 0
    one.end_attempt(0.0, Cost())
    one.progressed(EpochReported(3, "student", 1, 0.5))
    assert one.stalled == 1, "an epoch that is only reported again is no progress"
    one.progressed(EpochReported(3, "teacher", 1, 0.5))
    assert one.stalled == 0, "the same epoch of another stage is"


def test_a_worker_gets_the_attempt_and_the_data_that_are_meant():
    one = active(attempts=2)
    one.config, one.dataset = {"seed": 1}, "sha256:7"
    one.begin()
    task = one.task()
    assert (task.number, task.config, task.folder, task.attempt) == (3, {"seed": 1}, "t", 3)
    assert task.dataset == "sha256:7"


@pytest.mark.parametrize(("known", "attempt"), [({}, 0), ({"attempts": 2}, 2)])
def test_an_interrupted_trial_keeps_its_attempts_and_overrides(known, attempt):
    one = active(overrides={"training.accumulation": 4}, smaller=True, **known)
    assert one.attempt == attempt and one.is_smaller
    assert one.overrides == {"distillation.alpha": 0.7, "training.accumulation": 4}
    drawn = {"training.accumulation": 2}
    again = ActiveTrial.of(one.trial, {}, drawn, Path("t"), {})
    assert again.overrides == {"training.accumulation": 4}, "not as it was drawn"


def test_a_retry_with_smaller_parts_is_another_run():
    one = active()
    one.config = {"training": {"accumulation": 3}}
    one.with_teacher_score(EpochReported(3, "teacher", 1, 0.6))
    one.progressed(EpochReported(3, "student", 1, 0.5))
    values = one.shrink_micro_batches()
    assert one.overrides["training.accumulation"] == 6 and values["smaller"] is True
    assert (one.scores, one.teacher_scores, values["teacher_scores"]) == ({}, {}, {})
    one.end_attempt(0.0, Cost())
    one.progressed(EpochReported(3, "student", 1, 0.5))
    assert (one.stalled, one.is_smaller) == (0, True), "its first epoch is progress; it is made smaller once"


def test_a_trial_that_is_taken_up_again_has_what_it_had():
    one = active(
        attempts=2, seconds=10.0, stage_seconds={"teacher": 4.0}, peak_memory_mb=5.0, peak_device_mb=6.0,
        device="cpu", teacher_scores={"1": 0.25, "2": 0.5},
    )  # fmt: skip
    assert (one.scores, one.teacher_scores, one.attempt, one.seconds) == (
        {1: 0.5},
        {1: 0.25, 2: 0.5},
        2,
        10.0,
    )
    assert one.cost == Cost({"teacher": 4.0}, 5.0, 6.0, "cpu") and not one.is_smaller
    assert one.spending() == {
        "seconds": 10.0, "stage_seconds": {"teacher": 4.0}, "peak_memory_mb": 5.0, "peak_device_mb": 6.0,
        "device": "cpu",
    }  # fmt: skip
    assert active().spending() == {"seconds": 0.0}, "what was not measured is left out"


@pytest.mark.parametrize(("number", "is_base"), [(0, True), (3, False)])
def test_what_a_trial_is_begun_with(number, is_base):
    trial = SimpleNamespace(number=number, user_attrs={})
    one = ActiveTrial.of(trial, {"alpha": 0.7}, {"distillation.alpha": 0.7}, Path("t"), {})
    opening = {"overrides": {"distillation.alpha": 0.7}, "folder": "t"}
    base = {"baseline": True, "fixed_params": {"alpha": 0.7}}
    assert one.opening() == (opening | base if is_base else opening)
    one.config, one.stop_reason, one.began = {"seed": 1}, "stopped", 5.0
    one.begin()
    assert (one.attempt, one.stop_reason, one.began) == (1, "", None)
    task = one.task()
    assert (task.number, task.config, task.folder, task.attempt) == (number, {"seed": 1}, "t", 1)


def test_a_trial_keeps_the_start_of_its_first_attempt_and_says_how_it_ended():
    one = active(started="2026-01-02T03:04:05+00:00")
    one.attempt = 2
    assert one.started("w") == {"worker": "w", "attempts": 2, "started": "2026-01-02T03:04:05+00:00"}
    now = datetime.fromisoformat(active().started("w")["started"])
    assert now.tzinfo is not None and abs((now - datetime.now().astimezone()).total_seconds()) < 60
    one.scores = {1: 0.5, 7: 0.6}
    closed = one.closing(TrialOutcome("complete", 0.6, best_epoch=2, extra={"cache_hits": 3}))
    assert closed.pop("finished") > "2026-01-02"
    assert closed == {"seconds": 0.0, "best_epoch": 2, "epochs_done": 7, "cache_hits": 3}
    one.scores = {}
    assert one.closing(TrialOutcome("pruned"))["epochs_done"] == 0


def test_the_clock_of_an_attempt_counts_once():
    one = active()
    one.began = 100.0
    one.end_attempt(130.0, Cost())
    one.end_attempt(190.0, Cost())
    assert one.seconds == 30.0 and one.stalled == 2
    one.stalled, one.is_smaller = 3, True
    one.end_attempt(0.0, Cost())
    assert (one.stalled, one.is_smaller) == (4, True)
    one.stop_reason = TAKEN_OVER
    assert one.is_taken_over


def reports(stage="student", prunes=True, prune_teacher=False):
    """Those of a study of three epochs, and what they wrote into it."""
    wrote = []
    ledger = SimpleNamespace(
        report=lambda trial, epoch, score: wrote.append((epoch, score)),
        note=lambda trial, values: wrote.append(values),
        should_prune=lambda trial: wrote.append("asked") or prunes,
    )
    proposals = SimpleNamespace(stage=stage, epochs=lambda config: 3)
    return EpochReports(ledger, proposals, prune_teacher), wrote


@pytest.mark.parametrize(
    ("stage", "epoch", "prunes", "wrote"),
    [
        ("student", 2, True, [(2, 0.7), "asked"]),
        ("student", 3, False, [(3, 0.7)]),  # the last one: nothing is left to save
        ("student", 1, True, ["asked"]),  # known already: a resumed attempt reports it again
        ("teacher", 2, False, []),
        ("fold", 2, False, []),
    ],
)
def test_which_epochs_are_written_and_asked_about(stage, epoch, prunes, wrote):
    found, written = reports()
    one = active()
    assert bool(found.should_prune(one, EpochReported(3, stage, epoch, 0.7), [])) is prunes
    assert written == wrote and one.scores[1] == 0.5


def test_an_epoch_that_is_reported_again_prunes_nothing_before_the_last_one_known():
    found, written = reports()
    one = active()
    one.scores = {1: 0.5, 2: 0.6}
    assert not found.should_prune(one, EpochReported(3, "student", 1, 0.9), []) and written == []
    assert found.should_prune(one, EpochReported(3, "student", 2, 0.9), []) and one.scores == {1: 0.5, 2: 0.6}


@pytest.mark.parametrize("is_asked", [True, False])
def test_a_teacher_is_compared_with_earlier_ones_where_that_is_asked_for(is_asked):
    earlier = [SimpleNamespace(number=number, state=None, user_attrs={"teacher_scores": {"1": 0.5, "2": 0.5}})
               for number in (0, 1, 2, 5, 6)]  # fmt: skip
    enough = [
        SimpleNamespace(number=number, state=None, user_attrs=earlier[0].user_attrs) for number in range(5)
    ]
    found, written = reports(prune_teacher=is_asked)
    one = active()
    one.trial.number = 9
    for epoch, prunes in ((1, False), (2, is_asked)):
        event = EpochReported(9, "teacher", epoch, 0.1)
        assert found.should_prune(one, event, enough) is prunes
    assert written == (
        [{"teacher_scores": {"1": 0.1}}, {"teacher_scores": {"1": 0.1, "2": 0.1}}] if is_asked else []
    )
    assert not found.should_prune(one, EpochReported(3, "teacher", 2, 0.1), earlier[3:] + earlier[:3])
    one.teacher_scores = {1: 0.1, 2: 0.1, 3: 0.1}
    assert not found.should_prune(one, EpochReported(9, "teacher", 2, 0.1), enough), (
        "an epoch that was reported before"
    )
