"""Scores and evaluations of every kind of task, against scikit-learn and NumPy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    log_loss,
    roc_auc_score,
)

from distune.config import ScoreName
from distune.data.table import MISSING, Table, Task
from distune.training.scoring.evaluation import evaluate
from distune.training.scoring.metrics import decisions
from distune.training.scoring.missing_modalities import scores_apart
from distune.training.scoring.scores import macro_f1_by_task, overall_score, task_score
from distune.training.scoring.weighted_scores import weighted_task_score

RANDOM = np.random.default_rng(3)
N = 80
TRUTH = RANDOM.integers(0, 3, N)
ROWS = RANDOM.dirichlet(np.ones(3), N) * 0.6 + 0.4 * np.eye(3)[TRUTH]
LABELS = (RANDOM.random((N, 4)) < 0.4).astype(np.int64)
YES = np.clip(RANDOM.random((N, 4)) * 0.8 + 0.2 * LABELS, 0, 1)
CLASSES = ("mild", "moderate", "severe")
FINDINGS = ("a", "b", "c", "d")


def single(score: str) -> Task:
    return Task("grade", CLASSES, "ordinal" if score == "quadratic_kappa" else "single_label", score)


def multi(score: str) -> Task:
    return Task("findings", FINDINGS, "multi_label", score)


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        ("macro_f1", f1_score(TRUTH, ROWS.argmax(1), average="macro")),
        ("balanced_accuracy", balanced_accuracy_score(TRUTH, ROWS.argmax(1))),
        ("auroc", roc_auc_score(TRUTH, ROWS, multi_class="ovr", average="macro")),
        ("average_precision", average_precision_score(np.eye(3)[TRUTH], ROWS, average="macro")),
        ("quadratic_kappa", cohen_kappa_score(TRUTH, ROWS.argmax(1), weights="quadratic")),
    ],
)
def test_scores_of_exclusive_classes(score: str, expected: float) -> None:
    assert task_score(single(score), TRUTH[:, None], ROWS) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        ("macro_f1", f1_score(LABELS, YES > 0.5, average="macro")),
        (
            "balanced_accuracy",
            np.mean([balanced_accuracy_score(LABELS[:, k], YES[:, k] > 0.5) for k in range(4)]),
        ),
        ("auroc", roc_auc_score(LABELS, YES, average="macro")),
        ("average_precision", average_precision_score(LABELS, YES, average="macro")),
    ],
)
def test_scores_of_labels(score: str, expected: float) -> None:
    assert task_score(multi(score), LABELS, YES) == pytest.approx(expected)


def test_two_classes_have_one_area() -> None:
    truth, rows = (TRUTH > 0).astype(np.int64), np.stack([ROWS[:, 0], 1 - ROWS[:, 0]], axis=1)
    task = Task("t", ("no", "yes"), score="auroc")
    assert task_score(task, truth[:, None], rows) == pytest.approx(roc_auc_score(truth, rows[:, 1]))


def test_two_classes_have_two_average_precisions() -> None:
    """Of the second class the hit is second; of the first one the hits are first, second and fourth."""
    rows = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.35, 0.65]])
    task = Task("t", ("no", "yes"), score="average_precision")
    found = task_score(task, np.array([0, 0, 0, 1])[:, None], rows)
    assert found == pytest.approx((1 / 2 + (1 + 1 + 3 / 4) / 3) / 2)


@pytest.mark.parametrize(
    ("score", "reference"), [("auroc", roc_auc_score), ("average_precision", average_precision_score)]
)
def test_areas_with_ties_and_weights(score: str, reference: Callable[..., float]) -> None:
    rows, weights = np.round(ROWS, 1), RANDOM.integers(0, 3, N)
    expected = [reference(k == TRUTH, rows[:, k], sample_weight=weights) for k in range(3)]
    (found,) = weighted_task_score(single(score), TRUTH[:, None], rows, weights[None].astype(float))
    assert found == pytest.approx(np.mean(expected), abs=1e-12)
    plain = np.mean([reference(k == TRUTH, rows[:, k]) for k in range(3)])
    assert task_score(single(score), TRUTH[:, None], rows) == pytest.approx(plain, abs=1e-12)


@pytest.mark.parametrize("score", get_args(ScoreName))
def test_probabilities_that_are_not_finite_have_no_score(score: ScoreName) -> None:
    """NaN is no vote for the first class."""
    rows = ROWS.copy()
    rows[5, 1] = np.nan
    with pytest.raises(FloatingPointError, match="grade"):
        task_score(single(score), TRUTH[:, None], rows)


@pytest.mark.parametrize("score", ["macro_f1", "balanced_accuracy", "auroc", "average_precision"])
def test_unknown_labels_are_left_out_label_by_label(score: str) -> None:
    labels = LABELS.copy()
    labels[RANDOM.random(labels.shape) < 0.3] = MISSING
    parts = []
    for k in range(4):
        known = labels[:, k] != MISSING
        one = Task("one", (FINDINGS[k],), "multi_label", score)  # type: ignore[arg-type]
        parts.append(task_score(one, labels[known, k : k + 1], YES[known, k : k + 1]))
    assert task_score(multi(score), labels, YES) == pytest.approx(np.mean(parts))


def test_a_score_that_is_not_defined_says_so() -> None:
    with pytest.raises(ValueError, match="area under the ROC curve"):
        task_score(single("auroc"), np.zeros((4, 1), np.int64), ROWS[:4])
    same = np.zeros((4, 1), np.int64)
    assert task_score(single("quadratic_kappa"), same, np.tile([0.9, 0.1, 0.0], (4, 1))) == 0.0


def test_the_score_is_the_weighted_mean_over_the_tasks() -> None:
    tasks = [Task("grade", CLASSES, "ordinal", "quadratic_kappa", 3.0), multi("auroc")]
    labels = np.concatenate([TRUTH[:, None], LABELS], axis=1)
    kappa = cohen_kappa_score(TRUTH, ROWS.argmax(1), weights="quadratic")
    expected = (3 * kappa + roc_auc_score(LABELS, YES, average="macro")) / 4
    assert overall_score(labels, [ROWS, YES], tasks) == pytest.approx(expected)
    found = evaluate(labels, [ROWS, YES], tasks)
    assert found["score"] == pytest.approx(expected)
    assert found["tasks"]["grade"]["score"] == {"name": "quadratic_kappa", "value": pytest.approx(kappa)}
    assert macro_f1_by_task(labels, [ROWS, YES], tasks) == pytest.approx(
        {"grade": found["tasks"]["grade"]["macro_f1"], "findings": found["tasks"]["findings"]["macro_f1"]}
    )


def test_a_label_is_predicted_above_a_half_and_the_first_of_equal_classes() -> None:
    rows = np.array([[0.5, 0.51, 0.49]])
    assert decisions(Task("signs", ("a", "b", "c"), "multi_label"), rows).tolist() == [[0, 1, 0]]
    assert decisions(Task("kind", ("a", "b", "c")), np.array([[0.4, 0.4, 0.2]])).tolist() == [[0]]


def test_the_evaluation_of_labels() -> None:
    found = evaluate(LABELS, [YES], [multi("macro_f1")])["tasks"]["findings"]
    said = YES > 0.5
    assert found["accuracy"] == pytest.approx((said == LABELS).mean())
    assert found["auc"] == pytest.approx(roc_auc_score(LABELS, YES, average="macro"))
    assert found["log_loss"] == pytest.approx(np.mean([log_loss(LABELS[:, k], YES[:, k]) for k in range(4)]))
    assert found["classes"]["b"]["support"] == LABELS[:, 1].sum()
    assert found["confusion"]["c"] == [
        [int(((LABELS[:, 2] == t) & (said[:, 2] == p)).sum()) for p in (0, 1)] for t in (0, 1)
    ]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_examples_apart_may_leave_their_score_undefined_but_hide_no_other_fault() -> None:
    """Two are complete, one of each class; two lack their text and are of one class."""
    names = ("0", "1", "2", "3")
    task = Task("sign", ("no", "yes"), score="auroc")
    labels, rows = np.array([[0], [1], [1], [1]]), np.arange(4)
    table = Table(
        Path(), names, names, ("a", "b", "", ""), labels, names, ("dev",) * 4, (task,), may_lack=True
    )
    told = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5], [0.5, 0.5]])
    assert scores_apart(table, rows, [told]) == {
        "complete": {"examples": 2, "score": 1.0},
        "without_text": {"examples": 2, "score": None},
    }
    with pytest.raises(ValueError, match="is longer"):
        scores_apart(table, rows, [told, told])
