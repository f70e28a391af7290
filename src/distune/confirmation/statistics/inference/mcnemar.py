"""Whether two single models err on the same examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Disagreement:
    """Examples that only one of two models gets right.

    Attributes:
        only_first: right by the first model alone.
        only_second: right by the second model alone.
        p_value: two-sided, exact, of both being right equally often.
    """

    only_first: int
    only_second: int
    p_value: float


def mcnemar(truth: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]) -> Disagreement:
    """McNemar's exact test of one task: a fair coin over the examples that only one model gets right.

    It takes examples as independent and knows nothing of seeds; where cases hold several examples the interval of
    `significance.compare_scores` is the one to believe.

    Args:
        truth: class indices, (N,).
        first: predictions of one model, (N,).
        second: predictions of the other, (N,).

    Returns:
        The counts, and p = 1 where the models never disagree in being right.

    Source: McNemar, "Note on the Sampling Error of the Difference Between Correlated Proportions", 1947.
    """
    is_right, is_also_right = first == truth, second == truth
    only_first, only_second = int((is_right & ~is_also_right).sum()), int((~is_right & is_also_right).sum())
    if not only_first + only_second:
        return Disagreement(0, 0, 1.0)
    from scipy import stats

    p_value = float(stats.binomtest(only_first, only_first + only_second, 0.5).pvalue)
    return Disagreement(only_first, only_second, p_value)
