"""What a coordinator knows of a trial that it runs: its attempts, its cost, and the micro-batches of a retry."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from distune.training.cost import Cost
from distune.tuning.coordinator.active_trial import ActiveTrial
from distune.tuning.trials.messages import EpochReported


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
        assert one.attempts.stalled == stalled
    one.progressed(EpochReported(3, "student", 1, 0.5))
    assert one.attempts.stalled == 0
    one.end_attempt(0.0, Cost())
    one.progressed(EpochReported(3, "student", 1, 0.5))
    assert one.attempts.stalled == 1, "an epoch that is only reported again is no progress"


@pytest.mark.parametrize(("known", "attempt"), [({}, 0), ({"attempts": 2}, 2)])
def test_an_interrupted_trial_keeps_its_attempts_and_overrides(known, attempt):
    one = active(overrides={"training.accumulation": 4}, smaller=True, **known)
    assert one.attempt == attempt and one.attempts.smaller
    assert one.overrides == {"distillation.alpha": 0.7, "training.accumulation": 4}


def test_a_retry_with_smaller_parts_is_another_run():
    one = active()
    one.config = {"training": {"accumulation": 3}}
    one.with_teacher_score(EpochReported(3, "teacher", 1, 0.6))
    values = one.shrink_micro_batches()
    assert one.overrides["training.accumulation"] == 6 and values["smaller"] is True
    assert (one.scores, one.teacher_scores, values["teacher_scores"]) == ({}, {}, {})
    one.end_attempt(0.0, Cost())
    one.progressed(EpochReported(3, "student", 1, 0.5))
    assert one.attempts.smaller, "it is retried with smaller parts once"
