"""The final scores that pruned trials might have had, drawn from what complete trials did after the same step.

The final score is predicted from the score at the step and from the parameters. Without the parameters, what they
change after the step is lost, and the imputed scores, and with them the effects, are drawn towards each other. A part
of that remains: complete trials are those that were also lucky after the step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distune.analysis.parameters.linear import Fit, fit
from distune.analysis.records.study_record import TrialRecord

ANCHORS = 5
SMALLEST_VARIANCE = 1e-12

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Anchor:
    """The model of the final score at one step: final = level + (columns, standardised score) @ coefficients + noise.

    Attributes:
        level: mean of the final scores.
        centre: mean of the scores at the step.
        spread: their standard deviation.
        fit: posterior of the coefficients.
    """

    level: float
    centre: float
    spread: float
    fit: Fit

    def standardised(self, scores: Floats) -> Floats:
        """Scores at the step in standard deviations from their mean."""
        return (scores - self.centre) / self.spread


def usable_steps(complete: Sequence[TrialRecord]) -> set[int]:
    """The steps at which at least five complete trials report a score."""
    reports = Counter(step for trial in complete for step in trial.intermediate)
    return {step for step, count in reports.items() if count >= ANCHORS}


def can_impute(trial: TrialRecord, steps: Set[int]) -> bool:
    """Whether a trial's last step is one of the usable ones."""
    return bool(trial.intermediate) and max(trial.intermediate) in steps


def anchors(complete: Sequence[TrialRecord], columns: Floats, steps: Set[int]) -> dict[int, Anchor]:
    """Fits the model of each step.

    Args:
        complete: complete trials.
        columns: of the effects' model for each of them, (trials, columns); the first is the intercept.
        steps: at which a pruned trial ends.
    """
    found = {}
    for step in sorted(steps):
        rows = [row for row, trial in enumerate(complete) if step in trial.intermediate]
        scores = np.array([complete[row].intermediate[step] for row in rows])
        finals = np.array([complete[row].value for row in rows], dtype=float)
        centre, spread = float(scores.mean()), float(scores.std()) or 1.0
        found[step] = Anchor(
            float(finals.mean()), centre, spread, _fitted(columns[rows], (scores - centre) / spread, finals)
        )
    return found


def _fitted(columns: Floats, scores: Floats, finals: Floats) -> Fit:
    """A line in the score, and parameters that are expected to explain as much again as what it leaves open.

    This prior matters where complete trials are few: a flat one would let the parameters do anything.
    """
    line = np.column_stack([np.ones(len(scores)), scores])
    rest = fit(line, finals, np.array([np.inf, np.inf])).variance
    width = np.sqrt(rest / max(float(columns.var(axis=0).sum()), SMALLEST_VARIANCE))
    widths = np.full(columns.shape[1] + 1, width)
    widths[[0, -1]] = np.inf
    return fit(np.column_stack([columns, scores]), finals, widths)


def imputed(
    pruned: Sequence[TrialRecord], columns: Floats, known: Mapping[int, Anchor], rng: np.random.Generator
) -> Floats:
    """One draw of the final scores of pruned trials, from models drawn from their posteriors.

    Args:
        pruned: trials that `can_impute` accepts.
        columns: of the effects' model for each of them, (trials, columns).
        known: the anchors of their last steps.
        rng: source of the draws.

    Returns:
        Scores of shape (pruned,).
    """
    last = np.array([max(trial.intermediate) for trial in pruned], dtype=int)
    finals = np.empty(len(pruned))
    for step in np.unique(last):
        rows, anchor = last == step, known[int(step)]
        ended = [trial for trial, is_here in zip(pruned, rows, strict=True) if is_here]
        scores = anchor.standardised(np.array([trial.intermediate[int(step)] for trial in ended]))
        finals[rows] = anchor.level + _drawn(anchor.fit, np.column_stack([columns[rows], scores]), rng)
    return finals


def _drawn(posterior: Fit, design: Floats, rng: np.random.Generator) -> Floats:
    """New observations: noise and coefficients drawn, with the noise's own uncertainty."""
    scale = posterior.freedom / rng.chisquare(posterior.freedom)
    covariance = scale * posterior.covariance  # singular to rounding where the noise is next to none
    coefficients = rng.multivariate_normal(posterior.mean, covariance, check_valid="ignore", method="eigh")
    noise = np.sqrt(scale * posterior.variance) * rng.standard_normal(len(design))
    return np.asarray(design @ coefficients + noise)
