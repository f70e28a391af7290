"""Scores of every kind over cases: equal to `evaluate`, left out case by case, and as wide as a bootstrap of cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from distune.confirmation.statistics.inference.intervals import interval_of
from distune.confirmation.statistics.inference.significance import Comparison, compare_scores
from distune.confirmation.statistics.inference.standard_errors import Errors, errors_of
from distune.confirmation.statistics.scores import case_scores
from distune.confirmation.statistics.scores.case_scores import overall, task_answers
from distune.data.table import MISSING, Task, label_columns
from distune.training.files.prediction_files import SplitPredictions
from distune.training.scoring.evaluation import evaluate
from distune.training.scoring.weighted_scores import weighted_mean_score, weighted_task_score

CASES, SEEDS = 60, 3
TASKS = {
    "macro_f1": (Task("side", ("l", "r")), Task("findings", ("a", "b"), "multi_label")),
    "balanced_accuracy": (
        Task("side", ("l", "r"), score="balanced_accuracy"),
        Task("findings", ("a", "b"), "multi_label", "balanced_accuracy", 2.0),
    ),
    "auroc": (
        Task("side", ("l", "r"), score="auroc"),
        Task("findings", ("a", "b"), "multi_label", "auroc"),
    ),
    "average_precision": (
        Task("side", ("l", "r"), score="average_precision"),
        Task("findings", ("a", "b"), "multi_label", "average_precision", 0.5),
    ),
    "quadratic_kappa": (
        Task("grade", ("mild", "moderate", "severe"), "ordinal", "quadratic_kappa"),
        Task("findings", ("a", "b"), "multi_label"),
    ),
}


def trainings(tasks: tuple[Task, ...], skill: float = 0.5, seed: int = 0) -> list[SplitPredictions]:
    """Three seeds on the same cases of one to three examples each, a few labels unknown."""
    cases = np.repeat(np.arange(CASES), np.random.default_rng(9).integers(1, 4, CASES))
    labels = np.concatenate([labels_of(task, len(cases)) for task in tasks], axis=1)
    random = np.random.default_rng((seed, 1))
    found = []
    for _ in range(SEEDS):
        columns, rows = 0, []
        for task in tasks:
            truth = labels[:, columns : columns + task.width]
            columns += task.width
            noise = random.random((len(cases), len(task.classes)))
            right = np.eye(len(task.classes))[truth[:, 0]] if task.kind != "multi_label" else truth == 1
            found_rows = skill * right + (1 - skill) * noise
            rows.append(
                found_rows if task.kind == "multi_label" else found_rows / found_rows.sum(1, keepdims=True)
            )
        ids = tuple(map(str, range(len(cases))))
        found.append(SplitPredictions(ids, tuple(f"case {c}" for c in cases), tasks, labels, tuple(rows)))
    return found


def labels_of(task: Task, count: int) -> NDArray[np.int64]:
    random = np.random.default_rng(len(task.name))
    if task.kind == "multi_label":
        labels = (random.random((count, task.width)) < 0.4).astype(np.int64)
        labels[random.random(labels.shape) < 0.1] = MISSING
        return labels
    return random.integers(0, len(task.classes), (count, 1))


@pytest.mark.parametrize("score", TASKS)
def test_the_score_is_that_of_the_evaluation(score: str) -> None:
    scored = trainings(TASKS[score])
    found = overall(task_answers(scored))
    expected = [evaluate(one.labels, one.probabilities, one.tasks)["score"] for one in scored]
    assert found.values == pytest.approx(expected, abs=1e-12)
    assert interval_of(found.values, found.pseudovalues, found.lowest).mean == pytest.approx(
        np.mean(expected)
    )


@pytest.mark.parametrize("score", TASKS)
def test_each_case_is_left_out_whole(score: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scored = trainings(TASKS[score])
    groups = np.array(scored[0].groups)
    monkeypatch.setattr(case_scores, "LARGEST_WEIGHTS", 7 * len(groups))  # so that they are in nine parts
    found = overall(task_answers(scored))
    assert found.without.shape == (CASES, SEEDS)
    for number in (0, 6, 7, CASES - 1):
        kept = groups != np.unique(groups)[number]
        one = scored[1]
        rest = evaluate(one.labels[kept], [rows[kept] for rows in one.probabilities], one.tasks)["score"]
        assert found.without[number, 1] == pytest.approx(rest, abs=1e-12)


@pytest.mark.parametrize("score", TASKS)
def test_the_error_is_that_of_a_bootstrap_of_cases(score: str) -> None:
    first, second = trainings(TASKS[score], 0.5, 1), trainings(TASKS[score], 0.4, 2)
    case_of = np.unique(np.array(first[0].groups), return_inverse=True)[1]
    drawn = np.random.default_rng(0).multinomial(CASES, np.full(CASES, 1 / CASES), size=1500)
    weights = drawn[:, case_of].astype(float)

    def scores_on(one: SplitPredictions) -> NDArray[np.float64]:
        columns = zip(one.tasks, label_columns(one.tasks), one.probabilities, strict=True)
        scores = [weighted_task_score(t, one.labels[:, c], rows, weights) for t, c, rows in columns]
        return weighted_mean_score(scores, one.tasks)

    spread = np.nanstd(scores_on(first[0]) - scores_on(second[0]))
    ours, theirs = (overall(task_answers(scored[:1])) for scored in (first, second))
    errors = errors_of([ours.pseudovalues, -theirs.pseudovalues])
    assert errors.standard_error == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize("score", TASKS)
def test_a_better_training_is_told_from_a_worse_one(score: str) -> None:
    better, worse = (overall(task_answers(trainings(TASKS[score], skill, 3))) for skill in (0.7, 0.3))
    found = compare_scores(
        ("a", better.values, better.pseudovalues), ("b", worse.values, worse.pseudovalues), examples=1
    )
    assert found.low > 0
    assert found.difference == pytest.approx(better.values.mean() - worse.values.mean())


def test_a_kappa_may_lie_below_zero() -> None:
    tasks = TASKS["quadratic_kappa"][:1]
    scored = trainings(tasks, 0.0, 4)
    opposite = [np.roll(np.eye(3), 1, axis=1)[one.labels[:, 0]] for one in scored]
    answers = [
        SplitPredictions(one.ids, one.groups, tasks, one.labels, (rows,))
        for one, rows in zip(scored, opposite, strict=True)
    ]
    found = overall(task_answers(answers))
    interval = interval_of(found.values, found.pseudovalues, found.lowest)
    assert found.lowest == task_answers(answers)[0].score().lowest == -1.0
    assert interval.low is not None and interval.high is not None
    assert -1 <= interval.low < interval.mean < interval.high <= 1
    assert interval.mean < 0


def test_one_task_that_rests_on_one_case_is_enough() -> None:
    tasks = TASKS["auroc"][0], Task("rare", ("no", "yes"), score="auroc")
    (one, *_) = trainings(tasks)
    sure = replace(one, tasks=tasks[:1], labels=one.labels[:, :1], probabilities=one.probabilities[:1])
    one.labels[:, 1] = np.arange(len(one.ids)) == 0
    assert overall(task_answers([one])).rests_on_one_case
    assert not overall(task_answers([sure])).rests_on_one_case
    alone = replace(sure, groups=("case",) * len(one.ids))
    assert overall(task_answers([alone])).rests_on_one_case, "there is no other"


def test_a_task_without_a_label_is_not_evaluated() -> None:
    scored = trainings(TASKS["macro_f1"])
    labels = scored[0].labels.copy()
    labels[:, 0] = MISSING
    unknown = [SplitPredictions(one.ids, one.groups, one.tasks, labels, one.probabilities) for one in scored]
    assert [each.task.name for each in task_answers(unknown)] == ["findings"]


def test_no_interval_of_a_difference_is_wider_than_differences_can_be() -> None:
    errors = Errors(cases=0.25, seeds=0.0, interaction=0.0, freedom=1.0)
    assert Comparison("a", "b", -0.5, errors, 9, 9).interval(0.05) == (-1.0, 1.0)
    assert Comparison("a", "b", -0.5, errors, 9, 9, widest=2.0).interval(0.05) == (-2.0, 2.0)
    small = errors.scaled(0.01)
    low, high = Comparison("a", "b", 0.99, small, 9, 9).interval(0.05)
    assert high == 1.0 and low == pytest.approx(0.99 - small.half_width(9))
