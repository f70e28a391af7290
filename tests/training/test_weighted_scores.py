"""Scores under weights: those of `task_score` on examples that are repeated or left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from distune.data.table import MISSING, Task
from distune.training.scoring.scores import UndefinedScore, task_score
from distune.training.scoring.weighted_scores import lowest_score, weighted_mean_score, weighted_task_score

RANDOM = np.random.default_rng(5)
N, ROUNDS = 40, 60
GRADE = RANDOM.integers(0, 3, N)[:, None]
FINDINGS = (RANDOM.random((N, 3)) < 0.3).astype(np.int64)
FINDINGS[RANDOM.random(FINDINGS.shape) < 0.2] = MISSING
WEIGHTS = RANDOM.integers(0, 3, (ROUNDS, N)) * (
    RANDOM.random((ROUNDS, N)) < np.linspace(0.1, 1, ROUNDS)[:, None]
)
SCORES = ("macro_f1", "balanced_accuracy", "auroc", "average_precision", "quadratic_kappa")


def rounded(rows: NDArray[Any]) -> NDArray[np.float64]:
    """With ties, which areas must not depend on the order of."""
    return np.round(rows, 1).astype(np.float64)


def case(kind: str, score: str) -> tuple[Task, NDArray[np.int64], NDArray[np.float64]]:
    if kind == "multi_label":
        return Task("findings", ("a", "b", "c"), kind, score), FINDINGS, rounded(RANDOM.random((N, 3)))
    if kind == "two classes":
        yes = rounded(RANDOM.random(N))
        return Task("side", ("l", "r"), "single_label", score), GRADE // 2, np.stack([1 - yes, yes], 1)
    return Task("grade", ("x", "y", "z"), kind, score), GRADE, rounded(RANDOM.dirichlet(np.ones(3), N))


@pytest.mark.parametrize(
    ("kind", "score"),
    [
        (kind, score)
        for kind in ("single_label", "two classes", "ordinal", "multi_label")
        for score in SCORES
        if kind == "ordinal" or score != "quadratic_kappa"
    ],
)
def test_a_weight_repeats_an_example(kind: str, score: str) -> None:
    task, truth, rows = case(kind, score)
    found = weighted_task_score(task, truth, rows, WEIGHTS.astype(float))
    assert np.isfinite(found).mean() > 0.8  # nearly all of them draw every class
    for weights, value in zip(WEIGHTS, found, strict=True):
        repeated = np.repeat(np.arange(N), weights)
        try:
            expected = task_score(task, truth[repeated], rows[repeated])
        except UndefinedScore:
            expected = float("nan")
        assert value == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_the_mean_is_weighted_by_task() -> None:
    tasks = (Task("a", ("x", "y"), weight=3.0), Task("b", ("x", "y"), "ordinal", "quadratic_kappa"))
    scores = [np.array([0.5, 1.0]), np.array([0.1, -1.0])]
    assert weighted_mean_score(scores, tasks) == pytest.approx([0.4, 0.5])
    alike = [replace(task, weight=0.3) for task in tasks]
    thirds = [np.array([0.3, 0.7]), np.array([0.1, 0.4])]
    assert weighted_mean_score(thirds, alike).tolist() == np.mean(thirds, axis=0).tolist(), "to the last bit"
    assert lowest_score(tasks) == -0.25
    assert lowest_score(tasks[:1]) == 0.0
