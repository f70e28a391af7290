"""The final scores that pruned trials might have had, drawn from what complete trials did after the same step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distune.analysis.records import TrialRecord

ANCHORS = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Anchor:
    """What complete trials scored at one step and in the end.

    Attributes:
        scores: at the step, (trials,).
        finals: in the end, (trials,).
    """

    scores: Floats
    finals: Floats


def anchors(complete: Sequence[TrialRecord]) -> dict[int, Anchor]:
    """The steps at which at least five complete trials report a score."""
    by_step: dict[int, list[tuple[float, float]]] = {}
    for trial in complete:
        for step, score in trial.intermediate.items():
            by_step.setdefault(step, []).append((score, float(trial.value or 0.0)))
    return {
        step: Anchor(np.array([score for score, _ in pairs]), np.array([final for _, final in pairs]))
        for step, pairs in by_step.items()
        if len(pairs) >= ANCHORS
    }


def can_impute(trial: TrialRecord, known: Mapping[int, Anchor]) -> bool:
    """Whether a trial's last step is one of the anchors."""
    return bool(trial.intermediate) and max(trial.intermediate) in known


def imputed(pruned: Sequence[TrialRecord], known: Mapping[int, Anchor], rng: np.random.Generator) -> Floats:
    """One draw of the final scores of pruned trials, from a regression line drawn from its posterior.

    Args:
        pruned: trials that `can_impute` accepts.
        known: the anchors.
        rng: source of the draws.

    Returns:
        Scores of shape (pruned,).
    """
    lines = {
        step: _drawn_line(known[step], rng) for step in sorted({max(trial.intermediate) for trial in pruned})
    }
    finals = []
    for trial in pruned:
        step = max(trial.intermediate)
        line = lines[step]
        expected = line.level + line.slope * (trial.intermediate[step] - line.centre)
        finals.append(expected + line.spread * rng.standard_normal())
    return np.array(finals, dtype=float)


@dataclass(frozen=True)
class _Line:
    """final = level + slope * (score - centre) + spread * noise."""

    centre: float
    level: float
    slope: float
    spread: float


def _drawn_line(anchor: Anchor, rng: np.random.Generator) -> _Line:
    """A least-squares line, drawn from its posterior under the flat prior."""
    centre = float(anchor.scores.mean())
    shifted, count = anchor.scores - centre, len(anchor.scores)
    squares = float(shifted @ shifted)
    slope = float(shifted @ anchor.finals / squares) if squares > 0 else 0.0
    level = float(anchor.finals.mean())
    residual = anchor.finals - level - slope * shifted
    spread = float(np.sqrt(residual @ residual / rng.chisquare(count - 2)))
    level += spread / np.sqrt(count) * rng.standard_normal()
    if squares > 0:
        slope += spread / np.sqrt(squares) * rng.standard_normal()
    return _Line(centre, level, slope, spread)
