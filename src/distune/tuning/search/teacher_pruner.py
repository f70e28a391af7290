"""Whether a trial's teacher is good enough for its student to be trained: `--prune-teacher`."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from optuna.trial import FrozenTrial, TrialState

TEACHER_SCORES = "teacher_scores"
"""User attribute of a trial: the teacher's dev score by epoch."""
FEWEST_EARLIER = 5
WARMUP_EPOCHS = 1


def should_prune_teacher(
    scores: Mapping[int, float], earlier: Iterable[Mapping[int, float]], epoch: int
) -> bool:
    """The median rule for teachers: the best score so far is below the median of earlier teachers' scores.

    Args:
        scores: the teacher's dev scores by epoch, from 1.
        earlier: those of earlier trials; five must have reached the epoch, or nothing is pruned.
        epoch: the one that the teacher has just done; nothing is pruned after the first.
    """
    others = [one[epoch] for one in earlier if epoch in one]
    if epoch <= WARMUP_EPOCHS or len(others) < FEWEST_EARLIER:
        return False
    return max(score for done, score in scores.items() if done <= epoch) < statistics.median(others)


def earlier_teachers(number: int, trials: Iterable[FrozenTrial]) -> list[dict[int, float]]:
    """The teacher scores of all trials with a lower number that have not failed."""
    return [
        teacher_scores(trial.user_attrs)
        for trial in trials
        if trial.number < number and trial.state != TrialState.FAIL
    ]


def teacher_scores(attributes: Mapping[str, Any]) -> dict[int, float]:
    """A trial's teacher scores; JSON has made texts of the epochs."""
    return {int(epoch): score for epoch, score in attributes.get(TEACHER_SCORES, {}).items()}
