"""How far the dev score of the best trial could lie elsewhere by the choice of the dev examples, and who equals it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distune.analysis.ranking import Ranking
from distune.analysis.records.study_record import TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.runs import RunRecord, known_predictions, tasks_behind
from distune.data.table import Task
from distune.training.files.prediction_files import Predictions, by_task
from distune.training.scoring.scores import score_in_words
from distune.training.scoring.weighted_scores import weighted_mean_score, weighted_task_score

RESAMPLES = 1000
NEXT_BEST = 10
TOLERANCE = 0.002


@dataclass(frozen=True)
class DevNoise:
    """The interval of one trial's score over resampled dev examples.

    Attributes:
        trial: the trial's number.
        examples: number of dev examples.
        groups: number of cases that they belong to; None where the predictions do not name them.
        score: the trial's score.
        low: lower end of the 95 % percentile interval.
        high: upper end.
        equal: next best trials that these examples do not tell from it: the 95 % interval of the difference, both
            scored on the same resamples, holds 0.
        compared: next best trials whose predictions of the same examples are known, ten at most.
    """

    trial: int
    examples: int
    groups: int | None
    score: float
    low: float
    high: float
    equal: int
    compared: int


def dev_noise(ranking: Ranking, run: RunRecord | Unknown, folds: int | None = None) -> DevNoise | Unknown:
    """Resamples the dev predictions of the best trial a thousand times.

    Whole cases are drawn where the predictions name them, single examples where they do not.
    """
    best = ranking.best
    if folds is not None:
        return Unknown(
            f"The score is a mean over {folds} folds, each evaluated on other examples by another model."
        )
    if isinstance(run, Unknown):
        return run
    if isinstance(run.predictions, Unknown):
        return run.predictions
    if best is None or best.value is None:
        return Unknown("No trial is complete.")
    first = run.predictions[0]
    cases = np.unique(first.groups, return_inverse=True)[1] if first.groups else np.arange(len(first.truth))
    weights = _resampled(cases)
    tasks = tasks_behind(run.folder, run.predictions)
    if isinstance(tasks, Unknown):
        return tasks
    scores = _scores(run.predictions, tasks, weights)
    measured = float(_scores(run.predictions, tasks, np.ones((1, len(first.truth))))[0])
    if not abs(measured - best.value) <= TOLERANCE:
        return Unknown(
            f"The dev predictions of the best trial score {measured:.4f} ({score_in_words(tasks)}), the study says "
            f"{best.value:.4f}: they do not belong together, or the study's score is another one."
        )
    low, high = (float(end) for end in np.nanquantile(scores, [0.025, 0.975]))
    others = [
        other
        for trial in ranking.trials[1 : 1 + NEXT_BEST]
        if (other := _same_examples(trial, run.predictions)) is not None
    ]
    return DevNoise(
        trial=best.number,
        examples=len(first.truth),
        groups=int(cases.max()) + 1 if first.groups else None,
        score=best.value,
        low=low,
        high=high,
        equal=sum(_holds_zero(scores - _scores(other, tasks, weights)) for other in others),
        compared=len(others),
    )


def _same_examples(trial: TrialRecord, best: tuple[Predictions, ...]) -> tuple[Predictions, ...] | None:
    """The predictions of another trial; None where it left none of the same examples."""
    found = None if trial.folder is None else known_predictions(trial.folder)
    if found is None or isinstance(found, Unknown) or len(found) != len(best):
        return None
    is_same = all(
        (one.task, one.classes, one.groups) == (other.task, other.classes, other.groups)
        and np.array_equal(one.truth, other.truth)
        for one, other in zip(best, found, strict=True)
    )
    return found if is_same else None


def _holds_zero(differences: NDArray[np.float64]) -> bool:
    low, high = np.nanquantile(differences, [0.025, 0.975])
    return bool(low <= 0 <= high)


def _resampled(cases: NDArray[np.int64]) -> NDArray[np.float64]:
    """How often each example is in each resample of whole cases, (resamples, N)."""
    count = int(cases.max()) + 1
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    return drawn[:, cases].astype(float)


def _scores(
    parts: tuple[Predictions, ...], tasks: Sequence[Task], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The score under weights of the examples, (resamples, N) -> (resamples,); NaN where it is not defined."""
    scores = [
        weighted_task_score(task, labels, probabilities, weights)
        for task, (labels, probabilities) in zip(tasks, by_task(parts, tasks), strict=True)
    ]
    return weighted_mean_score(scores, tasks)
