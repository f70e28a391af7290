"""Scores and evaluations of every kind of task, against scikit-learn and NumPy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
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
from distune.errors import DataError
from distune.training.scoring.evaluation import evaluate
from distune.training.scoring.metrics import decisions
from distune.training.scoring.missing_modalities import kinds_of_input, scores_apart
from distune.training.scoring.scores import (
    UndefinedScore,
    check_scores,
    macro_f1_by_task,
    overall_score,
    score_in_words,
    task_score,
    undefined_scores,
)
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


def test_the_score_in_words_names_what_differs() -> None:
    def tasks(*about: tuple[str, float]) -> list[Task]:
        return [
            Task(name, ("x", "y"), score=score, weight=weight)  # type: ignore[arg-type]
            for name, (score, weight) in zip("ab", about, strict=False)
        ]

    assert score_in_words(tasks(("macro_f1", 1.0), ("macro_f1", 1.0))) == "mean over tasks of the macro F1"
    assert score_in_words(tasks(("auroc", 2.0))) == "mean over tasks of the area under the ROC curve"
    assert score_in_words(tasks(("macro_f1", 1.0), ("macro_f1", 0.5))) == (
        "mean over tasks of macro F1 of a, macro F1 of b with weight 0.5"
    )
    assert score_in_words(tasks(("auroc", 2.0), ("balanced_accuracy", 1.0))) == (
        "mean over tasks of area under the ROC curve of a with weight 2, balanced accuracy of b"
    )


def test_an_example_without_a_label_needs_no_answer_and_one_is_enough() -> None:
    rows = np.array([[0.9, 0.1], [np.nan, np.nan]])
    assert task_score(Task("t", ("a", "b")), np.array([[0], [MISSING]]), rows) == 1.0
    with pytest.raises(UndefinedScore, match="no example has a label"):
        task_score(Task("t", ("a", "b")), np.array([[MISSING], [MISSING]]), rows)


def test_the_macro_f1_is_found_whatever_a_task_counts_with() -> None:
    task = Task("grade", CLASSES, "ordinal", "quadratic_kappa")
    found = macro_f1_by_task(TRUTH[:, None], [ROWS], [task])
    assert found == {"grade": pytest.approx(f1_score(TRUTH, ROWS.argmax(1), average="macro"))}


def test_the_splits_that_are_evaluated_must_define_the_score() -> None:
    """Train may be of one class, as far as a score goes; every task and split is named."""
    names, tasks = tuple("0123456"), (Task("t", ("a", "b"), score="auroc"), Task("u", ("x", "y")))
    splits = ("train", "train", "train", "dev", "dev", "test", "test")
    labels = np.array([[0, 0], [0, 0], [1, 1], [0, 0], [1, MISSING], [1, MISSING], [1, MISSING]])
    table = Table(Path(), names, names, names, labels, names, splits, tasks)  # type: ignore[arg-type]
    check_scores(table, Path("root"))
    with pytest.raises(DataError) as refused:
        check_scores(table, Path("root"), ("dev", "test"))
    first, second = refused.value.problems
    assert first.startswith("test split: task t") and second.startswith("test split: task u")
    with pytest.raises(DataError):
        check_scores(replace(table, labels=np.where(labels == 1, 0, labels)), Path("root"))


@pytest.mark.parametrize(("labels", "is_defined"), [([0, 0, MISSING], False), ([0, 2, MISSING], True)])
def test_a_kappa_that_is_zero_whatever_is_answered_is_refused(labels: list[int], is_defined: bool) -> None:
    task = Task("grade", CLASSES, "ordinal", "quadratic_kappa")
    assert (undefined_scores(np.array(labels)[:, None], [task]) == []) is is_defined


def test_labels_that_neither_occur_nor_are_predicted_are_left_out() -> None:
    """Of three labels one is never there and never said; one is said wrongly once; one example lacks a label."""
    truth = np.array([[1, 0, 0], [0, 0, 0], [1, 0, MISSING], [1, 0, 0]])
    yes = np.array([[0.9, 0.1, 0.2], [0.8, 0.1, 0.3], [0.2, 0.3, 0.9], [0.6, 0.2, 0.7]])
    task = Task("s", ("x", "y", "z"), "multi_label")
    found = evaluate(truth, [yes], [task])["tasks"]["s"]
    # x: found 2 of 3, 3 said, 2 rightly; z: never there, said once
    assert found["macro_precision"] == pytest.approx((2 / 3 + 0) / 2)
    assert found["macro_recall"] == pytest.approx((2 / 3 + 0) / 2)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 0) / 2) == task_score(task, truth, yes)
    assert found["accuracy"] == pytest.approx((2 / 4 + 1 + 2 / 3) / 3)
    assert found["auc"] == pytest.approx(1 / 3)  # of x alone: 0.9 above 0.8, and 0.2 and 0.6 below
    assert found["auc_missing"] is None and "examples" not in found
    assert found["classes"]["x"] == {
        "precision": pytest.approx(2 / 3), "recall": pytest.approx(2 / 3), "f1": pytest.approx(2 / 3),
        "support": 3, "predicted": 3,
    }  # fmt: skip
    assert (found["classes"]["z"]["support"], found["classes"]["z"]["predicted"]) == (0, 1)
    by_label = [
        evaluate(t[known][:, None], [np.stack([1 - y[known], y[known]], axis=1)], [Task("l", ("n", "y"))])
        for t, y in zip(truth.T, yes.T, strict=True)
        for known in (t != MISSING,)
    ]
    for name in ("calibration_error", "log_loss"):
        expected = np.mean([each["tasks"]["l"][name] for each in by_label])
        assert found[name] == pytest.approx(expected)


def test_a_label_that_no_example_knows_is_not_evaluated() -> None:
    truth = np.array([[1, MISSING], [0, MISSING], [MISSING, MISSING]])
    yes = np.array([[0.9, 0.9], [0.1, 0.9], [0.1, 0.1]])
    found = evaluate(truth, [yes], [Task("s", ("x", "y"), "multi_label")])["tasks"]["s"]
    assert found["classes"].keys() == found["confusion"].keys() == {"x"}
    assert (found["examples"], found["accuracy"], found["macro_f1"], found["auc"]) == (2, 1.0, 1.0, 1.0)
    alike = evaluate(np.array([[1], [1]]), [np.array([[0.9], [0.8]])], [Task("s", ("x",), "multi_label")])
    assert alike["tasks"]["s"]["auc"] is None and alike["tasks"]["s"]["auc_missing"]


def test_the_kinds_of_input_are_apart() -> None:
    no_image = np.array([True, False, False, True])
    no_text = np.array([False, True, False, True])
    found = {name: kind.tolist() for name, kind in kinds_of_input(no_image, no_text).items()}
    assert found == {
        "complete": [False, False, True, False],
        "without_text": [False, True, False, False],
        "without_image": [True, False, False, False],
    }
    assert kinds_of_input(None, np.zeros(2, bool)) == kinds_of_input(None, None) == {}
    assert list(kinds_of_input(np.array([True, True]), None)) == ["without_image"]


def test_scores_apart_are_of_the_rows_of_a_split() -> None:
    names, task = tuple("012345"), Task("t", ("a", "b"))
    labels = np.array([[0], [1], [1], [0], [1], [0]])
    texts = ("", "x", "x", "", "x", "")
    table = Table(Path(), names, names, texts, labels, names, ("dev",) * 6, (task,), may_lack=True)
    rows = np.array([1, 2, 3, 5])
    told = np.array([[0.2, 0.8], [0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    assert scores_apart(table, rows, [told]) == {
        "complete": {"examples": 2, "score": pytest.approx(2 / 3 / 2)},
        "without_text": {"examples": 2, "score": 1.0},
    }
