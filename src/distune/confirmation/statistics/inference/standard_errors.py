"""How far a mean over seeds and cases can be off: the parts of its variance, and its degrees of freedom.

Pseudo-values in a table of G cases and S seeds vary by case, by seed, and by the luck of single seeds with single
cases. With the mean squares of the two-way table (MS_C of cases, MS_S of seeds, MS_I of their interaction) the mean
errs by

    variance = (MS_C + MS_S - MS_I) / (G * S)

in which the interaction, that is in both other mean squares, counts once. Its degrees of freedom are Satterthwaite's.
Studies with several readers and cases are evaluated in this way; seeds take the place of the readers.

Source: Dorfman, Berbaum, Metz, "Receiver operating characteristic rating analysis", 1992; Hillis, "A comparison of
denominator degrees of freedom methods for multiple observer ROC analysis", 2007; Satterthwaite, 1946.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEVEL = 0.05
"""The chance that a 95 % interval misses."""
NO_ERROR = 1e-12
"""A standard error below it is rounding."""


@dataclass(frozen=True)
class Errors:
    """The variance of a mean over seeds and cases.

    Attributes:
        cases: the part by the choice of the cases; it shrinks with 1 / cases.
        seeds: the part by the seeds; it shrinks with 1 / seeds.
        interaction: the part by the luck of single seeds with single cases; it shrinks with either.
        freedom: degrees of freedom of the standard error.
    """

    cases: float
    seeds: float
    interaction: float
    freedom: float

    @property
    def standard_error(self) -> float:
        """Of the mean."""
        return math.sqrt(self.cases + self.seeds + self.interaction)

    def quantile(self, level: float = LEVEL) -> float:
        """Half the width, in standard errors, of a two-sided interval that misses with the chance `level`."""
        from scipy import special  # its functions cost a fiftieth of those of scipy.stats, and give the same

        return float(special.stdtrit(self.freedom, 1 - level / 2))

    def scaled(self, factor: float) -> Errors:
        """The errors of the same mean in other units, of which one was so many."""
        square = factor**2
        return Errors(self.cases * square, self.seeds * square, self.interaction * square, self.freedom)

    def half_width(self, cases: int, level: float = LEVEL) -> float:
        """Half the width of the interval of a difference, that misses with the chance `level`.

        Where no case differs from the others, the next one may: none of G cases leaves a share of them of
        1 - (level / 2)^(1 / G) possible (Clopper, Pearson, 1934).
        """
        if self.standard_error < NO_ERROR:
            return float(1 - (level / 2) ** (1 / cases))
        return self.quantile(level) * self.standard_error

    def with_more(self, *, cases: float = 1.0, seeds: float = 1.0) -> Errors:
        """The errors with so many times as many cases and seeds."""
        return Errors(
            self.cases / cases, self.seeds / seeds, self.interaction / (cases * seeds), self.freedom
        )


def errors_of(tables: Sequence[Floats]) -> Errors:
    """The errors of a sum of means over seeds, each of a table over the same cases.

    Args:
        tables: pseudo-values (G, S) of trainings that have nothing to do with each other: one of a single config, two
            of a difference (the second negative). A table of one seed adds no part by seeds: what is said holds for
            that model.

    Returns:
        The parts of the variance, none of them negative.
    """
    cases = len(tables[0])
    by_case = np.sum([table.mean(axis=1) for table in tables], axis=0)
    by_cases = float(by_case.var(ddof=1)) / cases
    repeated = [table for table in tables if table.shape[1] > 1]
    by_seeds = [float(table.mean(axis=0).var(ddof=1)) / table.shape[1] for table in repeated]
    shared = [interaction_of(table) for table in repeated]
    seeds, interaction = max(0.0, sum(by_seeds) - sum(shared)), min(by_cases, sum(shared))
    terms = [(by_cases, cases - 1.0)]
    for table, variance, both in zip(repeated, by_seeds, shared, strict=True):
        terms += [(variance, table.shape[1] - 1.0), (both, (cases - 1.0) * (table.shape[1] - 1.0))]
    spread = sum(variance**2 / freedom for variance, freedom in terms)
    # A difference of mean squares near 0 would leave less than one degree of freedom, and intervals without an end.
    freedom = max(1.0, (by_cases + seeds) ** 2 / spread) if spread > 0 else cases - 1.0
    return Errors(by_cases - interaction, seeds, interaction, freedom)


def interaction_of(table: Floats) -> float:
    """The variance that the interaction adds to the mean of a table."""
    cases, seeds = table.shape
    rest = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    return float((rest**2).sum() / ((cases - 1) * (seeds - 1) * cases * seeds))
