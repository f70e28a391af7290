"""Which contender is better: one interval for each comparison, and wider ones that hold for a whole family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from distune.confirmation.statistics.inference.standard_errors import LEVEL, NO_ERROR, Errors, errors_of
from distune.confirmation.statistics.scores.pseudovalues import counts_by_case, pseudovalues

Verdict = Literal["better", "worse", "not significantly different"]


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
        errors: the parts of its variance.
        examples: test examples.
        groups: test cases.
    """

    first: str
    second: str
    difference: float
    errors: Errors
    examples: int
    groups: int

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval of this comparison alone."""
        return self.interval(LEVEL)[0]

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval of this comparison alone."""
        return self.interval(LEVEL)[1]

    @property
    def p_value(self) -> float:
        """Two-sided, of no difference; not corrected."""
        error = self.errors.standard_error
        if error < NO_ERROR:
            return 1.0 if abs(self.difference) < NO_ERROR else 0.0
        from scipy import stats

        return float(2 * stats.t.sf(abs(self.difference) / error, self.errors.freedom))

    def interval(self, level: float) -> tuple[float, float]:
        """Both ends of the interval that misses with the chance `level`."""
        half = self.errors.half_width(self.groups, level)
        return self.difference - half, self.difference + half


@dataclass(frozen=True)
class Judgement:
    """What a comparison says as one of a family that is made together.

    Attributes:
        family_low: lower end of its family-wise 95 % interval.
        family_high: upper end.
        adjusted_p: p-value corrected for the family; below 0.05 where the interval excludes 0.
        verdict: of the first against the second, by the family-wise interval alone.
    """

    family_low: float
    family_high: float
    adjusted_p: float
    verdict: Verdict


def compare(
    labels: NDArray[np.int64], groups: Sequence[str], first: Contender, second: Contender
) -> Comparison:
    """Difference of two contenders' scores with its errors over test cases and seeds.

    The score is the mean over tasks of the macro F1. Both contenders answer the same cases, so what a case adds to both
    cancels. Their seeds count as unrelated even where they are the same: a seed that two configs share starts both from
    the same numbers, and if that makes them more alike the interval errs to the safe side, while the noise of the seeds
    is known from twice as many trainings.

    Args:
        labels: true class indices, (N, tasks).
        groups: case of each example, N names.
        first: the one that would be "better".
        second: the other; deterministic baselines have one seed and no part from seeds.

    Returns:
        The comparison; with one seed on both sides it speaks of these two models, not of their configs.

    Raises:
        ValueError: predictions, labels and groups do not fit together, or fewer than two cases.
    """
    for contender in (first, second):
        if contender.predictions.shape[1:] != labels.shape:
            raise ValueError(
                f"{contender.name}: predictions {contender.predictions.shape}, not (seeds, *{labels.shape})"
            )
    case_of = np.unique(np.asarray(groups), return_inverse=True)[1]
    count = int(case_of.max()) + 1
    if len(case_of) != len(labels) or count < 2:
        raise ValueError(f"{len(labels)} examples in {count} cases: need a case an example, and two cases")
    ours, theirs = (
        pseudovalues(counts_by_case(labels, case_of, contender.predictions)) for contender in (first, second)
    )
    return compare_scores((first.name, *ours), (second.name, *theirs), examples=len(labels))


Scored = tuple[str, NDArray[np.float64], NDArray[np.float64]]
"""A contender's name, its score with each seed, and the pseudo-values of these, (G, seeds)."""


def compare_scores(first: Scored, second: Scored, *, examples: int) -> Comparison:
    """Difference of two contenders' scores of any kind; see `compare`.

    Args:
        first: the one that would be "better".
        second: the other, judged on the same cases.
        examples: how many there are in these cases.
    """
    (name, ours, our_table), (other, theirs, their_table) = first, second
    return Comparison(
        name,
        other,
        float(ours.mean() - theirs.mean()),
        errors_of([our_table, -their_table]),
        examples,
        len(our_table),
    )


def family_level(comparisons: int) -> float:
    """The level at which each of so many intervals must be made, so that all together miss with a chance of 5 %.

    Source: Sidak, "Rectangular confidence regions for the means of multivariate normal distributions", 1967: it holds
    for two-sided intervals however they depend on each other.
    """
    return float(1 - (1 - LEVEL) ** (1 / max(1, comparisons)))


def judge(comparisons: Mapping[str, Comparison]) -> dict[str, Judgement]:
    """Verdicts over a family of comparisons, by intervals that hold for all of them together.

    Args:
        comparisons: all comparisons of the family, by name.

    Returns:
        For each, "better" or "worse" (the first against the second) where its family-wise interval excludes 0.
    """
    level = family_level(len(comparisons))
    return {name: _judged(each, level, len(comparisons)) for name, each in comparisons.items()}


def _judged(comparison: Comparison, level: float, comparisons: int) -> Judgement:
    low, high = comparison.interval(level)
    verdict: Verdict = "better" if low > 0 else "worse" if high < 0 else "not significantly different"
    return Judgement(low, high, float(1 - (1 - comparison.p_value) ** comparisons), verdict)
