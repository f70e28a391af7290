"""The full table of one evaluation: every metric of every task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.data.table import MISSING, Task, exclusive_tasks, label_columns
from distune.training.scoring.metrics import (
    Floats,
    calibration_error,
    confusion_matrix,
    log_loss,
    macro_f1,
    ratio,
)
from distune.training.scoring.scores import mean_score, task_score
from distune.training.scoring.weighted_scores import area_under_roc


def evaluate(
    labels: NDArray[np.int64], probabilities: Sequence[NDArray[np.floating[Any]]], tasks: Sequence[Task]
) -> dict[str, Any]:
    """Everything worth knowing about the predictions for one split, as plain JSON values.

    Args:
        labels: the table's columns, (N, columns); `MISSING` where one is not known: a task is evaluated on the others.
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
    found: dict[str, dict[str, Any]] = {}
    scores = []
    for place, task, rows in zip(label_columns(tasks), tasks, probabilities, strict=True):
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
    """A multi-label task: each label evaluated for itself, on the examples where it is known."""
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
    precision, recall = ratio(hits, predicted), ratio(hits, support)
    f1 = ratio(2 * hits, support + predicted)
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
    columns, equal = [1] if len(task.classes) == 2 else range(len(task.classes)), np.ones((1, len(truth)))
    areas = [area_under_roc(truth == column, probabilities[:, column], equal) for column in columns]
    return float(np.mean(areas)), None
