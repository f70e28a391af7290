"""How many examples, or how many seeds, would tell a difference as large as the observed one.

A difference of means over S seeds on N examples errs by three parts: the seeds alone (1 / S), the cases alone (1 / N),
and the luck of single seeds with single cases (1 / (S N)). `compare` counts the last one twice, and so does this:

    error^2 = seeds * S / S' + cases * N / N' + 2 * interaction * (S / S') * (N / N')

A difference is told in 80 % of studies where |difference| = (q + 0.84) * error, q the half width of the interval over
its standard error now. From few seeds the parts are rough themselves: the numbers say "tens" or "thousands".
"""

from __future__ import annotations

import math

from distune.confirmation.statistics.significance import Comparison

POWER = 0.8


def examples_needed(comparison: Comparison) -> int | None:
    """Test examples that would do with as many seeds as now, in cases of the same size.

    Returns:
        The number, or None where the difference is 0, or where the noise of the seeds alone hides it.
    """
    seeds, cases, interaction = _parts(comparison)
    factor = _factor(comparison, cases + 2 * interaction, seeds)
    return None if factor is None else math.ceil(comparison.examples * factor)


def seeds_needed(comparison: Comparison, seeds: int) -> int | None:
    """Seeds that would do with the same examples.

    Args:
        comparison: that was made.
        seeds: of each contender in it.

    Returns:
        The number, or None where the difference is 0, where no seeds vary, or where the choice of the cases alone
        hides it.
    """
    alone, cases, interaction = _parts(comparison)
    if not comparison.seed_error:
        return None
    factor = _factor(comparison, alone + 2 * interaction, cases)
    return None if factor is None else max(2, math.ceil(seeds * factor))


def _parts(comparison: Comparison) -> tuple[float, float, float]:
    """Variances by the seeds alone, by the cases alone, and by the luck of seeds with cases."""
    interaction = min(comparison.interaction_error, comparison.test_error, comparison.seed_error) ** 2
    return comparison.seed_error**2 - interaction, comparison.test_error**2 - interaction, interaction


def _factor(comparison: Comparison, shrinking: float, staying: float) -> float | None:
    """By how much what shrinks must be divided, for the difference to be told."""
    from scipy import stats

    variance = comparison.test_error**2 + comparison.seed_error**2
    if not comparison.difference or not variance:
        return None
    quantile = (comparison.high - comparison.low) / 2 / math.sqrt(variance)
    room = (comparison.difference / (quantile + float(stats.norm.ppf(POWER)))) ** 2 - staying
    return shrinking / room if room > 0 else None
