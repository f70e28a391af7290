"""The base beside the best, times, and failures of small studies, by values that are written out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from distune.analysis.baseline import Change, changes, compare
from distune.analysis.cost import Saving, Times, Wall, cost
from distune.analysis.parameters.space import Parameter
from distune.analysis.ranking import FailureKind, rank
from distune.analysis.records.study_record import Session, State, TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.search_phases import (
    parallelism_of,
    phases,
    seconds_by_stage,
    store_of,
    trials_of,
    wall_of,
)
from tests.analysis.written_records import complete, study_of

START = datetime(2026, 1, 2, 8, 0)


def test_the_base_is_the_best_where_it_is_that_trial_and_not_another_of_its_score() -> None:
    base, equal = complete(1, baseline=True), complete(0)
    found = compare(one := study_of(equal, base), rank(one))
    assert not isinstance(found, Unknown) and not found.is_base_best and found.gain == 0.0
    alone = compare(one := study_of(base), rank(one))
    assert not isinstance(alone, Unknown) and alone.is_base_best
    failed = study_of(replace(base, state="failed", value=None))
    assert isinstance(compare(failed, rank(failed)), Unknown)


def test_a_base_that_was_not_finished_says_how_far_it_came() -> None:
    pruned = TrialRecord(0, "pruned", None, baseline=True, intermediate={1: 0.25, 3: 0.375})
    for base, said in (
        (pruned, "its last score is 0.3750 at step 3"),
        (replace(pruned, state="failed", intermediate={}), "is failed, so it has no final score"),
    ):
        found = compare(one := study_of(base, complete(1)), rank(one))
        assert not isinstance(found, Unknown) and isinstance(found.gain, Unknown)
        assert said in found.gain.reason


def test_changes_stand_in_the_order_of_the_space_and_after_a_teacher_come_its_own_values() -> None:
    space = {
        name: Parameter(name, "categorical", choices=("a", "b"))
        for name in ("student_lr", "teacher", "alpha")
    }
    best = complete(1, 0.9, params={"zeta": 1, "alpha": 0.5, "teacher": "a", "student_lr": 1e-3, "beta": 2})
    base = complete(0, 0.5, baseline=True, params={"student_lr": 2e-3})
    one = study_of(
        base, best, space=space, teachers={"a": {"score": 0.5, "params": {"teacher_lr": 3e-4}}},
        base_config={"teacher": {"lr": 1e-4}, "distillation": {"alpha": 0.25}},
    )  # fmt: skip
    assert changes(one, best) == (
        Change("student_lr", 1e-3, 2e-3),
        Change("teacher", "a", None),
        Change("teacher_lr", 3e-4, 1e-4),
        Change("alpha", 0.5, 0.25),
        Change("beta", 2, None),
        Change("zeta", 1, None),
    )


def test_the_times_of_each_state() -> None:
    states: tuple[State, ...] = ("complete", "failed", "pruned", "running")
    trials = [
        TrialRecord(n, state, seconds=seconds)
        for n, (state, seconds) in enumerate(
            (state, seconds) for state in states for seconds in (None, 1.0, 2.0, 6.0)
        )
    ]
    found = cost(study_of(*trials)).times
    assert list(found) == ["complete", "pruned", "failed"]
    assert set(found.values()) == {Times(trials=4, timed=3, mean=3.0, median=2.0, total=9.0)}


@pytest.mark.parametrize(("epochs", "by_steps"), [(5, 3 * 20.0), (1, 0.0)])
def test_a_trial_that_did_more_than_a_whole_one_saves_nothing(epochs: int, by_steps: float) -> None:
    pruned = TrialRecord(
        1, "pruned", seconds=100.0, stage_seconds={"student": 40.0, "teacher": 50.0},
        intermediate={1: 0.1, 2: 0.2},
    )  # fmt: skip
    one = study_of(complete(0, seconds=200.0), pruned, student_epochs=epochs, teacher_epochs=50)
    saving = cost(one).saving
    assert isinstance(saving, Saving) and saving.by_steps == by_steps
    assert (saving.spent, saving.share(saving.saved)) == (300.0, 100.0 / 400.0)
    assert (Saving(0.0, 0.0, 0.0, 0.0, 0).share(0.0), Saving(0.0, 9.0, 9.0, 9.0, 0).share(9.0)) == (0.0, 1.0)


def test_a_table_that_lacks_trials_does_not_say_what_pruning_saved() -> None:
    best = [complete(n, seconds=1.0) for n in (0, 2)]
    pruned = TrialRecord(3, "pruned", seconds=0.5)
    for trials, said in (
        ((*best, pruned), None),
        (best, "best trials alone"),
        (best[:1], "No trial was pruned"),
    ):
        saving = cost(study_of(*trials, space_source="observed")).saving
        assert isinstance(saving, Saving) if said is None else said in saving.reason  # type: ignore[union-attr]


def session(first: float, last: float | None, zone: Any = None) -> Session:
    at = START.replace(tzinfo=zone)
    ended = None if last is None else at + timedelta(hours=last)
    return Session(at + timedelta(hours=first), ended, 1, (), None)


def test_sessions_that_were_killed_end_with_their_last_trial() -> None:
    """Not with one of a later session; without one they took no time; what overlaps counts once."""
    trials = [complete(n, finished=START + timedelta(hours=hour)) for n, hour in enumerate((0.5, 4.5, 9.0))]
    for sessions, hours, said in (
        ((session(0, None), session(4, None)), 0.5 + 5.0, "2 of which left no end and count to"),
        ((session(0, None), session(4, 5)), 0.5 + 1.0, "1 of which left no end and counts to"),
        ((session(1, None), session(4, 5)), 0.0 + 1.0, "1 of which"),
        ((session(0, 6), session(1, 2), session(5, 7)), 7.0, "3 runs"),
    ):
        wall = cost(study_of(*trials, sessions=sessions)).wall
        assert isinstance(wall, Wall) and wall.seconds == pytest.approx(3600 * hours) and said in wall.rule


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_tokyo")
def test_moments_with_a_zone_are_those_of_the_clock_here() -> None:
    """Where that clock is UTC, as on most machines of a build, nothing would have to be turned."""
    end = START + timedelta(hours=9 + 1)
    one = study_of(complete(0, finished=end), sessions=(session(0, None, UTC),))
    wall = cost(one).wall
    assert isinstance(wall, Wall) and wall.seconds == 3600 and wall.finished == end


def test_without_sessions_the_clock_runs_from_the_first_to_the_last_trial_that_has_a_time() -> None:
    def trial(number: int, first: float, last: float, seconds: float | None) -> TrialRecord:
        return complete(
            number, started=START + timedelta(hours=first), finished=START + timedelta(hours=last), seconds=seconds
        )  # fmt: skip

    added = trial(2, -100, 100, None)  # afterwards, by hand
    wall = cost(study_of(trial(0, 1, 2, 60.0), trial(1, 3, 5, 60.0), added)).wall
    assert isinstance(wall, Wall) and wall.seconds == 4 * 3600


def test_a_staged_search_adds_its_phases_up() -> None:
    teachers = study_of(complete(0, seconds=10.0, stage_seconds={"teacher": 10.0}, cache={"hits": 1.0}))
    students = study_of(
        complete(0, seconds=5.0, stage_seconds={"student": 4.0}, cache={"misses": 2.0, "hits": 1.0}),
        teacher_record=teachers,
    )
    searched = phases(students)
    assert [phase.title for phase in searched] == ["teachers", "students"]
    assert [phase.title for phase in phases(teachers)] == [""]
    assert len(trials_of(searched)) == 2
    assert seconds_by_stage(searched) == {"teacher": 10.0, "student": 4.0}
    assert store_of(searched) == {"hits": 2.0, "misses": 2.0}
    assert isinstance(wall_of(searched), Unknown)


def test_as_many_trials_at_once_as_there_are_is_the_most() -> None:
    trials = [
        complete(n, seconds=60.0, started=START, finished=START + timedelta(minutes=1)) for n in range(2)
    ]
    assert parallelism_of(phases(study_of(*trials))) == 2.0
    longer = [replace(trial, seconds=61.0) for trial in trials]
    assert isinstance(parallelism_of(phases(study_of(*longer))), Unknown)


def test_kinds_of_failure_come_by_their_number_and_say_what_was_said_first() -> None:
    def failed(number: int, kind: str | None, message: str | None) -> TrialRecord:
        return TrialRecord(number, "failed", failure_kind=kind, failure_message=message)

    found = rank(
        study_of(
            failed(0, "b", None), failed(1, None, "x"), failed(2, "b", "first"), failed(3, "b", "second"),
            failed(4, "a", None), complete(5), TrialRecord(6, "running"), complete(7, None),
        )
    )  # fmt: skip
    assert found.failures == (
        FailureKind("b", (0, 2, 3), "first"),
        FailureKind("a", (4,), None),
        FailureKind("kind not recorded", (1,), "x"),
    )
    assert found.counts == {"complete": 2, "failed": 5, "running": 1} and [
        t.number for t in found.trials
    ] == [5]


def test_values_lie_apart_only_beyond_all_that_finished_and_where_all_are_numbers() -> None:
    def trials(state: State, *values: Any) -> list[TrialRecord]:
        return [
            TrialRecord(n, state, 0.5 if state == "complete" else None, {"x": value}, failure_kind="k")
            for n, value in enumerate(values)
        ]

    for failed, finished, pruned, ends in (
        ((5.0, 6.0), (1.0,), (4.0,), (5.0, 6.0)),
        ((5.0, 6.0), (1.0,), (5.5,), None),
        ((5.0, 6.0), (5.0,), (1.0,), None),
        ((5.0, "a"), (1.0,), (2.0,), None),
        ((5.0, 6.0), (1.0,), ("a",), None),
    ):
        one = study_of(*trials("failed", *failed), *trials("complete", *finished), *trials("pruned", *pruned))
        assert rank(one).failures[0].apart == ({} if ends is None else {"x": ends})
