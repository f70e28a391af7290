"""What a study of so few trials could have seen of a parameter's effect."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

LEVEL, POWER = 0.05, 0.8


def detectable(scores: Sequence[float], contrasts: int) -> float | None:
    """The effect that would have been seen in four of five such studies.

    An effect is the difference between the trials of the lower and those of the upper half of a range; with n trials,
    whose scores have the standard deviation s, its standard error is 2 s / sqrt(n).

    Args:
        scores: of the complete trials.
        contrasts: how many effects are looked at together; each must pass its share of 5 %.

    Returns:
        In score; None from fewer than four trials, or where no score differs.
    """
    count = len(scores)
    if count < 4 or not np.ptp(scores):
        return None
    from scipy import stats

    error = 2 * float(np.std(scores, ddof=1)) / math.sqrt(count)
    quantile = float(stats.t.ppf(1 - LEVEL / max(1, contrasts) / 2, count - 2))
    return (quantile + float(stats.norm.ppf(POWER))) * error


def in_words(scores: Sequence[float], contrasts: int) -> str:
    """The same as a sentence; empty where nothing can be said."""
    seen = detectable(scores, contrasts)
    if seen is None:
        return ""
    return f" It would have seen only effects above {seen:.3f} in four of five such studies."
