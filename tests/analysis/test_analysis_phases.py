"""A staged search costs what its teachers and its students cost, each counted once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from distune.analysis.cost import Wall
from distune.analysis.expected_time import pace
from distune.analysis.records.from_optuna import from_optuna
from distune.analysis.records.sources import read_study
from distune.analysis.records.study_record import Session, State, StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.search_phases import (
    Phase,
    parallelism_of,
    phases,
    seconds_by_stage,
    store_of,
    trials_of,
    wall_of,
)
from distune.tuning.coordinator.leases import PREFIX, Lease

START = datetime(2026, 1, 2, 8)


def study_of(name: str, minutes: dict[State, tuple[float, ...]], stage: str, ends: float) -> StudyRecord:
    """A study whose trials spent all their time in one stage; one session of so many hours from START on."""
    states = [(state, each) for state, times in minutes.items() for each in times]
    trials = tuple(
        TrialRecord(
            number,
            state,
            seconds=60 * each,
            stage_seconds={"data": 1.0, stage: 60 * each - 1},
            cache={"hits": 1.0, "seconds_saved": 2.0},
        )
        for number, (state, each) in enumerate(states)
    )
    session = Session(START, START + timedelta(hours=ends), 1, (), None)
    return StudyRecord(name, "maximize", trials, {}, "study", sessions=(session,))


TEACHERS = study_of(
    "s_teacher", {"complete": (20.0, 40.0), "pruned": (10.0,), "failed": (5.0,)}, "teacher", 2
)
STUDENTS = study_of("s", {"complete": (4.0, 6.0), "pruned": (1.0, 3.0)}, "student", 1)


def test_times_stages_and_store_are_of_both_phases() -> None:
    found = phases(replace(STUDENTS, teacher_record=TEACHERS))
    assert [phase.title for phase in found] == ["teachers", "students"]
    assert len(trials_of(found)) == 8
    wall = wall_of(found)
    assert isinstance(wall, Wall) and wall.seconds == 3 * 3600
    assert wall.rule.startswith("teachers: 1 run ") and "; students: 1 run " in wall.rule
    assert parallelism_of(found) == pytest.approx((75 + 14) / 180)
    assert seconds_by_stage(found) == {"data": 8.0, "teacher": 75 * 60 - 4, "student": 14 * 60 - 4}
    assert store_of(found) == {"hits": 8.0, "seconds_saved": 16.0}


def test_a_search_of_one_study_is_that_study() -> None:
    (only,) = phases(STUDENTS)
    assert only.title == "" and wall_of((only,)) is only.cost.wall
    assert seconds_by_stage((only,)) == only.cost.stages


def test_a_phase_without_a_duration_leaves_the_whole_without_one() -> None:
    timeless = replace(TEACHERS, sessions=None)
    found = phases(replace(STUDENTS, teacher_record=timeless))
    assert isinstance(wall_of(found), Unknown) and isinstance(parallelism_of(found), Unknown)


def test_the_pace_is_of_what_ran_here_and_not_of_what_a_fork_copied() -> None:
    def phase(*trials: TrialRecord, seconds: int = 60) -> tuple[Phase, ...]:
        session = Session(START, START + timedelta(seconds=seconds), 1, (), "finished")
        return phases(replace(STUDENTS, teacher_record=None, trials=trials, sessions=(session,)))

    copied = [TrialRecord(n, "complete", 0.5, seconds=600.0, copied_from="old") for n in range(3)]
    own = TrialRecord(3, "complete", 0.5, seconds=30.0)
    alone, forked = phase(own), phase(*copied, own)
    assert parallelism_of(forked) == parallelism_of(alone) == 0.5
    for timeless in (phase(replace(own, seconds=None)), phase(own, seconds=0)):
        assert isinstance(parallelism_of(timeless), Unknown)
    assert forked[0].cost.times["complete"] == alone[0].cost.times["complete"]
    assert forked[0].cost.times["complete"].total == 30.0
    measured = pace(forked, (1, 1))
    assert not isinstance(measured, Unknown) and measured.per_trial == 60.0
    assert isinstance(pace(phase(*copied), (1, 1)), Unknown)


def test_a_command_that_was_killed_ran_until_it_was_last_seen(tmp_path: Path) -> None:
    lease = replace(Lease.new(2, ["cpu"]), started=1.7e9, seen=1.7e9 + 90)
    study = optuna.create_study(direction="maximize")
    begun = "2023-11-14T22:13:20+00:00"
    study.set_user_attr("sessions", [{"started": begun, "finished": begun}])
    study.set_user_attr(PREFIX + "x", lease.__dict__)
    wall = wall_of(phases(from_optuna(study)))
    assert not isinstance(wall, Unknown) and wall.seconds == 90.0


@pytest.mark.slow
def test_the_study_of_the_teachers_is_read_from_the_same_storage(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"
    for name, trials in (("s", 2), ("s_teacher", 3)):
        study = optuna.create_study(study_name=name, storage=url, direction="maximize")
        study.add_trials([create_trial(state=TrialState.COMPLETE, value=0.5)] * trials)
    students = optuna.load_study(study_name="s", storage=url)
    students.set_user_attr("teacher_study", {"name": "s_teacher", "finished": 3})
    record = read_study(tmp_path / "s.db")
    assert record.teacher_record is not None
    assert (record.teacher_record.name, len(record.teacher_record.trials)) == ("s_teacher", 3)
    students.set_user_attr("teacher_study", {"name": "gone", "finished": 3})
    assert read_study(tmp_path / "s.db").teacher_record is None
