"""Intervals of absolute numbers: a score, a recall, the mean of a few seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distune.confirmation.statistics.inference.pseudovalues import Counts, Metric, mean_macro_f1, pseudovalues
from distune.confirmation.statistics.inference.standard_errors import LEVEL, NO_ERROR, Errors, errors_of

Floats = NDArray[np.float64]
MOST_OF_ALL = 0.98
"""An interval of this share of all possible values says nothing, and is not given."""
LARGEST_FACTOR = 100.0
"""Likewise where both ends lie so many times apart from the mean."""


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its 95 % interval.

    Attributes:
        mean: over the seeds.
        low: lower end; None where nothing can be said.
        high: upper end; None likewise.
        seeds: how many trainings it is a mean of.
        cases: how many cases it is of, whose choice the interval honours; None where it holds for these cases only.
    """

    mean: float
    low: float | None
    high: float | None
    seeds: int
    cases: int | None = None


def interval_over_seeds(scores: Sequence[float]) -> Interval:
    """Mean of the scores with Student's 95 % interval: mean +- t_(S - 1) * std / sqrt(S); for these cases only."""
    values = np.asarray(scores, dtype=np.float64)
    if not len(values):
        raise ValueError("no score to average")
    mean = float(values.mean())
    if len(values) < 2 or np.ptp(values) == 0:  # equal values do not say how far others would lie
        return Interval(mean, None, None, len(values))
    from scipy import special

    quantile = special.stdtrit(len(values) - 1, 1 - LEVEL / 2)
    half = float(quantile * values.std(ddof=1) / math.sqrt(len(values)))
    return Interval(mean, mean - half, mean + half, len(values))


def interval_over_cases(tasks: Sequence[Counts], metric: Metric = mean_macro_f1) -> Interval:
    """A metric from 0 to 1 with its 95 % interval over cases and seeds.

    The interval is Student's on the scale of log(p / (1 - p)), so it does not leave 0 to 1 and is the longer on the
    side where there is more room. Where nothing varies, as where every case is answered rightly, it is that of a
    proportion among so many cases (Clopper, Pearson, 1934). From a single case nothing can be said about others.

    Args:
        tasks: counts by case of the cases that the metric depends on.
        metric: the score where nothing else is given.
    """
    return interval_of(*pseudovalues(tasks, metric))


def interval_of(values: Floats, table: Floats, lowest: float = 0.0) -> Interval:
    """A score with its 95 % interval over cases and seeds, see `interval_over_cases`.

    Args:
        values: the score of each seed on all cases, (seeds,).
        table: its pseudo-values, (G, seeds).
        lowest: no such score can lie below it; the highest is 1.
    """
    mean, cases = float(values.mean()), len(table)
    if cases < 2:
        return Interval(mean, None, None, len(values), cases)
    low, high = bounds(mean, errors_of([table]), cases, lowest)
    if high - low > MOST_OF_ALL * (1 - lowest):  # all that can be says nothing
        return Interval(mean, None, None, len(values), cases)
    return Interval(mean, low, high, len(values), cases)


def interval_above_zero(values: Floats, table: Floats) -> Interval:
    """A number from 0 on, such as a log loss, with its 95 % interval: Student's on the scale of its logarithm.

    Args:
        values: of each seed on all cases, (seeds,).
        table: its pseudo-values, (G, seeds).
    """
    mean, cases = float(values.mean()), len(table)
    error = errors_of([table]) if cases > 1 else None
    if error is None or mean <= 0 or error.standard_error < NO_ERROR:
        return Interval(mean, None, None, len(values), cases)
    factor = math.exp(error.quantile() * error.standard_error / mean)
    if factor > LARGEST_FACTOR:
        return Interval(mean, None, None, len(values), cases)
    return Interval(mean, mean / factor, mean * factor, len(values), cases)


def bounds(mean: float, errors: Errors, cases: int, lowest: float = 0.0) -> tuple[float, float]:
    """Both ends of the 95 % interval of a number from `lowest` to 1, see `interval_over_cases`."""
    if lowest:
        width = 1 - lowest
        low, high = bounds((mean - lowest) / width, errors.scaled(1 / width), cases)
        return lowest + width * low, lowest + width * high
    from scipy import special

    room = mean * (1 - mean)
    if errors.standard_error < NO_ERROR or room <= 0:
        right = mean * cases
        low = float(special.betaincinv(right, cases - right + 1, LEVEL / 2)) if right > 0 else 0.0
        high = float(special.betaincinv(right + 1, cases - right, 1 - LEVEL / 2)) if right < cases else 1.0
        return low, high
    half = errors.quantile() * errors.standard_error / room
    centre = float(special.logit(mean))
    return float(special.expit(centre - half)), float(special.expit(centre + half))


def of_class(task: Counts, number: int, name: str) -> Interval | None:
    """Recall, precision, specificity or F1 of one class, over the cases that it depends on.

    Args:
        task: counts by case of one task.
        number: of the class.
        name: recall | precision | specificity | f1.

    Returns:
        None where no example counts: no example of the class, or none predicted as it.
    """
    hits, occurred, predicted = (
        each[..., number : number + 1] for each in (task.hits, task.occurred, task.predicted)
    )
    if name == "specificity":
        others = task.occurred.sum(axis=-1, keepdims=True) - occurred
        # Of the examples of other classes, those that are not taken for this one.
        above, below = others - (predicted - hits), np.broadcast_to(others, hits.shape)
    elif name == "f1":
        above, below = 2 * hits, occurred + predicted
    else:
        above, below = hits, np.broadcast_to(occurred, hits.shape) if name == "recall" else predicted
    return ratio_over_cases(above, below)


def ratio_over_cases(above: Floats, below: Floats) -> Interval | None:
    """A ratio of sums over cases, such as a recall, over the cases that count.

    Args:
        above: by case and seed, (G, seeds, 1).
        below: likewise, or (G, 1, 1) where it is the same for all seeds.

    Returns:
        None where no example counts.
    """
    counting = below.sum(axis=(1, 2)) > 0
    if not counting.any():
        return None
    ratio = [Counts(above[counting], below[counting], below[counting])]
    return interval_over_cases(ratio, _ratio)


def accuracy(tasks: Sequence[Counts]) -> Floats:
    """Share of right answers, mean over the tasks."""
    shares = [each.hits.sum(-1) / np.maximum(each.occurred.sum(-1), 1) for each in tasks]
    return np.asarray(np.mean(shares, axis=0), dtype=np.float64)


def _ratio(tasks: Sequence[Counts]) -> Floats:
    (one,) = tasks
    return np.asarray((one.hits / np.maximum(one.predicted, 1e-12))[..., 0])
