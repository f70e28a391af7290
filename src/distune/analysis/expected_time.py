"""How long further work would take at the pace of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from distune.analysis.records.study_record import TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.search_phases import Phase, own_trials_of, parallelism_of, wall_of

CONTENDERS, SEEDS = 6, 5
"""What `distune confirm` trains at most where nothing else is asked: the best three, base, student alone and teacher,
five times each."""


@dataclass(frozen=True)
class Pace:
    """The pace of a study, in seconds on the clock.

    Attributes:
        per_trial: seconds for one more finished trial, complete or pruned: duration / finished trials, of a staged
            search those of its teachers too, as the number that a search is asked for counts them.
        per_training: seconds for one complete training (of a trial with folds, that of one fold) among as many at once
            as ran in the study.
        quick_trial: the same for a training of fewer epochs; None where trials do not record their stages.
    """

    per_trial: float
    per_training: float
    quick_trial: float | None


def pace(searched: tuple[Phase, ...], quick: tuple[int, int]) -> Pace | Unknown:
    """Measures the pace of a study.

    Args:
        searched: its phases.
        quick: epochs of teacher and student of a quick trial, no more than the study's own.

    Returns:
        Unknown where the study has no duration, or no complete trial has a time.
    """
    wall, at_once = wall_of(searched), parallelism_of(searched)
    study, cost = searched[-1].study, searched[-1].cost
    finished = sum(trial.state in ("complete", "pruned") for trial in own_trials_of(searched))
    if isinstance(wall, Unknown):
        return wall
    if isinstance(at_once, Unknown) or not finished or "complete" not in cost.times:
        return Unknown("No complete trial of this study has a time.")
    complete = cost.times["complete"].mean
    shares = (
        1 - quick[0] / (study.teacher_epochs or quick[0]),
        1 - quick[1] / (study.student_epochs or quick[1]),
    )
    saved = _less(study.complete, shares)
    return Pace(
        per_trial=wall.seconds / finished,
        per_training=complete / (study.folds or 1) / at_once,
        quick_trial=None if saved is None else (complete - saved) / at_once,
    )


def _less(complete: Sequence[TrialRecord], shares: tuple[float, float]) -> float | None:
    """Mean seconds of a complete trial that fewer epochs of teacher and student leave out."""
    stages = [trial.stage_seconds for trial in complete if trial.stage_seconds and trial.seconds is not None]
    if not stages:
        return None
    spent = [sum(each.get(stage, 0.0) for each in stages) / len(stages) for stage in ("teacher", "student")]
    return sum((share * seconds for share, seconds in zip(shares, spent, strict=True)), 0.0)
