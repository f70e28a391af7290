"""What a task counts with in the score that is tuned, and the score itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.config import ScoreName
from distune.data.table import MISSING, Split, Table, Task, label_columns
from distune.errors import DataError
from distune.training.scoring.weighted_scores import weighted_mean_score, weighted_task_score

NAMES: Mapping[ScoreName, str] = {
    "macro_f1": "macro F1",
    "balanced_accuracy": "balanced accuracy",
    "auroc": "area under the ROC curve",
    "average_precision": "average precision",
    "quadratic_kappa": "quadratic kappa",
}
"""The scores as a reader knows them."""


class UndefinedScore(ValueError):
    """The labels of these examples do not define the score."""


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
        UndefinedScore: no example has a label, or the score is not defined on these labels.
        FloatingPointError: a probability is not finite.
    """
    known = (truth != MISSING).any(axis=1)
    if not known.any():
        raise UndefinedScore(f"task {task.name}: no example has a label")
    if not np.isfinite(probabilities[known]).all():
        raise FloatingPointError(f"task {task.name}: probabilities that are not finite")
    (value,) = weighted_task_score(task, truth[known], probabilities[known], np.ones((1, known.sum())))
    if np.isnan(value):
        raise UndefinedScore(
            f"task {task.name}: the {NAMES[task.score]} is not defined where all examples have the same class; choose "
            "another score or split"
        )
    return float(value)


def macro_f1_by_task(
    labels: NDArray[np.int64], probabilities: Sequence[NDArray[Any]], tasks: Sequence[Task]
) -> dict[str, float]:
    """Macro F1 of every task, whatever its score is.

    Args:
        labels: the table's columns, (N, columns).
        probabilities: one array (N, classes) a task.
        tasks: in the order of the columns.
    """
    return {
        task.name: task_score(replace(task, score="macro_f1"), labels[:, columns], rows)
        for task, columns, rows in zip(tasks, label_columns(tasks), probabilities, strict=True)
    }


def named_score(values: Mapping[str, Any]) -> tuple[str, Any]:
    """What a task counts with, as a reader knows it, and its value.

    Args:
        values: what was written of the task: its `macro_f1`, and its `score` with a `name` where that is another.

    Raises:
        KeyError: there is no score of a known name.
    """
    if "score" not in values:
        return NAMES["macro_f1"], values["macro_f1"]
    return NAMES[values["score"]["name"]], values["score"]["value"]


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
        splits: that will be evaluated.

    Raises:
        DataError: lists each task and split.
    """
    problems = [
        f"{split} split: {problem}"
        for split in splits
        for problem in undefined_scores(table.labels[table.rows(split)], table.tasks)
    ]
    if problems:
        raise DataError(root, problems)


def undefined_scores(labels: NDArray[np.int64], tasks: Sequence[Task]) -> list[str]:
    """Why the score of a task is not defined on some labels, whatever is predicted; nothing where all are.

    Args:
        labels: the table's columns, (N, columns).
        tasks: in the order of the columns.
    """
    problems = []
    for task, columns in zip(tasks, label_columns(tasks), strict=True):
        truth = labels[:, columns]
        answers = np.ones((len(labels), len(task.classes)))
        if task.score == "quadratic_kappa" and len(np.unique(truth[truth != MISSING])) == 1:
            problems.append(
                f"task {task.name}: the quadratic kappa is 0, whatever is answered, where all examples have the same "
                "class; choose another score or split"
            )
            continue
        try:
            task_score(task, truth, answers)
        except UndefinedScore as error:
            problems.append(str(error))
    return problems


def mean_score(scores: Sequence[float], tasks: Sequence[Task]) -> float:
    """The mean of the tasks' scores, weighted where the tasks are."""
    return float(weighted_mean_score([np.asarray(score) for score in scores], tasks))


def score_in_words(tasks: Sequence[Task]) -> str:
    """What the score of these tasks is: `mean over tasks of the macro F1`, or a list of what each counts with."""
    if len({(task.score, task.weight) for task in tasks}) == 1:
        return f"mean over tasks of the {NAMES[tasks[0].score]}"
    named = (
        f"{NAMES[task.score]} of {task.name}" + (f" with weight {task.weight:g}" if task.weight != 1 else "")
        for task in tasks
    )
    return f"mean over tasks of {', '.join(named)}"
