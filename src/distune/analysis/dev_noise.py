"""How far the dev score of the best trial could lie elsewhere by the choice of the dev examples alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distune.analysis.ranking import Ranking
from distune.analysis.runs import Predictions, Run
from distune.analysis.unknown import Unknown

RESAMPLES = 1000
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
        inside: complete trials (itself not counted) whose score lies in the interval.
        others: complete trials, itself not counted.
    """

    trial: int
    examples: int
    groups: int | None
    score: float
    low: float
    high: float
    inside: int
    others: int


def dev_noise(ranking: Ranking, run: Run | Unknown, folds: int | None = None) -> DevNoise | Unknown:
    """Resamples the dev predictions of the best trial a thousand times.

    Whole cases are drawn where the predictions name them, single examples where they do not.
    """
    best = ranking.best
    if folds is not None:
        return Unknown(
            f"The score is a mean over {folds} folds, each judged on other examples by another model."
        )
    if isinstance(run, Unknown):
        return run
    if isinstance(run.predictions, Unknown):
        return run.predictions
    if best is None or best.value is None:
        return Unknown("No trial is complete.")
    first = run.predictions[0]
    cases = np.unique(first.groups, return_inverse=True)[1] if first.groups else np.arange(len(first.truth))
    scores = _resampled(run.predictions, cases)
    measured = float(_scores(run.predictions, np.ones((1, len(first.truth))))[0])
    if abs(measured - best.value) > TOLERANCE:
        return Unknown(
            f"The dev predictions of the best trial score {measured:.4f} (mean macro F1), the study says "
            f"{best.value:.4f}: they do not belong together, or the study's score is another one."
        )
    low, high = (float(end) for end in np.quantile(scores, [0.025, 0.975]))
    others = [trial.value for trial in ranking.trials[1:] if trial.value is not None]
    return DevNoise(
        trial=best.number,
        examples=len(first.truth),
        groups=int(cases.max()) + 1 if first.groups else None,
        score=best.value,
        low=low,
        high=high,
        inside=sum(low <= value <= high for value in others),
        others=len(others),
    )


def _resampled(tasks: tuple[Predictions, ...], cases: NDArray[np.int64]) -> NDArray[np.float64]:
    """Scores of resamples with replacement of whole cases, (resamples,); `cases` numbers each example's case."""
    count = int(cases.max()) + 1
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    return _scores(tasks, drawn[:, cases].astype(float))


def _scores(tasks: tuple[Predictions, ...], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The score under weights of the examples, (resamples, N) -> (resamples,)."""
    from distune.training.metrics import macro_f1

    by_task = []
    for task in tasks:
        classes = len(task.classes)
        cells = task.truth * classes + task.probabilities.argmax(axis=1)
        counts = weights @ np.eye(classes * classes)[cells]
        by_task.append(macro_f1(counts.reshape(-1, classes, classes)))
    mean: NDArray[np.float64] = np.mean(by_task, axis=0)
    return mean
