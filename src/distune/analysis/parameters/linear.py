"""A linear model with a wide normal prior, and its fits joined over imputations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
PRIOR_WIDTH = 3.0
SMALLEST_NOISE = 1e-8

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """The posterior of a linear model.

    Attributes:
        mean: coefficients, (columns,).
        covariance: of the coefficients, (columns, columns).
        variance: of the noise.
        freedom: residual degrees of freedom.
    """

    mean: Floats
    covariance: Floats
    variance: float
    freedom: float


def fit(design: Floats, scores: Floats, widths: Floats | None = None) -> Fit:
    """Posterior of the coefficients; the noise variance is found with it by repetition.

    Args:
        design: (trials, columns); the first column is the intercept.
        scores: (trials,).
        widths: standard deviation of each coefficient's prior, infinite for a flat one; by default flat for the
            intercept, else three standard deviations of the scores.
    """
    centre, spread = float(scores.mean()), float(scores.std()) or 1e-12
    if widths is None:
        widths = np.full(design.shape[1], PRIOR_WIDTH * spread)
        widths[0] = np.inf
    precision = 1 / widths**2
    gram, moment = design.T @ design, design.T @ (scores - centre)
    variance, freedom = spread**2, float(len(scores) - 1)
    for _ in range(100):
        covariance = np.linalg.inv(gram / variance + np.diag(precision))
        mean: Floats = np.asarray(covariance @ moment / variance, dtype=np.float64)
        residual = scores - centre - design @ mean
        used = float(np.trace(covariance @ gram) / variance)
        freedom = max(len(scores) - used, 1.0)
        updated = max(float(residual @ residual) / freedom, SMALLEST_NOISE * spread**2)
        if abs(updated - variance) <= 1e-9 * variance:
            break
        variance = updated
    return Fit(mean, np.asarray(covariance, dtype=np.float64), variance, freedom)


def joined(weights: Floats, fits: Sequence[Fit]) -> tuple[float, float, float]:
    """A weighted sum of coefficients over all imputations, by Rubin's rules.

    Args:
        weights: of the coefficients, (columns,).
        fits: one fit an imputation.

    Returns:
        The estimate, half the width of its 95 % interval, and the two-sided p-value of zero.
    """
    from scipy.special import stdtr, stdtrit  # scipy.stats takes seconds to import

    estimates = np.array([weights @ fit.mean for fit in fits])
    within = float(np.mean([weights @ fit.covariance @ weights for fit in fits]))
    between = float(estimates.var(ddof=1)) * (1 + 1 / len(fits)) if len(fits) > 1 else 0.0
    freedom = float(np.mean([fit.freedom for fit in fits]))
    if between > 0:
        by_imputation = (len(fits) - 1) * (1 + within / between) ** 2
        freedom = 1 / (1 / by_imputation + 1 / freedom)
    error = float(np.sqrt(within + between))
    estimate = float(estimates.mean())
    half = float(stdtrit(freedom, 0.5 + CONFIDENCE / 2)) * error
    return estimate, half, float(2 * stdtr(freedom, -abs(estimate) / error)) if error > 0 else 1.0
