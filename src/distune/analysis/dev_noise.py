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
        score: the trial's score.
        low: lower end of the 95 % percentile interval.
        high: upper end.
        inside: complete trials (itself not counted) whose score lies in the interval.
        others: complete trials, itself not counted.
    """

    trial: int
    examples: int
    score: float
    low: float
    high: float
    inside: int
    others: int


def dev_noise(ranking: Ranking, run: Run | Unknown) -> DevNoise | Unknown:
    """Resamples the dev predictions of the best trial a thousand times.

    Examples are drawn singly: the predictions do not say which belong to one case, so the interval is if
    anything too narrow.
    """
    best = ranking.best
    if isinstance(run, Unknown):
        return run
    if isinstance(run.predictions, Unknown):
        return run.predictions
    if best is None or best.value is None:
        return Unknown("No trial is complete.")
    scores = _resampled(run.predictions)
    measured = float(_scores(run.predictions, np.ones((1, len(run.predictions[0].truth))))[0])
    if abs(measured - best.value) > TOLERANCE:
        return Unknown(
            f"The dev predictions of the best trial score {measured:.4f} (mean macro F1), the study says "
            f"{best.value:.4f}: they do not belong together, or the study's score is another one."
        )
    low, high = (float(end) for end in np.quantile(scores, [0.025, 0.975]))
    others = [trial.value for trial in ranking.trials[1:] if trial.value is not None]
    return DevNoise(
        trial=best.number,
        examples=len(run.predictions[0].truth),
        score=best.value,
        low=low,
        high=high,
        inside=sum(low <= value <= high for value in others),
        others=len(others),
    )


def _resampled(tasks: tuple[Predictions, ...]) -> NDArray[np.float64]:
    count = len(tasks[0].truth)
    rng = np.random.default_rng(0)
    weights = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(float)
    return _scores(tasks, weights)


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
