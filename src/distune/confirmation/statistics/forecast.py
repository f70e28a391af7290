"""What a new set of cases will score: the interval in which one training's score on other cases lies.

With two seeds or more this is any training; with one seed it is that training itself, as nothing says how far another
lies from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distune.confirmation.statistics.inference.intervals import MOST_OF_ALL
from distune.confirmation.statistics.inference.standard_errors import NO_ERROR, Errors, errors_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Forecast:
    """In 95 % of new sets of so many cases, a model trained in this way scores from `low` to `high`; see `seeds`.

    Attributes:
        mean: the score that is expected.
        low: lower end.
        high: upper end.
        cases: of the new set.
        from_cases: cases that the forecast rests on.
        seeds: trainings that it rests on; with one it holds for this training, and others scatter more.
    """

    mean: float
    low: float
    high: float
    cases: int
    from_cases: int
    seeds: int


def forecast(values: Floats, table: Floats, cases: int, lowest: float = 0.0) -> Forecast | None:
    """Forecasts the score of one model on new cases of the same kind as those of `table`.

    A new score differs from the measured mean by the errors of both: those of the mean, and those that a single
    training has on so many cases. It is no statement about cases of another hospital, scanner or time.

    Args:
        values: scores of trainings on cases that they had not seen, of a test split or of held-out folds, (seeds,).
        table: their pseudo-values, (G, seeds).
        cases: of the new set.
        lowest: no such score can lie below it; the highest is 1.

    Returns:
        None where there are fewer than two cases, where all cases are answered alike, so that nothing scatters, or
        where a new score could be nearly anything.
    """
    known, mean, seeds = len(table), float(values.mean()), len(values)
    if known < 2 or cases < 1:
        return None
    measured = errors_of([table])
    if measured.standard_error < NO_ERROR:  # all right or all wrong: the next case may be otherwise
        return None
    errors, width = _of_a_new_score(measured, known, seeds, cases), 1 - lowest
    low, high = (lowest + width * end for end in _ends((mean - lowest) / width, errors.scaled(1 / width)))
    if high - low > MOST_OF_ALL * width:
        return None
    return Forecast(mean, low, high, cases, known, seeds)


def _of_a_new_score(errors: Errors, known: int, seeds: int, cases: int) -> Errors:
    by_cases = errors.cases * (1 + known / cases)
    by_seeds = errors.seeds * (1 + seeds)
    by_both = errors.interaction * (1 + known * seeds / cases)
    spread = (by_cases + by_both) ** 2 / (known - 1)
    if seeds > 1:
        spread += by_seeds**2 / (seeds - 1)
    total = by_cases + by_seeds + by_both
    # At least 1: by Satterthwaite's formula no fewer than the part with the fewest has.
    return Errors(by_cases, by_seeds, by_both, total**2 / spread if spread > 0 else known - 1.0)


def _ends(mean: float, errors: Errors) -> tuple[float, float]:
    """Both ends, on the scale of arcsin(sqrt(p)), on which scores scatter alike wherever they lie (Bartlett, 1936)."""
    room = math.sqrt(max(mean * (1 - mean), 1e-12))
    centre, half = math.asin(math.sqrt(mean)), errors.quantile() * errors.standard_error / (2 * room)
    return math.sin(max(0.0, centre - half)) ** 2, math.sin(min(math.pi / 2, centre + half)) ** 2
