"""How good probabilities are, on all cases and without each: area under the curve, calibration error, log loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.confirmation.statistics.inference.intervals import interval_above_zero
from distune.confirmation.statistics.scores.case_scores import CaseScores, TaskAnswers
from distune.data.table import MISSING
from distune.training.scoring.metrics import CALIBRATION_BINS, SMALLEST_PROBABILITY, calibration_bin
from distune.training.scoring.temperature_scaling import exclusive_answers

Floats = NDArray[np.float64]


def area_under_curve(answers: TaskAnswers) -> dict[str, Any]:
    """The macro mean of the one-vs-rest areas; no interval where a class, or all others, are in a single case."""
    return asdict(replace(answers, task=replace(answers.task, score="auroc")).score().interval())


def calibration(answers: TaskAnswers) -> dict[str, dict[str, Any]]:
    """The expected calibration error and the log loss, means over the labels of a multi-label task."""
    pairs = [_of_a_seed(answers, seed) for seed in range(len(answers.probabilities))]
    error, loss = (
        CaseScores(
            np.array([pair[which][0] for pair in pairs]), np.stack([pair[which][1] for pair in pairs], axis=1)
        )
        for which in (0, 1)
    )
    return {
        "calibration_error": asdict(error.interval()),
        "log_loss": asdict(interval_above_zero(loss.values, loss.pseudovalues)),
    }


Without = tuple[float, Floats]
"""A number on all cases, and without each, (G,)."""


def _of_a_seed(answers: TaskAnswers, seed: int) -> tuple[Without, Without]:
    """Calibration error and log loss of one training."""
    rows = answers.probabilities[seed].astype(np.float64)
    cases = int(answers.cases.max()) + 1
    errors, losses = [], []
    columns = exclusive_answers(answers.task, answers.labels, rows)
    for labels, (truth, asked) in zip(answers.labels.T, columns, strict=True):
        if not len(truth):
            continue
        error, loss = _of_a_column(truth, asked, answers.cases[labels != MISSING], cases)
        errors.append(error)
        losses.append(loss)
    return _mean(errors), _mean(losses)


def _of_a_column(
    truth: NDArray[np.int64], rows: NDArray[np.floating[Any]], case_of: NDArray[np.int64], cases: int
) -> tuple[Without, Without]:
    examples = np.bincount(case_of, minlength=cases).astype(np.float64)
    left = np.maximum(len(truth) - examples, 1.0)
    confidence = rows.max(axis=1)
    gaps = (rows.argmax(axis=1) == truth) - confidence
    place = case_of * CALIBRATION_BINS + calibration_bin(confidence)
    by_case = np.bincount(place, weights=gaps, minlength=cases * CALIBRATION_BINS).reshape(cases, -1)
    every = by_case.sum(axis=0)
    error = np.abs(every).sum() / len(truth), np.abs(every - by_case).sum(axis=1) / left
    chosen = np.maximum(rows[np.arange(len(truth)), truth], SMALLEST_PROBABILITY)
    losses = np.bincount(case_of, weights=-np.log(chosen), minlength=cases)
    return (float(error[0]), error[1]), (float(losses.sum() / len(truth)), (losses.sum() - losses) / left)


def _mean(parts: Sequence[Without]) -> Without:
    return float(np.mean([whole for whole, _ in parts])), np.mean([without for _, without in parts], axis=0)
