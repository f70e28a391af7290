"""How good predictions are: the score that is tuned, and the full table of one evaluation.

Macro F1 is the mean over the classes that occur in the truth or among the predictions, as in scikit-learn
with `labels` left open: a class of the train split that a small split lacks, and that is never predicted,
neither helps nor hurts; one that is predicted without occurring counts as 0. A ratio with an empty denominator
is 0 (`zero_division=0`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.data.table import MISSING, Task, exclusive_tasks, label_columns

CALIBRATION_BINS = 15
SMALLEST_PROBABILITY = 1e-15
THRESHOLD = 0.5
"""Probability above which a label of a multi-label task is predicted."""

Floats = NDArray[np.float64]


def decisions(task: Task, probabilities: NDArray[Any]) -> NDArray[np.int64]:
    """Predicted classes as they stand in the columns of a table's labels.

    Args:
        task: its kind.
        probabilities: (N, classes).

    Returns:
        (N, 1) with the index of the most probable class, the first of equals; (N, classes) of 0 and 1 for a multi-label
        task.
    """
    if task.kind == "multi_label":
        return np.asarray(probabilities > THRESHOLD, np.int64)
    return np.asarray(probabilities.argmax(axis=1)[:, None], np.int64)


def confusion_matrix(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Counts the pairs of true and predicted class.

    Args:
        truth: class indices, (N,).
        predicted: class indices, (N,).
        classes: number of classes C; every index is below it.

    Returns:
        Counts of shape (C, C): row = truth, column = prediction.
    """
    for name, values in (("truth", truth), ("prediction", predicted)):
        if values.size and (values.min() < 0 or values.max() >= classes):
            raise ValueError(f"{name} holds a class index outside 0..{classes - 1}")
    counts = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def macro_f1(confusion: NDArray[Any]) -> Floats:
    """Mean F1 over the classes that occur in the truth or among the predictions.

    Args:
        confusion: counts (or non-negative weights) of shape (..., C, C), row = truth.

    Returns:
        Shape (...); 0 where there is no example at all.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return mean_f1(hits, confusion.sum(axis=-1) + confusion.sum(axis=-2))


def mean_f1(hits: NDArray[Any], mentions: NDArray[Any]) -> Floats:
    """Macro F1 from counts or non-negative weights.

    Args:
        hits: how often each class was predicted rightly, (..., C).
        mentions: how often it occurs in the truth, plus how often it was predicted, (..., C).

    Returns:
        Mean of 2 hits / mentions over the classes with mentions, shape (...); 0 where there are none.
    """
    f1 = _ratio(2 * hits, mentions)
    return _ratio(f1.sum(axis=-1), (np.asarray(mentions) > 0).sum(axis=-1))


def score(labels: NDArray[np.int64], predictions: NDArray[np.int64]) -> float:
    """The score that is tuned: mean over the tasks of the macro F1.

    Args:
        labels: true class indices, (N, tasks); `MISSING` where one is not known.
        predictions: predicted class indices, (N, tasks).

    Returns:
        A number from 0 to 1.
    """
    if labels.shape != predictions.shape or labels.ndim != 2 or not labels.size:
        raise ValueError(
            f"labels {labels.shape} and predictions {predictions.shape}: need equal, non-empty (N, tasks)"
        )
    scores = []
    for truth, predicted in zip(labels.T, predictions.T, strict=True):
        known = truth != MISSING
        truth, predicted = truth[known], predicted[known]
        if not len(truth):
            raise ValueError("a task without any label has no score")
        classes = int(max(truth.max(), predicted.max())) + 1
        scores.append(float(macro_f1(confusion_matrix(truth, predicted, classes))))
    return float(np.mean(scores))


def calibration_error(truth: NDArray[np.int64], probabilities: Floats, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error of the predicted class, over bins of equal width (Guo et al., 2017).

    Args:
        truth: class indices, (N,).
        probabilities: (N, C).
        bins: number of bins between 0 and 1; bin b holds confidences in (b / bins, (b + 1) / bins].

    Returns:
        sum_b n_b / N * |accuracy_b - mean confidence_b|, from 0 to 1.
    """
    confidence = probabilities.max(axis=1)
    correct = (probabilities.argmax(axis=1) == truth).astype(np.float64)
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(bin_of, weights=correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(truth))


def log_loss(truth: NDArray[np.int64], probabilities: Floats) -> float:
    """Mean negative log probability (nats) of the true class; probabilities below 1e-15 count as 1e-15."""
    chosen = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(chosen, SMALLEST_PROBABILITY)).mean())


def evaluate(
    labels: NDArray[np.int64], probabilities: Sequence[NDArray[np.floating[Any]]], tasks: Sequence[Task]
) -> dict[str, Any]:
    """Everything worth knowing about the predictions for one split, as plain JSON values.

    Args:
        labels: the table's columns, (N, columns); `MISSING` where one is not known: a task is judged on those that are.
        probabilities: one array a task, (N, classes), rows adding up to 1, but those of multi-label tasks.
        tasks: names and classes, in the order of the columns.

    Returns:
        `{"score", "examples", "tasks": {name: {...}}}`. Each task has `accuracy`, `macro_f1`,
        `macro_precision`, `macro_recall`, `auc` (None with `auc_missing` saying why), `calibration_error`,
        `log_loss`, `confusion` (rows = truth) and `classes: {name: {precision, recall, f1, support,
        predicted}}`, `examples` where not all have its label, and `score: {name, value}` where that is not the
        macro F1. In a multi-label task accuracy is the share of labels that are right; precision, recall and F1 are
        those of having a label; calibration error and log loss are means over the labels; and `confusion` holds a
        table of no and yes for each label.
    """
    from distune.training.scoring.scores import mean_score, task_score

    columns = label_columns(tasks)
    if (
        labels.ndim != 2
        or not len(labels)
        or not labels.shape[1] == sum(t.width for t in tasks)
        or (len(probabilities) != len(tasks))
    ):
        raise ValueError(
            f"labels {labels.shape}, {len(probabilities)} probabilities, {len(tasks)} tasks: "
            "need (N, columns) with N > 0 and one array a task"
        )
    found: dict[str, dict[str, Any]] = {}
    scores = []
    for place, task, rows in zip(columns, tasks, probabilities, strict=True):
        expected = (len(labels), len(task.classes))
        if rows.shape != expected:
            raise ValueError(f"task {task.name}: probabilities {rows.shape}, not {expected}")
        if not np.isfinite(rows).all():
            raise ValueError(f"task {task.name}: probabilities that are not finite")
        known = (labels[:, place] != MISSING).any(axis=1)
        if not known.any():
            raise ValueError(f"task {task.name}: no example has a label")
        truth, answers = labels[known, place], rows[known].astype(np.float64)
        if task.kind == "multi_label":
            found[task.name] = _evaluate_labels(truth, answers, task)
        else:
            found[task.name] = _evaluate_task(truth[:, 0], answers, task)
        if not known.all():
            found[task.name]["examples"] = int(known.sum())
        if task.score == "macro_f1":
            scores.append(found[task.name]["macro_f1"])
        else:
            scores.append(task_score(task, truth, answers))
            found[task.name]["score"] = {"name": task.score, "value": scores[-1]}
    return {"score": mean_score(scores, tasks), "examples": len(labels), "tasks": found}


def _evaluate_labels(truth: NDArray[np.int64], probabilities: Floats, task: Task) -> dict[str, Any]:
    """A multi-label task: each label judged for itself, on the examples where it is known."""
    by_label: dict[str, dict[str, Any]] = {}
    for column, (label, binary) in enumerate(zip(task.classes, exclusive_tasks(task), strict=True)):
        known = truth[:, column] != MISSING
        if known.any():
            yes = probabilities[known, column]
            by_label[label] = _evaluate_task(truth[known, column], np.stack([1 - yes, yes], axis=1), binary)
    having = {label: values["classes"]["yes"] for label, values in by_label.items()}
    occurs = [each for each in having.values() if each["support"] + each["predicted"]]

    def mean(values: Iterable[float]) -> float:
        return float(np.mean(list(values) or [0.0]))

    areas = [values["auc"] for values in by_label.values() if values["auc"] is not None]
    return {
        "accuracy": mean(values["accuracy"] for values in by_label.values()),
        "macro_f1": mean(each["f1"] for each in occurs),
        "macro_precision": mean(each["precision"] for each in occurs),
        "macro_recall": mean(each["recall"] for each in occurs),
        "auc": float(np.mean(areas)) if areas else None,
        "auc_missing": None if areas else "no label that some examples have and some lack",
        "calibration_error": mean(values["calibration_error"] for values in by_label.values()),
        "log_loss": mean(values["log_loss"] for values in by_label.values()),
        "confusion": {label: values["confusion"] for label, values in by_label.items()},
        "classes": having,
    }


def _evaluate_task(truth: NDArray[np.int64], probabilities: Floats, task: Task) -> dict[str, Any]:
    counts = confusion_matrix(truth, probabilities.argmax(axis=1), len(task.classes))
    hits, support, predicted = np.diagonal(counts).astype(np.float64), counts.sum(axis=1), counts.sum(axis=0)
    occurs = (support + predicted) > 0
    precision, recall = _ratio(hits, predicted), _ratio(hits, support)
    f1 = _ratio(2 * hits, support + predicted)
    auc, auc_missing = _area_under_curve(truth, probabilities, task, support)
    return {
        "accuracy": float(hits.sum() / len(truth)),
        "macro_f1": float(macro_f1(counts)),
        "macro_precision": float(precision[occurs].mean()),
        "macro_recall": float(recall[occurs].mean()),
        "auc": auc,
        "auc_missing": auc_missing,
        "calibration_error": calibration_error(truth, probabilities),
        "log_loss": log_loss(truth, probabilities),
        "confusion": counts.tolist(),
        "classes": {
            name: {
                "precision": float(precision[row]),
                "recall": float(recall[row]),
                "f1": float(f1[row]),
                "support": int(support[row]),
                "predicted": int(predicted[row]),
            }
            for row, name in enumerate(task.classes)
        },
    }


def _area_under_curve(
    truth: NDArray[np.int64], probabilities: Floats, task: Task, support: NDArray[np.int64]
) -> tuple[float | None, str | None]:
    """Macro mean over the classes of the one-vs-rest area; for two classes the area of the second."""
    absent = [name for name, count in zip(task.classes, support, strict=True) if not count]
    if absent:
        return None, f"no example of {', '.join(absent)} in this split"
    if len(task.classes) < 2:
        return None, f"only one class, {task.classes[0]}"
    from sklearn.metrics import roc_auc_score

    columns = [1] if len(task.classes) == 2 else range(len(task.classes))
    areas = [float(roc_auc_score(truth == column, probabilities[:, column])) for column in columns]
    return float(np.mean(areas)), None


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> Floats:
    """Element-wise above / below in float64, 0 where `below` is 0."""
    result: Floats = np.zeros(np.broadcast_shapes(above.shape, below.shape))
    np.divide(above, below, out=result, where=np.asarray(below) > 0)
    return result
