"""Scores of a handful of examples, each written out: what is counted, what is left out, and what is undefined."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from distune.data.table import MISSING, Task
from distune.training.scoring.evaluation import evaluate
from distune.training.scoring.metrics import calibration_bin, calibration_error, log_loss, ratio
from distune.training.scoring.scores import named_score, task_score
from distune.training.scoring.weighted_scores import (
    area_under_roc,
    lowest_score,
    weighted_mean_score,
    weighted_task_score,
)

OF_FOUR = Task("t", ("a", "b", "c", "d"))
SIGNS = Task("s", ("x", "y"), "multi_label")


def sure_of(chosen: list[int], classes: int = 4) -> np.ndarray:
    """A probability of 0.7 for what is chosen."""
    rows = np.full((len(chosen), classes), 0.3 / (classes - 1))
    rows[np.arange(len(chosen)), chosen] = 0.7
    return rows


def test_classes_that_neither_occur_nor_are_predicted_are_in_no_mean() -> None:
    """One `a` and both `b` are found, the other `a` is called `b`; an unknown label counts nowhere."""
    labels = np.array([[0], [0], [1], [1], [MISSING]])
    found = evaluate(labels, [sure_of([0, 1, 1, 1, 3])], [OF_FOUR])
    about = found["tasks"]["t"]
    assert (found["examples"], about["examples"]) == (5, 4)
    assert about["accuracy"] == 0.75 and found["score"] == about["macro_f1"]
    assert about["macro_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert about["macro_recall"] == pytest.approx((1 / 2 + 1) / 2)
    assert about["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert about["auc"] is None and about["auc_missing"] == "no example of c, d in this split"
    assert about["log_loss"] == pytest.approx(-(3 * math.log(0.7) + math.log(0.1)) / 4)
    assert about["calibration_error"] == pytest.approx(0.05)
    assert about["classes"]["b"] == {
        "precision": pytest.approx(2 / 3), "recall": 1.0, "f1": pytest.approx(0.8), "support": 2, "predicted": 3,
    }  # fmt: skip
    assert about["classes"]["d"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0, "predicted": 0}
    wrong = evaluate(labels, [sure_of([0, 2, 1, 1, 3])], [OF_FOUR])["tasks"]["t"]
    assert wrong["macro_f1"] == pytest.approx((2 / 3 + 1 + 0) / 3), "one that is predicted alone counts as 0"


def test_labels_count_for_having_them_and_each_on_the_examples_that_know_it() -> None:
    """Of x one is right, two are too many, one is missed; y is neither there nor said."""
    labels = np.array([[1, 0], [0, 0], [0, MISSING], [1, 0], [MISSING, 0]])
    yes = np.array([[0.9, 0.1], [0.6, 0.2], [0.7, 0.9], [0.4, 0.3], [0.2, 0.4]])
    about = evaluate(labels, [yes], [SIGNS])["tasks"]["s"]
    assert "examples" not in about, "every example knows a label"
    assert about["accuracy"] == pytest.approx((1 / 4 + 1) / 2)
    assert about["macro_precision"] == pytest.approx(1 / 3)
    assert about["macro_recall"] == pytest.approx(1 / 2)
    assert about["macro_f1"] == pytest.approx(2 / 5)
    assert about["auc"] == pytest.approx(2 / 4), "of x alone: 0.9 above both others, 0.4 below"
    losses = [-np.log([0.9, 0.4, 0.3, 0.4]).mean(), -np.log([0.9, 0.8, 0.7, 0.6]).mean()]
    assert about["log_loss"] == pytest.approx(np.mean(losses))
    assert about["confusion"] == {"x": [[0, 2], [1, 1]], "y": [[4, 0], [0, 0]]}
    assert about["classes"]["x"] == {
        "precision": pytest.approx(1 / 3), "recall": 0.5, "f1": pytest.approx(0.4), "support": 2, "predicted": 3,
    }  # fmt: skip
    nothing = evaluate(np.zeros((2, 2), np.int64), [np.full((2, 2), 0.1)], [SIGNS])["tasks"]["s"]
    assert (nothing["macro_f1"], nothing["macro_recall"], nothing["accuracy"]) == (0.0, 0.0, 1.0)
    assert nothing["auc"] is None and "some examples have" in nothing["auc_missing"]


def test_where_no_label_occurs_or_is_said_the_mean_over_labels_is_zero() -> None:
    about = evaluate(np.zeros((2, 2), np.int64), [np.array([[0.1, 0.2], [0.3, 0.4]])], [SIGNS])["tasks"]["s"]
    assert (about["macro_f1"], about["macro_recall"], about["accuracy"]) == (0.0, 0.0, 1.0)


def test_another_score_stands_beside_the_macro_f1_and_counts_with_its_weight() -> None:
    grade = Task("g", ("1", "2", "3"), "ordinal", "quadratic_kappa", 3.0)
    labels = np.array([[0, 0], [1, 1], [2, 1], [2, 0]])
    rows = [sure_of([0, 1, 1, 2], 3), sure_of([0, 1, 0, 0], 2)]
    found = evaluate(labels, rows, [grade, Task("t", ("a", "b"))])
    # Kappa: one pair is one grade apart; by chance (1, 1, 2) against (1, 2, 1) would differ by 20 / 4 in all.
    kappa = 1 - 1 / (20 / 4)
    assert found["tasks"]["g"]["score"] == {"name": "quadratic_kappa", "value": pytest.approx(kappa)}
    assert "score" not in found["tasks"]["t"]
    f1 = (4 / 5 + 2 / 3) / 2
    assert found["score"] == pytest.approx((3 * kappa + f1) / 4)
    assert task_score(grade, labels[:, :1], rows[0]) == pytest.approx(kappa)


def test_balanced_accuracy_is_over_the_classes_that_occur() -> None:
    task = replace(OF_FOUR, score="balanced_accuracy")
    truth, rows = np.array([[0], [0], [1], [1], [1]]), sure_of([0, 2, 1, 1, 0])
    assert task_score(task, truth, rows) == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_a_probability_of_zero_costs_no_more_than_one_of_a_thousand_million_millionth() -> None:
    assert log_loss(np.array([0]), np.array([[0.0, 1.0]])) == pytest.approx(15 * math.log(10))


def test_bins_hold_their_upper_end_and_there_are_fifteen() -> None:
    edges = np.array([0.0, 1 / 15, 1 / 15 + 1e-9, 0.5, 1.0])
    assert calibration_bin(edges).tolist() == [0, 0, 1, 7, 14]
    rows = np.array([[0.64, 0.36], [0.62, 0.38]])
    assert calibration_error(np.array([0, 1]), rows) == pytest.approx(abs(0.36 - 0.62) / 2), "one bin"
    rows = np.array([[0.99, 0.01], [0.6, 0.4]])
    assert calibration_error(np.array([0, 1]), rows) == pytest.approx((0.01 + 0.6) / 2), "two bins"


@pytest.mark.parametrize(
    "score", ["macro_f1", "balanced_accuracy", "auroc", "average_precision", "quadratic_kappa"]
)
def test_without_any_weight_a_score_is_not_defined(score: str) -> None:
    task = Task("t", ("1", "2", "3"), "ordinal", score)  # type: ignore[arg-type]
    truth, rows = np.array([[0], [1], [2]]), sure_of([0, 1, 1], 3)
    weights = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    nothing, whole = weighted_task_score(task, truth, rows, weights)
    assert math.isnan(nothing) or (score, nothing) == ("macro_f1", 0.0)
    assert whole == pytest.approx(task_score(task, truth, rows))


def test_agreement_about_one_class_shows_nothing() -> None:
    task = Task("t", ("1", "2", "3"), "ordinal", "quadratic_kappa")
    assert weighted_task_score(
        task, np.zeros((2, 1), np.int64), sure_of([0, 0], 3), np.ones((1, 2))
    ).tolist() == [0.0]
    single = np.array([[1.0], [0.25], [0.0]])
    found = weighted_task_score(task, np.array([[1]]), sure_of([2], 3), single)
    np.testing.assert_array_equal(found, [0.0, 0.0, np.nan], "as a wrong answer alone does")
    apart = weighted_task_score(task, np.array([[0], [2]]), sure_of([2, 0], 3), np.ones((1, 2)))
    assert apart.tolist() == [-1.0]


def test_an_area_counts_a_tie_as_half_and_is_undefined_without_both_sides() -> None:
    has = np.array([True, False, True, False])
    rows = np.array([0.9, 0.5, 0.5, 0.1])
    weights = np.array(
        [[1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 1.0, 2.0], [1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]]
    )
    found = area_under_roc(has, rows, weights)
    assert found[:2].tolist() == pytest.approx([3.5 / 4, 1.0]) and np.isnan(found[2:]).all()


def test_means_and_lowest_scores_are_weighted() -> None:
    plain, double = Task("a", ("x", "y")), Task("b", ("x", "y", "z"), "ordinal", "quadratic_kappa", 3.0)
    assert weighted_mean_score([np.array([0.0, 1.0]), np.array([1.0, 1.0])], [plain, double]).tolist() == [
        0.75,
        1.0,
    ]
    assert (lowest_score([plain]), lowest_score([plain, double])) == (0.0, -0.75)
    assert ratio(np.array([1.0, 1.0]), np.array([2.0, 0.0]), empty=9.0).tolist() == [0.5, 9.0]


def test_a_score_is_named_as_a_reader_knows_it() -> None:
    assert named_score({"macro_f1": 0.25}) == ("macro F1", 0.25)
    other = {"macro_f1": 0.25, "score": {"name": "auroc", "value": 0.75}}
    assert named_score(other) == ("area under the ROC curve", 0.75)
    with pytest.raises(KeyError):
        named_score({"macro_f1": 0.25, "score": {"name": "luck", "value": 0.75}})
