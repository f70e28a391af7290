"""The score of a task under many weightings of its examples at once: resamples of cases, or cases left out.

A weight of 2 counts an example twice, a weight of 0 leaves it out; under equal weights the value is `task_score`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.config import ScoreName
from distune.data.table import MISSING, Task
from distune.training.scoring.metrics import Floats, decisions, mean_f1, ratio

Answered = tuple[NDArray[np.int64], NDArray[np.int64], int, Floats]
"""True and predicted classes, how many classes there are, and the weights, of the examples whose label is known."""


def weighted_task_score(
    task: Task, truth: NDArray[np.int64], probabilities: NDArray[Any], weights: Floats
) -> Floats:
    """The score of one task under weights of the examples.

    Args:
        task: kind, classes and the name of its score.
        truth: the task's columns of the labels, (N, width); `MISSING` where one is not known.
        probabilities: (N, classes).
        weights: of the examples, none negative, (R, N).

    Returns:
        (R,); NaN where the score is not defined on what has a weight.
    """
    return _SCORES[task.score](task, truth, probabilities.astype(np.float64), weights)


def weighted_mean_score(scores: Sequence[Floats], tasks: Sequence[Task]) -> Floats:
    """The weighted mean of the tasks' scores, each of the same shape, as `scores.mean_score` of one each."""
    weights = [task.weight for task in tasks]
    if len(set(weights)) == 1:
        return np.asarray(np.mean(scores, axis=0), np.float64)
    return np.asarray(np.average(scores, axis=0, weights=weights), np.float64)


def area_under_roc(has: NDArray[np.bool_], probabilities: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve of one class against the rest, by trapezoids between distinct probabilities.

    Args:
        has: which examples have the class, (N,).
        probabilities: of having it, (N,).
        weights: of the examples, none negative, (R, N).

    Returns:
        (R,); NaN where all examples with a weight have the class, or none has.
    """
    hits, others = _curve(has, probabilities, weights)
    heights = (hits[:, 1:] + hits[:, :-1]) / 2
    return ratio((np.diff(others) * heights).sum(axis=1), hits[:, -1] * others[:, -1], empty=np.nan)


def lowest_score(tasks: Sequence[Task]) -> float:
    """The lowest value that the score of these tasks can have: 0, or less where a kappa is among them."""
    lowest = [-1.0 if task.score == "quadratic_kappa" else 0.0 for task in tasks]
    return float(np.average(lowest, weights=[task.weight for task in tasks]))


def _macro_f1(task: Task, truth: NDArray[np.int64], probabilities: Floats, weights: Floats) -> Floats:
    tables = [_counts(each) for each in _answered(task, truth, probabilities, weights)]
    if task.kind != "multi_label":
        ((hits, occurred, predicted),) = tables
        return mean_f1(hits, occurred + predicted)
    having = [np.stack([counts[part][:, 1] for counts in tables], axis=-1) for part in range(3)]
    return mean_f1(having[0], having[1] + having[2])


def _balanced_accuracy(
    task: Task, truth: NDArray[np.int64], probabilities: Floats, weights: Floats
) -> Floats:
    recalls = []
    for each in _answered(task, truth, probabilities, weights):
        hits, occurred, _ = _counts(each)
        recalls.append(_mean(ratio(hits, occurred, empty=np.nan)))
    return _mean(np.stack(recalls, axis=-1))


def _quadratic_kappa(task: Task, truth: NDArray[np.int64], probabilities: Floats, weights: Floats) -> Floats:
    ((true, said, classes, given),) = _answered(task, truth, probabilities, weights)
    counts = (given @ np.eye(classes * classes)[true * classes + said]).reshape(-1, classes, classes)
    distance = np.subtract.outer(np.arange(classes), np.arange(classes)) ** 2
    total = counts.sum(axis=(1, 2))
    pairs = np.einsum("ri,rj->rij", counts.sum(2), counts.sum(1))
    expected = (distance * ratio(pairs, total[:, None, None])).sum(axis=(1, 2))
    kappa = 1.0 - ratio((distance * counts).sum(axis=(1, 2)), expected, empty=np.nan)
    # 0 where all examples are of one class and predicted so: nothing to disagree about, and nothing shown.
    return np.where(total > 0, np.nan_to_num(kappa), np.nan)


def _over_classes(
    task: Task,
    truth: NDArray[np.int64],
    probabilities: Floats,
    weights: Floats,
    *,
    area: Callable[[NDArray[np.bool_], Floats, Floats], Floats],
    ranks_two_classes_alike: bool,
) -> Floats:
    """Mean of an area of each class, or label, against the rest, over those for which it is defined."""
    is_pair = task.kind != "multi_label" and len(task.classes) == 2
    numbers = [1] if is_pair and ranks_two_classes_alike else range(len(task.classes))
    areas = []
    for number in numbers:
        column = number if task.kind == "multi_label" else 0
        known = truth[:, column] != MISSING
        has = truth[known, column] == (1 if task.kind == "multi_label" else number)
        areas.append(area(has, probabilities[known, number], weights[:, known]))
    return _mean(np.stack(areas, axis=-1))


def _area_under_precision(has: NDArray[np.bool_], probabilities: Floats, weights: Floats) -> Floats:
    """Average precision: that at each distinct probability, weighted by the recall that it adds."""
    hits, others = _curve(has, probabilities, weights)
    precision = ratio(hits[:, 1:], hits[:, 1:] + others[:, 1:])
    return ratio((np.diff(hits) * precision).sum(axis=1), hits[:, -1], empty=np.nan)


def _curve(has: NDArray[np.bool_], probability: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weights of those with and without the class above each distinct probability, from none to all: (R, steps + 1)."""
    order = np.argsort(-probability, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(probability[order]) != 0, [True] * bool(len(order))))
    start = np.zeros((len(weights), 1))
    ranked = weights[:, order]
    sums = (np.cumsum(ranked * which, axis=1)[:, ends] for which in (has[order], ~has[order]))
    hits, others = (np.hstack([start, each]) for each in sums)
    return hits, others


def _answered(
    task: Task, truth: NDArray[np.int64], probabilities: Floats, weights: Floats
) -> Iterator[Answered]:
    """A task of exclusive classes as it is; a multi-label one as a task of the classes no and yes for each label."""
    said = decisions(task, probabilities)
    for column in range(truth.shape[1]):
        known = truth[:, column] != MISSING
        classes = 2 if task.kind == "multi_label" else len(task.classes)
        yield truth[known, column], said[known, column], classes, weights[:, known]


def _counts(answered: Answered) -> tuple[Floats, Floats, Floats]:
    """Weights of the right answers, of the examples and of the predictions of each class, (R, C) each."""
    truth, said, classes, weights = answered
    is_class = np.eye(classes)
    right = (truth == said)[:, None]
    return (
        weights @ (is_class[truth] * right),
        weights @ is_class[truth],
        weights @ is_class[said],
    )


def _mean(values: Floats) -> Floats:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1), empty=np.nan)


_SCORES: Mapping[ScoreName, Callable[[Task, NDArray[np.int64], Floats, Floats], Floats]] = {
    "macro_f1": _macro_f1,
    "balanced_accuracy": _balanced_accuracy,
    "auroc": partial(_over_classes, area=area_under_roc, ranks_two_classes_alike=True),
    "average_precision": partial(_over_classes, area=_area_under_precision, ranks_two_classes_alike=False),
    "quadratic_kappa": _quadratic_kappa,
}
