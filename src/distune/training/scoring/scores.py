"""What a task counts with in the score that is tuned, and the score itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.config import ScoreName
from distune.data.table import MISSING, Split, Table, Task, label_columns
from distune.errors import DataError
from distune.training.scoring.metrics import Floats, confusion_matrix, decisions, macro_f1, mean_f1

NAMES: Mapping[ScoreName, str] = {
    "macro_f1": "macro F1",
    "balanced_accuracy": "balanced accuracy",
    "auroc": "area under the ROC curve",
    "average_precision": "average precision",
    "quadratic_kappa": "quadratic kappa",
}
"""The scores as a reader knows them."""


def task_score(task: Task, truth: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
    """The score of one task, over the examples that have its label.

    - `macro_f1`: mean over the classes of the F1; a multi-label task: over the labels, of the F1 of having them.
      Classes and labels that neither occur nor are predicted are left out.
    - `balanced_accuracy`: mean over the classes that occur of the share that is found; a multi-label task: mean over
      the labels of that of having and not having it.
    - `auroc`: mean over the classes, or labels, of the area under the ROC curve of that one against the rest; of two
      exclusive classes that of the second. Those that all examples or none have are left out.
    - `average_precision`: mean over the classes, or labels, that occur of the mean precision over the recalls.
    - `quadratic_kappa`: Cohen's kappa with weights (i - j)^2, over the order of the classes (Cohen, 1968).

    Args:
        task: kind, classes and the name of its score.
        truth: the task's columns of the labels, (N, width).
        probabilities: (N, classes).

    Returns:
        A number up to 1: 0 or more, but for a kappa, which is below 0 where agreement is worse than chance.

    Raises:
        ValueError: no example has a label, or the score is not defined on these labels.
    """
    known = (truth != MISSING).any(axis=1)
    if not known.any():
        raise ValueError(f"task {task.name}: no example has a label")
    return _SCORES[task.score](task, truth[known], probabilities[known].astype(np.float64))


def macro_f1_by_task(
    labels: NDArray[np.int64], probabilities: Sequence[NDArray[Any]], tasks: Sequence[Task]
) -> dict[str, float]:
    """Macro F1 of every task, whatever its score is.

    Args:
        labels: the table's columns, (N, columns).
        probabilities: one array (N, classes) a task.
        tasks: in the order of the columns.
    """
    found = {}
    for task, columns, rows in zip(tasks, label_columns(tasks), probabilities, strict=True):
        known = (labels[:, columns] != MISSING).any(axis=1)
        found[task.name] = _macro_f1(task, labels[known, columns], rows[known])
    return found


def overall_score(
    labels: NDArray[np.int64], probabilities: Sequence[NDArray[Any]], tasks: Sequence[Task]
) -> float:
    """The score that is tuned: the mean over the tasks of their scores, weighted where the tasks are.

    Args:
        labels: the table's columns, (N, columns).
        probabilities: one array (N, classes) a task.
        tasks: in the order of the columns.
    """
    scores = [
        task_score(task, labels[:, columns], rows)
        for task, columns, rows in zip(tasks, label_columns(tasks), probabilities, strict=True)
    ]
    return mean_score(scores, tasks)


def check_scores(table: Table, root: Path, splits: Sequence[Split] = ("dev",)) -> None:
    """Refuses splits on which the score of a task is not defined: no label at all, or one class where two are compared.

    Args:
        table: all examples.
        root: the data root, named in the error.
        splits: that will be judged.

    Raises:
        DataError: lists each task and split.
    """
    problems = []
    for split in splits:
        labels = table.labels[table.rows(split)]
        for task, columns in zip(table.tasks, label_columns(table.tasks), strict=True):
            even = np.full((len(labels), len(task.classes)), 1 / len(task.classes))
            try:
                task_score(task, labels[:, columns], even)
            except ValueError as error:
                problems.append(f"{split} split: {error}")
    if problems:
        raise DataError(root, problems)


def mean_score(scores: Sequence[float], tasks: Sequence[Task]) -> float:
    """The weighted mean of the tasks' scores."""
    weights = [task.weight for task in tasks]
    return float(np.mean(scores) if len(set(weights)) == 1 else np.average(scores, weights=weights))


def score_in_words(tasks: Sequence[Task]) -> str:
    """What the score of these tasks is: `mean over tasks of the macro F1`, or a list of what each counts with."""
    if len({(task.score, task.weight) for task in tasks}) == 1:
        return f"mean over tasks of the {NAMES[tasks[0].score]}"
    named = (
        f"{NAMES[task.score]} of {task.name}" + (f" with weight {task.weight:g}" if task.weight != 1 else "")
        for task in tasks
    )
    return f"mean over tasks of {', '.join(named)}"


def _macro_f1(task: Task, truth: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
    said = decisions(task, probabilities)
    if task.kind == "multi_label":
        known = truth != MISSING
        hits = ((said == 1) & (truth == 1)).sum(axis=0)
        return float(mean_f1(hits, (truth == 1).sum(axis=0) + ((said == 1) & known).sum(axis=0)))
    return float(macro_f1(confusion_matrix(truth[:, 0], said[:, 0], len(task.classes))))


def _balanced_accuracy(task: Task, truth: NDArray[np.int64], probabilities: Floats) -> float:
    said = decisions(task, probabilities)
    if task.kind != "multi_label":
        return _mean_recall(truth[:, 0], said[:, 0], len(task.classes))
    columns = [(truth[:, k], said[:, k]) for k in range(task.width)]
    recalls = [_mean_recall(t[t != MISSING], s[t != MISSING], 2) for t, s in columns if (t != MISSING).any()]
    return float(np.mean(recalls))


def _mean_recall(truth: NDArray[np.int64], said: NDArray[np.int64], classes: int) -> float:
    counts = confusion_matrix(truth, said, classes)
    support = counts.sum(axis=1)
    return float((np.diagonal(counts)[support > 0] / support[support > 0]).mean())


def _auroc(task: Task, truth: NDArray[np.int64], probabilities: Floats) -> float:
    from sklearn.metrics import roc_auc_score

    return _over_classes(task, truth, probabilities, roc_auc_score, needs_both=True)


def _average_precision(task: Task, truth: NDArray[np.int64], probabilities: Floats) -> float:
    from sklearn.metrics import average_precision_score

    return _over_classes(task, truth, probabilities, average_precision_score, needs_both=False)


def _over_classes(
    task: Task,
    truth: NDArray[np.int64],
    probabilities: Floats,
    measure: Callable[..., float],
    *,
    needs_both: bool,
) -> float:
    """Mean of a measure of each class, or label, against the rest."""
    values = []
    exclusive = range(len(task.classes)) if len(task.classes) > 2 or not needs_both else [1]
    for number in range(task.width) if task.kind == "multi_label" else exclusive:
        if task.kind == "multi_label":
            known = truth[:, number] != MISSING
            has = truth[known, number] == 1
        else:
            known = np.ones(len(truth), bool)
            has = truth[:, 0] == number
        if has.any() and (not needs_both or not has.all()):
            values.append(float(measure(has, probabilities[known, number])))
    if not values:
        raise ValueError(
            f"task {task.name}: the {NAMES[task.score]} is not defined where all examples have the same class; choose "
            "another score or split"
        )
    return float(np.mean(values))


def _quadratic_kappa(task: Task, truth: NDArray[np.int64], probabilities: Floats) -> float:
    classes = len(task.classes)
    counts = confusion_matrix(truth[:, 0], decisions(task, probabilities)[:, 0], classes).astype(np.float64)
    distance = np.subtract.outer(np.arange(classes), np.arange(classes)) ** 2
    by_chance = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    expected = float((distance * by_chance).sum())
    # All examples of one class and all predicted so: nothing to disagree about, and nothing shown.
    return 1.0 - float((distance * counts).sum()) / expected if expected else 0.0


_SCORES: Mapping[ScoreName, Callable[[Task, NDArray[np.int64], Floats], float]] = {
    "macro_f1": _macro_f1,
    "balanced_accuracy": _balanced_accuracy,
    "auroc": _auroc,
    "average_precision": _average_precision,
    "quadratic_kappa": _quadratic_kappa,
}
