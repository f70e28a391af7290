"""What a comparison can show: its power for a gain that matters, and how much data would give more.

Power is for the smallest relevant gain, which is fixed beforehand. Power for the observed difference says nothing that
the p-value does not say already (Hoenig, Heisey, "The abuse of power", 2001).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from distune.confirmation.statistics.inference.standard_errors import Errors

WANTED = 0.8
"""The power that is asked of a comparison."""
QUANTILES = 1000


def power(errors: Errors, gain: float, level: float) -> float:
    """The chance that an interval lies above 0 where the true difference is `gain`.

    Args:
        errors: of the difference.
        gain: the true difference, above 0.
        level: at which the interval misses, both sides together.

    Returns:
        From level / 2 to 1: the tail of the noncentral t distribution, as the mean over what the estimated error may
        be, which holds for one degree of freedom too, where SciPy's series gives no number.
    """
    error = errors.standard_error
    if not error:
        return 1.0
    from scipy import special

    shares = (np.arange(QUANTILES) + 0.5) / QUANTILES
    chi_square = 2 * special.gammaincinv(errors.freedom / 2, shares)  # its quantiles
    estimated = np.sqrt(chi_square / errors.freedom)
    return float(special.ndtr(gain / error - errors.quantile(level) * estimated).mean())


def needs(errors: Errors, gain: float, level: float, *, seeds: int, cases: int) -> dict[str, Any]:
    """How many seeds alone, or cases alone, would give a power of 80 %.

    Args:
        errors: of the difference, as measured.
        gain: the smallest relevant one.
        level: at which the interval misses.
        seeds: of each contender, as measured.
        cases: as measured.

    Returns:
        `seeds_needed` and `cases_needed`: with the other one as it is. None where no number is enough, as the other
        one's part of the error is too large, and for seeds where no seed varies.
    """
    from scipy import special

    wanted = (gain / (errors.quantile(level) + float(special.ndtri(WANTED)))) ** 2
    by_seeds, by_cases = errors.seeds + errors.interaction, errors.cases + errors.interaction
    return {
        "seeds_needed": _times(by_seeds, wanted - errors.cases, seeds, least=2) if by_seeds else None,
        "cases_needed": _times(by_cases, wanted - errors.seeds, cases, least=2),
    }


def _times(shrinking: float, room: float, now: int, *, least: int) -> int | None:
    return max(least, math.ceil(now * shrinking / room)) if room > 0 else None
