"""Thresholds chosen on dev and evaluated on test; areas and calibration without each case, by computing them again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from distune.confirmation.statistics.inference.intervals import interval_above_zero, interval_of
from distune.confirmation.statistics.scores import case_scores
from distune.confirmation.statistics.scores.case_scores import TaskAnswers, task_answers
from distune.confirmation.statistics.scores.operating_points import (
    operating_points,
    operating_points_out_of_fold,
    threshold,
    thresholds_of_others,
)
from distune.confirmation.statistics.scores.probabilities import area_under_curve, calibration
from distune.data.table import MISSING, Task
from distune.training.files.prediction_files import SplitPredictions
from distune.training.scoring.metrics import calibration_error

SEEDS = 3


def answers(seed: int, classes: int = 2, cases: int = 40, per_case: int = 3) -> TaskAnswers:
    """Probabilities that lean to the truth, another draw for each of three seeds."""
    generator = np.random.default_rng(seed)
    count = cases * per_case
    truth = generator.integers(0, classes, count)
    scored = []
    for _ in range(SEEDS):
        logits = generator.normal(0, 1, (count, classes)) + 1.5 * np.eye(classes)[truth]
        powers = np.exp(logits)
        scored.append(
            SplitPredictions(
                tuple(map(str, range(count))),
                tuple(str(n // per_case) for n in range(count)),
                (Task("kind", tuple("abcde"[:classes])),),
                truth[:, None],
                (powers / powers.sum(1, keepdims=True),),
            )
        )
    (found,) = task_answers(scored)
    return found


def pseudovalues(values: np.ndarray, without: np.ndarray) -> np.ndarray:
    return len(without) * values - (len(without) - 1) * without


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 4])
def test_intervals_are_those_of_leaving_each_case_out(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    given = answers(3, classes)
    truth = given.labels[:, 0]

    def area(rows: np.ndarray, kept: np.ndarray) -> float:
        columns = [1] if classes == 2 else range(classes)
        return float(np.mean([roc_auc_score(truth[kept] == c, rows[kept, c]) for c in columns]))

    def loss(rows: np.ndarray, kept: np.ndarray) -> float:
        return float(log_loss(truth[kept], rows[kept], labels=range(classes)))

    def error(rows: np.ndarray, kept: np.ndarray) -> float:
        return calibration_error(truth[kept], rows[kept])

    found = {"auc": area_under_curve(given), **calibration(given)}
    monkeypatch.setattr(case_scores, "LARGEST_WEIGHTS", 7 * len(truth))
    assert area_under_curve(given) == found["auc"], "in parts"
    for name, metric in (("auc", area), ("log_loss", loss), ("calibration_error", error)):
        values = np.array([metric(rows, np.full(len(truth), True)) for rows in given.probabilities])
        without = np.array(
            [[metric(rows, given.cases != case) for rows in given.probabilities] for case in range(40)]
        )
        make = interval_above_zero if name == "log_loss" else interval_of
        expected = make(values, pseudovalues(values, without))
        assert found[name] == pytest.approx(expected.__dict__), name
        assert found[name]["cases"] == 40 and found[name]["low"] < found[name]["mean"] < found[name]["high"]


def half_way(cut: float, rows: np.ndarray) -> float:
    """From a threshold to the next higher answer."""
    return float(cut + np.sort(rows)[np.searchsorted(np.sort(rows), cut, "right")]) / 2


def test_what_equals_the_threshold_is_no_alarm() -> None:
    """Of five without the class on dev one may lie above 0.4, so the threshold is half way to the next answer, 0.5."""

    def of(without: tuple[float, ...], having: tuple[float, ...]) -> TaskAnswers:
        yes, count = np.array([*without, *having]), len(without) + len(having)
        names = tuple(map(str, range(count)))
        truth = np.array([[0]] * len(without) + [[1]] * len(having))
        rows = np.stack([1 - yes, yes], axis=1)
        (found,) = task_answers(
            [SplitPredictions(names, names, (Task("kind", ("no", "yes")),), truth, (rows,))]
        )
        return found

    found = operating_points(
        of((0.1, 0.2, 0.3, 0.4, 0.5), (0.6,)), of((0.4, 0.45, 0.6, 0.1), (0.45, 0.7, 0.8))
    )
    assert found is not None
    point = found[0]["points"][0]
    assert (found[0]["positive"], point["wanted"], point["thresholds"]) == ("yes", 0.8, [0.45])
    assert point["specificity"]["mean"] == pytest.approx(3 / 4)
    assert point["sensitivity"]["mean"] == pytest.approx(2 / 3)


def test_a_class_of_a_single_case_gives_an_area_without_an_interval() -> None:
    given = answers(7)
    labels = np.where(given.cases[:, None] == 4, 1, 0)
    found = area_under_curve(TaskAnswers(given.task, labels, given.cases, given.probabilities, given.counts))
    assert 0 <= found["mean"] <= 1 and found["low"] is None and found["high"] is None


@pytest.mark.parametrize(
    ("count", "specificity", "expected"),
    [(10, 0.8, 8.0), (10, 0.9, 9.0), (10, 0.95, None), (20, 0.95, 19.0), (4, 0.8, None), (5, 0.8, 4.0)],
)
def test_the_threshold_is_the_lowest_that_keeps_the_specificity(
    count: int, specificity: float, expected: float | None
) -> None:
    negatives = np.random.default_rng(0).permutation(np.arange(1.0, count + 1))
    cut = threshold(negatives, specificity)
    assert cut == expected
    if cut is not None:
        assert (negatives <= cut).mean() >= specificity > (negatives < cut).mean()


def test_points_are_evaluated_on_test_with_the_thresholds_of_dev() -> None:
    dev, test = answers(8), answers(9)
    found = operating_points(dev, test)
    assert found is not None and [each["positive"] for each in found] == ["b"]
    points = found[0]["points"]
    assert [point["wanted"] for point in points] == [0.8, 0.9, 0.95]
    truth, known = test.labels[:, 0], dev.labels[:, 0]
    for point in points:
        kept = [
            np.sort(rows[known == 0, 1])[math.ceil(point["wanted"] * (known == 0).sum()) - 1]
            for rows in dev.probabilities
        ]
        cuts = [half_way(cut, rows[:, 1]) for cut, rows in zip(kept, dev.probabilities, strict=True)]
        above = [rows[:, 1] > cut for rows, cut in zip(test.probabilities, cuts, strict=True)]
        assert point["thresholds"] == pytest.approx(cuts)
        assert point["sensitivity"]["mean"] == pytest.approx(np.mean([a[truth == 1].mean() for a in above]))
        assert point["specificity"]["mean"] == pytest.approx(
            np.mean([(~a)[truth == 0].mean() for a in above])
        )
        assert point["sensitivity"]["cases"] == len(set(test.cases[truth == 1]))
        assert point["first_seed"]["sensitivity"]["mean"] == pytest.approx(above[0][truth == 1].mean())
        assert point["first_seed"]["specificity"]["mean"] == pytest.approx((~above[0])[truth == 0].mean())
        assert point["first_seed"]["specificity"]["seeds"] == 1
    kept = [point["sensitivity"]["mean"] for point in points]
    assert kept == sorted(kept, reverse=True) and operating_points(answers(1, 3), answers(2, 3)) is None


def test_examples_without_a_label_are_neither_found_nor_missed() -> None:
    dev, test = answers(8), answers(9)
    labels = test.labels.copy()
    labels[:60] = MISSING
    partly = TaskAnswers(test.task, labels, test.cases, test.probabilities, test.counts)
    labels_of_others, others = test.labels.copy(), np.arange(len(labels)) % 3 > 0
    labels_of_others[~others] = MISSING  # the first example of each case
    rest = [rows[others] for rows in test.probabilities]
    alike = TaskAnswers(test.task, test.labels[others], test.cases[others], rest, {})
    known = TaskAnswers(test.task, labels_of_others, test.cases, test.probabilities, {})
    assert calibration(known) == calibration(alike)
    found = operating_points(dev, partly)
    assert found is not None
    point = found[0]["points"][0]
    kept = np.arange(len(labels)) >= 60
    for name, label in (("sensitivity", 1), ("specificity", 0)):
        inside = kept & (test.labels[:, 0] == label)
        assert point[name]["cases"] == len(set(test.cases[inside]))


def by_leaving_out(rows: np.ndarray, truth: np.ndarray, cases: np.ndarray, wanted: float) -> np.ndarray:
    """Whether each example is found, with a threshold computed again without its case."""
    found = np.zeros(len(truth), bool)
    for case in set(cases.tolist()):
        others = np.sort(rows[(truth == 0) & (cases != case), 1])
        allowed = int(np.floor((1 - wanted) * len(others) + 1e-9))  # false alarms among the others
        found[cases == case] = rows[cases == case, 1] > others[len(others) - 1 - allowed]
    return found


def test_out_of_fold_answers_evaluate_each_case_with_the_threshold_of_all_others() -> None:
    given = answers(10, cases=25, per_case=4)
    truth = given.labels[:, 0]
    found = operating_points_out_of_fold(given)
    assert found is not None and [each["positive"] for each in found] == ["b"]
    for point in found[0]["points"]:
        kept = [threshold(rows[truth == 0, 1], point["wanted"]) for rows in given.probabilities]
        whole = [half_way(cut or 0, rows[:, 1]) for cut, rows in zip(kept, given.probabilities, strict=True)]
        assert point["thresholds"] == pytest.approx(whole)
        above = [by_leaving_out(rows, truth, given.cases, point["wanted"]) for rows in given.probabilities]
        assert point["sensitivity"]["mean"] == pytest.approx(np.mean([a[truth == 1].mean() for a in above]))
        assert point["specificity"]["mean"] == pytest.approx(
            np.mean([1 - a[truth == 0].mean() for a in above])
        )
        assert point["specificity"]["cases"] == len(set(given.cases[truth == 0]))
    assert operating_points_out_of_fold(answers(1, 3)) is None


def test_a_case_that_makes_a_threshold_possible_does_not_choose_its_own() -> None:
    negatives, cases = np.arange(1.0, 6.0), np.array([0, 0, 1, 1, 2])
    assert threshold(negatives, 0.8) == 4
    assert (
        thresholds_of_others(negatives, cases, 3, 0.8) is None
    )  # three others allow no false alarm of a fifth
    assert thresholds_of_others(negatives, cases, 3, 0.75) is None  # nor of a quarter, which four allow
    assert thresholds_of_others(negatives, cases, 3, 0.5) == pytest.approx([4, 2, 2])


def test_labels_out_of_fold_are_looked_for_one_by_one() -> None:
    generator = np.random.default_rng(3)
    labels, rows = generator.integers(0, 2, (90, 2)), generator.random((90, 2))
    groups = tuple(str(row // 3) for row in range(90))
    task = Task("signs", ("x", "y"), kind="multi_label")
    (given,) = task_answers(
        [SplitPredictions(tuple(map(str, range(90))), groups, (task,), labels, (rows,))] * 2
    )
    found = operating_points_out_of_fold(given)
    assert found is not None and [each["positive"] for each in found] == ["x", "y"]
    for column, each in enumerate(found):
        asked = np.stack([1 - rows[:, column], rows[:, column]], axis=1)
        above = by_leaving_out(asked, labels[:, column], given.cases, 0.9)
        point = each["points"][1]
        assert point["sensitivity"]["mean"] == pytest.approx(above[labels[:, column] == 1].mean())


def test_an_interval_above_zero_is_symmetric_in_factors() -> None:
    table = np.array([[0.2], [0.4], [0.6], [0.8]])
    found = interval_above_zero(np.array([0.5]), table)
    # variance 0.2 / 3 over 4 cases, 3 degrees of freedom: t is 3.1824
    factor = math.exp(3.182446 * math.sqrt(0.2 / 3 / 4) / 0.5)
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5 / factor, 0.5 * factor), rel=1e-6)
    for values, cases in (
        (np.array([0.5]), table[:1]),
        (np.array([0.0]), table),
        (np.array([0.5]), table * 0 + 0.5),
    ):
        bare = interval_above_zero(values, cases)
        assert (bare.low, bare.high) == (None, None)
