"""How long further work would take at a study's pace: hand-computed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from distune.analysis.expected_time import Pace, pace
from distune.analysis.records.study_record import Session, StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.search_phases import phases

START = datetime(2026, 1, 1)
STAGES = {"teacher": 20.0, "student": 40.0}
SESSION = Session(START, START + timedelta(seconds=150), 2, (), "finished")
STUDY = StudyRecord(
    name="s",
    direction="maximize",
    trials=(
        *(TrialRecord(n, "complete", 0.5, seconds=60.0, stage_seconds=STAGES) for n in range(4)),
        *(TrialRecord(n, "pruned", seconds=30.0) for n in (4, 5)),
    ),
    space={},
    space_source="study",
    teacher_epochs=4,
    student_epochs=8,
    sessions=(SESSION,),
)


def test_the_pace_by_hand() -> None:
    """300 s of trials in 150 s: two at once. Half the epochs of both leave out 10 s and 20 s of 60 s."""
    assert pace(phases(STUDY), (2, 4)) == Pace(per_trial=25.0, per_training=30.0, quick_trial=15.0)
    # A quarter of the teacher's epochs and three of the student's leave out 15 s and 10 s.
    quick = pace(phases(STUDY), (1, 6))
    assert isinstance(quick, Pace) and quick.quick_trial == 17.5


def test_a_training_of_a_trial_with_folds_is_that_of_one_fold() -> None:
    found = pace(phases(replace(STUDY, folds=5)), (2, 4))
    assert isinstance(found, Pace) and (found.per_trial, found.per_training) == (25.0, 6.0)


def test_without_stages_a_quick_trial_is_not_known() -> None:
    study = replace(STUDY, trials=tuple(replace(trial, stage_seconds=None) for trial in STUDY.trials))
    found = pace(phases(study), (2, 4))
    assert isinstance(found, Pace) and found.quick_trial is None


@pytest.mark.parametrize(
    "study",
    [
        replace(STUDY, trials=()),
        replace(STUDY, sessions=None),
        replace(STUDY, sessions=(replace(SESSION, finished=START + timedelta(seconds=1)),)),
        replace(STUDY, trials=tuple(replace(trial, seconds=None) for trial in STUDY.trials)),
    ],
    ids=["no trials", "no duration", "more at once than there are trials", "no times"],
)
def test_a_pace_that_cannot_be_known_is_not_invented(study: StudyRecord) -> None:
    assert isinstance(pace(phases(study), (2, 4)), Unknown)
