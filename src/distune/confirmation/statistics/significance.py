"""Which contender is better: intervals that honour seeds and test cases, corrected p-values, plain verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from distune.confirmation.statistics.bootstrap import resampled_scores, seed_scores

Verdict = Literal["better", "worse", "not distinguishable"]

LEVEL = 0.05
RESAMPLES = 2000
RESAMPLES_A_COMPARISON = 200
"""So many for each comparison of a family: else Holm's factor lifts the smallest possible p-value above the level."""


@dataclass(frozen=True)
class Contender:
    """Predictions of one config, trained once with each seed, for the same test examples.

    Attributes:
        name: of the contender.
        predictions: predicted class indices, (seeds, N, tasks).
        seeds: the seed of each training; one entry where training is deterministic.
    """

    name: str
    predictions: NDArray[np.int64]
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.predictions.ndim != 3 or len(self.seeds) != len(self.predictions) or not self.seeds:
            raise ValueError(
                f"{self.name}: {len(self.seeds)} seeds for predictions {self.predictions.shape}, "
                "need (seeds, N, tasks) with at least one seed"
            )


@dataclass(frozen=True)
class Comparison:
    """The first contender's score minus the second's.

    Attributes:
        first: name of the first contender.
        second: name of the second.
        difference: of the scores, each a mean over the seeds; -1 to 1.
        low: lower end of the 95 % interval.
        high: upper end.
        p_value: two-sided, of no difference; not corrected.
        test_error: standard error that comes from the choice of test cases.
        seed_error: standard error that comes from the seeds; 0 where neither contender has two.
        interaction_error: the part that is in both of these: the luck of single seeds with single cases.
        examples: test examples.
        groups: test cases.
        paired_seeds: both were trained with the same seeds and compared seed by seed.
        resamples: of the test cases; the p-value is 1 / (resamples + 1) or more.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    p_value: float
    test_error: float
    seed_error: float
    interaction_error: float
    examples: int
    groups: int
    paired_seeds: bool
    resamples: int = RESAMPLES


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its 95 % interval; `low` and `high` are None for a single seed."""

    mean: float
    low: float | None
    high: float | None
    seeds: int


@dataclass(frozen=True)
class Judgement:
    """What a comparison says after correction for all that were made together."""

    adjusted_p: float
    verdict: Verdict


def compare(
    labels: NDArray[np.int64],
    groups: Sequence[str],
    first: Contender,
    second: Contender,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Difference of two contenders' scores with an interval over test cases and seeds.

    The score is the mean over tasks of the macro F1. Test cases are resampled whole (a case is a group of examples),
    both contenders on the same resample: D*_r, centred on the observed difference D and widened by sqrt(G / (G - 1))
    for G cases. Resampling five seeds would be far too narrow, so their part is Student's: with d_s the difference
    for seed s on all cases, the uncertain difference is

        D*_r + std(d) / sqrt(S) * t_(S - 1)

    (Welch's form where the seeds differ). The interval is its central 95 %, and the p-value twice its smaller tail
    beyond 0. The noise between seeds and test cases counts in both parts, which errs to the safe side.

    Args:
        labels: true class indices, (N, tasks).
        groups: case of each example, N names.
        first: the one that would be "better".
        second: the other; deterministic baselines have one seed and no part from seeds.
        resamples: number of resamples of the test cases.
        seed: of the resampling.

    Returns:
        The comparison; with one seed on both sides it speaks of these two models, not of their configs.

    Raises:
        ValueError: predictions, labels and groups do not fit together, or fewer than two cases.

    Source: Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 8 (whole groups as units); Welch, 1947.
    """
    for contender in (first, second):
        if contender.predictions.shape[1:] != labels.shape:
            raise ValueError(
                f"{contender.name}: predictions {contender.predictions.shape}, not (seeds, *{labels.shape})"
            )
    group_of = np.unique(np.asarray(groups), return_inverse=True)[1]
    count = int(group_of.max()) + 1
    if len(group_of) != len(labels) or count < 2:
        raise ValueError(f"{len(labels)} examples in {count} cases: need a case an example, and two cases")
    scores = [seed_scores(labels, contender.predictions) for contender in (first, second)]
    difference = float(scores[0].mean() - scores[1].mean())
    widened = math.sqrt(count / (count - 1))
    resampled = [
        widened * (each - each.mean(axis=0))
        for each in resampled_scores(
            labels, group_of, first.predictions, second.predictions, resamples=resamples, seed=seed
        )
    ]
    drawn = difference + resampled[0].mean(axis=1) - resampled[1].mean(axis=1)
    is_paired = first.seeds == second.seeds and len(first.seeds) > 1
    if is_paired:
        scores, resampled = [scores[0] - scores[1]], [resampled[0] - resampled[1]]
    seed_error, freedom = _seed_error(scores)
    low, high = (_quantile(drawn, seed_error, freedom, tail) for tail in (LEVEL / 2, 1 - LEVEL / 2))
    below = _below(0.0, drawn, seed_error, freedom)
    return Comparison(
        first.name,
        second.name,
        difference,
        low,
        high,
        min(1.0, max(2 * min(below, 1 - below), 1 / (resamples + 1))),
        float(drawn.std(ddof=1)),
        seed_error,
        _interaction_error(resampled),
        len(labels),
        count,
        is_paired,
        resamples,
    )


def resamples_for(comparisons: int) -> int:
    """How many resamples a family of so many comparisons needs, so that its smallest p-value is 0.005 corrected."""
    return max(RESAMPLES, RESAMPLES_A_COMPARISON * comparisons)


def interval_over_seeds(scores: Sequence[float]) -> Interval:
    """Mean of the scores with Student's 95 % interval: mean +- t_(S - 1) * std / sqrt(S)."""
    values = np.asarray(scores, dtype=np.float64)
    if not len(values):
        raise ValueError("no score to average")
    mean = float(values.mean())
    if len(values) < 2:
        return Interval(mean, None, None, 1)
    from scipy import stats

    half = float(stats.t.ppf(1 - LEVEL / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    return Interval(mean, mean - half, mean + half, len(values))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: the chance of any false claim in the family stays below the level.

    Args:
        p_values: of all comparisons that are made together.

    Returns:
        Adjusted p-values in the same order: the k-th smallest times (m - k + 1), at most 1, made non-decreasing.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    factors = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return [float(value) for value in adjusted]


def judge(comparisons: Mapping[str, Comparison], level: float = LEVEL) -> dict[str, Judgement]:
    """Verdicts over a family of comparisons, after Holm's correction.

    Args:
        comparisons: all comparisons of the family, by name.
        level: chance of any false claim in the family.

    Returns:
        For each, "better" or "worse" (the first against the second) where its adjusted p-value is below the level.
    """
    adjusted = holm([each.p_value for each in comparisons.values()])
    return {
        name: Judgement(p, _verdict(each.difference, p < level))
        for (name, each), p in zip(comparisons.items(), adjusted, strict=True)
    }


def _verdict(difference: float, is_told: bool) -> Verdict:
    if not is_told or not difference:
        return "not distinguishable"
    return "better" if difference > 0 else "worse"


def _seed_error(samples: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Standard error of a sum of means over seeds, and its degrees of freedom (Welch, Satterthwaite)."""
    parts = [(float(each.var(ddof=1)) / len(each), len(each) - 1) for each in samples if len(each) > 1]
    total = sum(variance for variance, _ in parts)
    if not total:
        return 0.0, 1.0
    return math.sqrt(total), total**2 / sum(variance**2 / freedom for variance, freedom in parts)


def _interaction_error(resampled: Sequence[NDArray[np.float64]]) -> float:
    """Standard error of the same means over seeds that resampling the cases gives each seed by itself."""
    parts = [each.var(axis=1, ddof=1).mean() / each.shape[1] for each in resampled if each.shape[1] > 1]
    return math.sqrt(float(sum(parts)))


def _below(value: float, drawn: NDArray[np.float64], error: float, freedom: float) -> float:
    """Chance that a random one of `drawn` plus error * t is below the value; a tie counts as half."""
    if not error:
        return float(((drawn < value) + 0.5 * (drawn == value)).mean())
    from scipy import special

    return float(special.stdtr(freedom, (value - drawn) / error).mean())


def _quantile(drawn: NDArray[np.float64], error: float, freedom: float, chance: float) -> float:
    """The value that `_below` gives the chance."""
    if not error:
        return float(np.quantile(drawn, chance))
    from scipy import optimize, special

    reach = -error * float(special.stdtrit(freedom, min(chance, 1 - chance) / 2))
    ends = float(drawn.min()) - reach, float(drawn.max()) + reach
    return float(optimize.brentq(lambda x: _below(x, drawn, error, freedom) - chance, *ends, xtol=1e-7))
