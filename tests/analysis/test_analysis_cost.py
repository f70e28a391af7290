"""Times against numbers computed by hand."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from distune.analysis.cost import Saving, Wall, cost
from distune.analysis.records.study_record import Session, StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.search_phases import Phase, parallelism_of

START = datetime(2025, 12, 16, 20, 31, 4)


def study_of(*trials: TrialRecord, **known: object) -> StudyRecord:
    return StudyRecord("s", "maximize", tuple(trials), {}, "distributions", **known)  # type: ignore[arg-type]


def timed(number: int, state: str, minutes: float | None, **known: object) -> TrialRecord:
    seconds = None if minutes is None else 60 * minutes
    return TrialRecord(number, state, seconds=seconds, **known)  # type: ignore[arg-type]


def test_the_reference_page_saved_23_percent_not_40() -> None:
    trials = [timed(n, "complete", 12) for n in range(18)] + [timed(n, "pruned", 5) for n in range(18, 30)]
    saving = cost(study_of(*trials)).saving
    assert isinstance(saving, Saving)
    assert saving.saved == 84 * 60
    assert saving.share(saving.saved) == pytest.approx(84 / 360)


def test_saving_by_mean_by_median_and_by_own_epochs() -> None:
    trials = [
        timed(0, "complete", 10),
        timed(1, "complete", 11),
        timed(2, "complete", 18),
        timed(3, "pruned", 4, stage_seconds={"student": 120.0}, intermediate={1: 0.1, 2: 0.2}),
        timed(4, "pruned", 6, stage_seconds={"student": 300.0}, intermediate=dict.fromkeys(range(5), 0.1)),
        timed(5, "failed", 100),
    ]
    saving = cost(study_of(*trials, student_epochs=10)).saving
    assert isinstance(saving, Saving)
    assert saving.saved == 60 * (2 * 13 - 10)
    assert saving.by_median == 60 * (2 * 11 - 10)
    assert saving.by_steps == 8 * 60 + 5 * 60
    assert saving.share(saving.saved) == pytest.approx(16 / (39 + 10 + 16))


def test_a_pruned_trial_without_a_time_has_saved_nothing() -> None:
    trials = [timed(0, "complete", 10), timed(1, "pruned", 4), timed(2, "pruned", None)]
    saving = cost(study_of(*trials)).saving
    assert isinstance(saving, Saving)
    assert (saving.saved, saving.by_median, saving.untimed) == (6 * 60, 6 * 60, 1)


def test_what_was_left_of_teachers_and_of_folds_is_counted_in_their_own_steps() -> None:
    """Ended after 2 of 5 epochs of the teacher, 60 s each; after 1 of 3 folds, 4 minutes long."""
    teachers = [
        timed(0, "complete", 10),
        timed(1, "pruned", 3, stage_seconds={"teacher": 120.0}, intermediate={1: 0.1, 2: 0.2}),
    ]
    saving = cost(study_of(*teachers, strategy="teacher", teacher_epochs=5, student_epochs=100)).saving
    assert isinstance(saving, Saving) and saving.by_steps == 3 * 60
    folded = [timed(0, "complete", 10), timed(1, "pruned", 4, intermediate={1: 0.5})]
    saving = cost(study_of(*folded, folds=3, student_epochs=100)).saving
    assert isinstance(saving, Saving) and saving.by_steps == 2 * 240
    unknown = [timed(0, "complete", 10), timed(1, "pruned", 4)]
    saving = cost(study_of(*unknown, folds=3)).saving
    assert isinstance(saving, Saving) and isinstance(saving.by_steps, Unknown)


def test_pruned_trials_that_took_longer_saved_less_than_nothing() -> None:
    saving = cost(study_of(timed(0, "complete", 1), timed(1, "pruned", 3))).saving
    assert isinstance(saving, Saving) and saving.saved == -120


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        ([timed(0, "complete", 1)], "No trial was pruned"),
        ([timed(0, "complete", None), timed(1, "pruned", 1)], "No complete trial has a time"),
        ([timed(0, "complete", 1), timed(1, "pruned", None)], "No pruned trial has a time"),
    ],
)
def test_no_saving_without_times(trials: list[TrialRecord], said: str) -> None:
    saving = cost(study_of(*trials)).saving
    assert isinstance(saving, Unknown) and said in saving.reason


def test_wall_time_is_the_sum_of_the_sessions() -> None:
    sessions = (
        Session(START, START + timedelta(hours=1), 2, (), None),
        Session(START + timedelta(hours=10), None, 2, (), None),
        Session(START + timedelta(hours=20), START + timedelta(hours=21), 2, (), None),
    )
    trials = [
        timed(0, "complete", 60, finished=START + timedelta(minutes=59)),
        timed(1, "complete", 60, finished=START + timedelta(hours=10, minutes=30)),
        timed(2, "complete", 60, finished=START + timedelta(hours=21)),
    ]
    found = cost(study_of(*trials, sessions=sessions))
    assert isinstance(found.wall, Wall)
    assert found.wall.seconds == 150 * 60
    active = timed(3, "running", 60)
    assert parallelism_of((Phase("", study_of(*trials, active), found),)) == pytest.approx(180 / 150)
    assert "left no end" in found.wall.rule


def test_sessions_that_ran_at_the_same_time_count_once() -> None:
    def session(first: float, last: float) -> Session:
        return Session(START + timedelta(hours=first), START + timedelta(hours=last), 1, (), None)

    found = cost(study_of(timed(0, "complete", 60), sessions=(session(1, 3), session(0, 2), session(5, 6))))
    assert isinstance(found.wall, Wall) and found.wall.seconds == 4 * 3600


def test_a_clock_that_was_set_back_tells_no_duration() -> None:
    before = START - timedelta(hours=1)
    trial = timed(0, "complete", 60, started=START, finished=before)
    sound = Session(START - timedelta(days=1), START, 1, (), None)
    for sessions in (None, (sound, Session(START, before, 1, (), None))):
        wall = cost(study_of(trial, sessions=sessions)).wall
        assert isinstance(wall, Unknown) and "set back" in wall.reason


def test_wall_time_without_sessions_and_without_times() -> None:
    trials = [
        timed(0, "complete", 5, started=START, finished=START + timedelta(minutes=5)),
        timed(1, "complete", 5, started=START + timedelta(minutes=5), finished=START + timedelta(minutes=10)),
    ]
    wall = cost(study_of(*trials)).wall
    assert isinstance(wall, Wall) and wall.seconds == 600
    for known in ({}, {"started": START}, {"finished": START}):
        assert isinstance(cost(study_of(timed(0, "complete", 5, **known))).wall, Unknown)


def test_stages_and_store_add_up_over_the_trials_that_record_them() -> None:
    trials = [
        timed(0, "complete", 1, stage_seconds={"teacher": 10.0, "student": 20.0}, cache={"hits": 2.0}),
        timed(1, "pruned", 1, stage_seconds={"student": 5.0}, cache={"hits": 1.0, "seconds_saved": 7.0}),
        timed(2, "failed", 1),
    ]
    found = cost(study_of(*trials))
    assert found.stages == {"teacher": 10.0, "student": 25.0} and found.staged_trials == 2
    assert found.cache == {"hits": 3.0, "seconds_saved": 7.0}
