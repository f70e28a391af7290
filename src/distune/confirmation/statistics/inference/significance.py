"""Which contender is better: one interval for each comparison, and wider ones that hold for a whole family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from distune.confirmation.statistics.inference.standard_errors import LEVEL, NO_ERROR, Errors, errors_of

Verdict = Literal["better", "worse", "not significantly different"]


@dataclass(frozen=True)
class Comparison:
    """The first contender's score minus the second's.

    Attributes:
        first: name of the first contender.
        second: name of the second.
        difference: of the scores, each a mean over the seeds.
        errors: the parts of its variance.
        examples: test examples.
        groups: test cases.
        widest: no difference of two such scores is larger; 2 where a score may be as low as -1.
    """

    first: str
    second: str
    difference: float
    errors: Errors
    examples: int
    groups: int
    widest: float = 1.0

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
        from scipy import special

        return float(2 * special.stdtr(self.errors.freedom, -abs(self.difference) / error))

    def interval(self, level: float) -> tuple[float, float]:
        """Both ends of the interval that misses with the chance `level`, no wider than differences can be."""
        half = self.errors.half_width(self.groups, level)
        return max(-self.widest, self.difference - half), min(self.widest, self.difference + half)


@dataclass(frozen=True)
class FamilyVerdict:
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


Scored = tuple[str, NDArray[np.float64], NDArray[np.float64]]
"""A contender's name, its score with each seed, and the pseudo-values of these, (G, seeds)."""


def compare_scores(first: Scored, second: Scored, *, examples: int, lowest: float = 0.0) -> Comparison:
    """Difference of two contenders' scores with its errors over test cases and seeds.

    Both contenders answer the same cases, so what a case adds to both cancels. Their seeds count as unrelated even
    where they are the same: a seed that two configs share starts both from the same numbers, and if that makes them
    more alike the interval errs to the safe side, while the noise of the seeds is known from twice as many trainings.

    Args:
        first: the one that would be "better".
        second: the other, evaluated on the same two cases or more; a deterministic baseline has one seed and no part
            from seeds.
        examples: how many there are in these cases.
        lowest: no such score can lie below it; the highest is 1.

    Returns:
        The comparison; with one seed on both sides it speaks of these two models, not of their configs.
    """
    (name, ours, our_table), (other, theirs, their_table) = first, second
    return Comparison(
        name,
        other,
        float(ours.mean() - theirs.mean()),
        errors_of([our_table, -their_table]),
        examples,
        len(our_table),
        1 - lowest,
    )


def family_level(comparisons: int) -> float:
    """The level at which each of so many intervals must be made, so that all together miss with a chance of 5 %.

    Source: Sidak, "Rectangular confidence regions for the means of multivariate normal distributions", 1967: it holds
    for two-sided intervals however they depend on each other.
    """
    return float(1 - (1 - LEVEL) ** (1 / max(1, comparisons)))


def family_verdicts(comparisons: Mapping[str, Comparison]) -> dict[str, FamilyVerdict]:
    """Verdicts over a family of comparisons, by intervals that hold for all of them together.

    Args:
        comparisons: all comparisons of the family, by name.

    Returns:
        For each, "better" or "worse" (the first against the second) where its family-wise interval excludes 0.
    """
    level = family_level(len(comparisons))
    return {name: _family_verdict(each, level, len(comparisons)) for name, each in comparisons.items()}


def _family_verdict(comparison: Comparison, level: float, comparisons: int) -> FamilyVerdict:
    low, high = comparison.interval(level)
    verdict: Verdict = "better" if low > 0 else "worse" if high < 0 else "not significantly different"
    return FamilyVerdict(low, high, float(1 - (1 - comparison.p_value) ** comparisons), verdict)
