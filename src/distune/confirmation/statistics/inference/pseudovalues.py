"""A score taken apart into cases and seeds: jackknife pseudo-values.

A score such as the macro F1 is no mean over cases, so it has no value of a single case. Its pseudo-value does that
service: with theta the score of all G cases and theta_g that without case g,

    p_g = G * theta - (G - 1) * theta_g

The mean of the p_g is the score (less its bias of order 1 / G), and their variance over G its sampling variance.
Nothing is drawn, so the same predictions always give the same numbers. Cases are left out whole, with all of their
examples.

Source: Tukey, "Bias and confidence in not quite large samples", 1958; for readers and cases: Dorfman, Berbaum, Metz,
1992.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distune.data.table import MISSING
from distune.training.scoring.metrics import mean_f1

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """What one task counts in each case; sums over cases give every metric of predicted classes.

    Attributes:
        hits: rightly predicted examples by class, (..., seeds, C).
        occurred: examples of each class, the same for all seeds, (..., 1, C).
        predicted: examples that are predicted as each class, (..., seeds, C).
    """

    hits: Floats
    occurred: Floats
    predicted: Floats

    def summed(self) -> Counts:
        """The counts of all cases together, without the axis of the cases."""
        return Counts(self.hits.sum(0), self.occurred.sum(0), self.predicted.sum(0))

    def without_each(self) -> Counts:
        """The counts of all cases but one, for each case in turn."""
        every = self.summed()
        return Counts(
            every.hits - self.hits, every.occurred - self.occurred, every.predicted - self.predicted
        )


Metric = Callable[[Sequence[Counts]], Floats]
"""From the counts of each task to values of shape (..., seeds)."""


def counts_by_case(
    labels: NDArray[np.int64],
    case_of: NDArray[np.int64],
    predictions: NDArray[np.int64],
    classes: Sequence[int] | None = None,
) -> list[Counts]:
    """Counts of each task, case by case.

    Args:
        labels: true class indices, (N, tasks); `MISSING` where one is not known.
        case_of: number of each example's case, 0 to G - 1, (N,).
        predictions: predicted class indices, (seeds, N, tasks).
        classes: how many there are of each task; empty takes the largest index that occurs.

    Returns:
        One entry for each task of which a label is known, its first axis the G cases.
    """
    seeds, cases = len(predictions), int(case_of.max()) + 1
    found = []
    for task in range(labels.shape[1]):
        known = labels[:, task] != MISSING
        if not known.any():
            continue
        truth, guess, case = labels[known, task], predictions[:, known, task], case_of[known]
        width = classes[task] if classes is not None else int(max(truth.max(), guess.max())) + 1
        # One bin for each (case, seed, class), so that a single pass counts all seeds.
        row = (case * seeds + np.arange(seeds)[:, None]) * width
        bins, shape = cases * seeds * width, (cases, seeds, width)
        predicted = np.bincount((row + guess).ravel(), minlength=bins)
        hits = np.bincount((row + guess)[guess == truth], minlength=bins)
        occurred = np.bincount(case * width + truth, minlength=cases * width)
        found.append(
            Counts(
                hits.reshape(shape).astype(np.float64),
                occurred.reshape(cases, 1, width).astype(np.float64),
                predicted.reshape(shape).astype(np.float64),
            )
        )
    return found


def mean_macro_f1(tasks: Sequence[Counts]) -> Floats:
    """The score: mean over the tasks of the macro F1."""
    by_task = [mean_f1(each.hits, each.occurred + each.predicted) for each in tasks]
    return np.asarray(np.mean(by_task, axis=0), dtype=np.float64)


def pseudovalues(tasks: Sequence[Counts], metric: Metric = mean_macro_f1) -> tuple[Floats, Floats]:
    """A metric and its pseudo-values.

    Args:
        tasks: counts by case, as `counts_by_case` makes them, of two cases or more.
        metric: the score where nothing else is given.

    Returns:
        The metric on all cases, (seeds,), and the pseudo-value of each case and seed, (G, seeds).
    """
    whole = metric([each.summed() for each in tasks])
    partial = metric([each.without_each() for each in tasks])
    cases = len(partial)
    return whole, cases * whole - (cases - 1) * partial
