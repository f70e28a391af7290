"""Scores of a trained student on labelled data, with intervals over patients or cases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.confirmation.statistics.bootstrap import resampled_scores
from distune.confirmation.statistics.files import read_judged
from distune.training.metrics import score

EXTERNAL = "external_evaluations.jsonl"
"""Evaluations on external data, one a line, beside the run that was evaluated."""
RESAMPLES = 2000
SEED = 20_231_117


def judged_with_intervals(folder: Path, split: str) -> dict[str, Any] | None:
    """Score and interval of a run folder's recorded predictions; None where there are none for the split."""
    judged = read_judged(folder, split)
    if judged is None:
        return None
    return {
        "score": score(judged.labels, judged.predictions),
        "interval": score_interval(judged.labels, judged.groups, judged.predictions),
        "examples": len(judged.labels),
    }


def score_interval(
    labels: NDArray[np.int64], groups: Sequence[str], predictions: NDArray[np.int64]
) -> tuple[float, float]:
    """The 95 % percentile interval of the score over resamples of whole patients or cases.

    Args:
        labels: true class indices, (N, tasks).
        groups: patient or case of each example.
        predictions: predicted class indices, (N, tasks).
    """
    group_of = np.unique(np.asarray(groups), return_inverse=True)[1].astype(np.int64)
    answers = predictions[None]
    scores, _ = resampled_scores(labels, group_of, answers, answers[:, :, :], resamples=RESAMPLES, seed=SEED)
    low, high = np.percentile(scores[:, 0], (2.5, 97.5))
    return float(low), float(high)
