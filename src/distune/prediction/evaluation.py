"""Scores of a trained student on labelled data, with intervals over patients or cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.confirmation.statistics.case_scores import CaseScores, overall, task_answers
from distune.confirmation.statistics.files import Judged, read_judged
from distune.confirmation.statistics.intervals import Interval, interval_of, of_class
from distune.data.table import MISSING, Table, Task, label_columns
from distune.errors import DataError
from distune.prediction.answers import NO_LABEL, SEPARATOR, as_cell
from distune.prediction.examples import Columns, Example, read_table_of
from distune.prediction.predictor import OnProgress, Predictor
from distune.training.metrics import evaluate as all_metrics
from distune.utils.jsonl import append_line
from distune.utils.text import listed

EXTERNAL = "external_evaluations.jsonl"
"""Evaluations on external data, one a line, in the folder of the run that was evaluated."""
GROUP_COLUMNS = ("group", "patient", "case")


@dataclass(frozen=True)
class Labelled:
    """Labelled examples that a student is judged on.

    Attributes:
        name: of the data, as it is recorded.
        examples: N of them.
        labels: class of each example by task, text as it is written; of a multi-label task the labels with semicolons
            between them, or `none`. An empty text is a label that is not known.
        groups: patient or case of each example.
    """

    name: str
    examples: Sequence[Example]
    labels: dict[str, list[str]]
    groups: Sequence[str]


def evaluate(
    predictor: Predictor, data: Labelled, on_progress: OnProgress = lambda done, total: None
) -> dict[str, Any]:
    """Judges a student on labelled examples; probabilities are calibrated.

    Args:
        predictor: the student.
        data: the examples.
        on_progress: called after each batch.

    Returns:
        `data`, `time`, `examples`, `cases`, `score` and its 95 % `interval` over cases, and `tasks`: what
        `distune.training.metrics.evaluate` gives, with an `interval` for the macro F1 and the recall of each class.

    Raises:
        DataError: labels that the student does not know, or examples that cannot be read.
    """
    labels = _columns(data, predictor.tasks)
    answers = predictor.answer(data.examples, on_progress=on_progress)
    if answers.problems:
        raise DataError(data.name, answers.problems)
    groups = tuple(data.groups)
    judged = Judged(answers.ids, groups, predictor.tasks, labels, answers.probabilities)
    numbers = all_metrics(labels, answers.probabilities, predictor.tasks)
    by_task = task_answers([judged])
    for of_task in by_task:
        about = numbers["tasks"][of_task.task.name]
        about["interval"] = _ends(_interval(of_task.macro_f1()))
        if "score" in about:
            about["score"]["interval"] = _ends(_interval(of_task.score()))
        for number, name in enumerate(of_task.task.classes):
            if name in about["classes"]:
                found = of_class(*of_task.of_class(number), "recall")
                about["classes"][name]["recall_interval"] = None if found is None else _ends(found)
    return {
        "data": data.name,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "cases": len(set(groups)),
        "interval": _ends(_interval(overall(by_task))),
        **numbers,
    }


def _interval(score: CaseScores) -> Interval:
    return interval_of(score.values, score.pseudovalues, score.lowest)


def judged_with_interval(folder: Path, split: str, tasks: Sequence[Task]) -> dict[str, Any] | None:
    """Score, 95 % interval over cases and size of a run's recorded predictions; None where there are none."""
    judged = read_judged(folder, split, tasks=tasks)
    if judged is None:
        return None
    found = asdict(_interval(overall(task_answers([judged]))))
    return {"score": found["mean"], "interval": [found["low"], found["high"]], "examples": len(judged.labels)}


def record(folder: Path, found: dict[str, Any]) -> Path:
    """Adds an evaluation to the run that was evaluated; its model card names it.

    Returns:
        The file.
    """
    append_line(folder / EXTERNAL, found)
    return folder / EXTERNAL


def labelled_csv(path: Path, root: Path, columns: Columns, tasks: Sequence[Task]) -> Labelled:
    """Reads a CSV of labelled examples: one column a task, named after it, and one for the patient or case.

    Args:
        path: the file.
        root: folder that image paths are relative to.
        columns: names of the columns for image and text.
        tasks: the label columns.

    Raises:
        DataError: the file cannot be read, or a column is missing; it names those that are there.
    """
    header, rows, examples = read_table_of(path, root, columns)
    missing = [task.name for task in tasks if task.name not in header]
    if missing:
        raise DataError(
            path,
            [f"no column for the tasks {listed(missing)}; columns found: {listed(header)}"],
        )
    group = next((header.index(name) for name in GROUP_COLUMNS if name in header), None)
    labels = {task.name: [row[header.index(task.name)].strip() for row in rows] for task in tasks}
    groups = [
        example.id if group is None else row[group] for row, example in zip(rows, examples, strict=True)
    ]
    return Labelled(path.name, examples, labels, groups)


def labelled_table(table: Table, name: str) -> Labelled:
    """All examples of a data set, whatever split they are in."""
    return Labelled(
        name,
        [Example(table.ids[row], table.images[row], table.texts[row]) for row in range(len(table))],
        {
            task.name: [_as_text(task, values) for values in table.labels[:, columns]]
            for task, columns in zip(table.tasks, label_columns(table.tasks), strict=True)
        },
        table.groups,
    )


def _as_text(task: Task, values: NDArray[np.int64]) -> str:
    """What stands in a table's columns of a task, as text; unknown where one of its labels is not known."""
    if (values == MISSING).any():
        return ""
    if task.kind != "multi_label":
        return task.classes[int(values[0])]
    return as_cell(tuple(name for name, has in zip(task.classes, values, strict=True) if has))


def _columns(data: Labelled, tasks: Sequence[Task]) -> NDArray[np.int64]:
    """The columns of a table's labels, in the student's order."""
    problems, columns = [], []
    for task in tasks:
        if task.name not in data.labels:
            problems.append(f"no task {task.name!r}; the data have {listed(list(data.labels))}")
            continue
        cells = data.labels[task.name]
        found = [_named_in(cell, task) for cell in cells]
        named = {name for names in found for name in names or ()}
        if unknown := sorted(named - set(task.classes)):
            problems.append(
                f"task {task.name!r}: the data have the classes {listed(sorted(named))}, the "
                f"student knows {listed(task.classes)}; {listed(unknown)} cannot be judged"
            )
        elif cells and all(names is None for names in found):
            problems.append(f"task {task.name!r}: no example has a label")
        else:
            columns.append([_values(names, task) for names in found])
    if not problems and not data.examples:
        problems = ["there is no example"]
    if problems:
        raise DataError(data.name, problems)
    return np.concatenate([np.array(column, np.int64) for column in columns], axis=1)


def _named_in(cell: str, task: Task) -> tuple[str, ...] | None:
    """The classes that a label names; None where it is not known."""
    if not cell.strip():
        return None
    if task.kind != "multi_label":
        return (cell,)
    if cell.strip() == NO_LABEL and NO_LABEL not in task.classes:
        return ()
    return tuple(name for part in cell.split(SEPARATOR) if (name := part.strip()))


def _values(names: tuple[str, ...] | None, task: Task) -> list[int]:
    if names is None:
        return [MISSING] * task.width
    if task.kind != "multi_label":
        return [task.classes.index(names[0])]
    return [int(name in names) for name in task.classes]


def _ends(interval: Interval) -> list[float | None]:
    return [interval.low, interval.high]
