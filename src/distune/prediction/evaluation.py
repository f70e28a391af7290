"""Scores of a trained student on labelled data, with intervals over patients or cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.confirmation.statistics.answers import counts_of
from distune.confirmation.statistics.files import Judged, read_judged
from distune.confirmation.statistics.intervals import Interval, interval_over_cases, of_class
from distune.data.table import Table, Task
from distune.errors import DataError
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
        labels: class of each example by task; text as it is written.
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
    labels = _indices(data, predictor.tasks)
    answers = predictor.answer(data.examples, on_progress=on_progress)
    if answers.problems:
        raise DataError(data.name, answers.problems)
    groups = tuple(data.groups)
    judged = Judged(answers.ids, groups, predictor.tasks, labels, answers.probabilities)
    numbers = all_metrics(labels, answers.probabilities, predictor.tasks)
    counts = counts_of([judged])
    for task, count in zip(predictor.tasks, counts, strict=True):
        of_task = numbers["tasks"][task.name]
        of_task["interval"] = _ends(interval_over_cases([count]))
        for number, name in enumerate(task.classes):
            found = of_class(count, number, "recall")
            of_task["classes"][name]["recall_interval"] = None if found is None else _ends(found)
    return {
        "data": data.name,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "cases": len(set(groups)),
        "interval": _ends(interval_over_cases(counts)),
        **numbers,
    }


def judged_with_interval(folder: Path, split: str) -> dict[str, Any] | None:
    """Score, 95 % interval over cases and size of a run's recorded predictions; None where there are none."""
    judged = read_judged(folder, split)
    if judged is None:
        return None
    found = asdict(interval_over_cases(counts_of([judged])))
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
            task.name: [task.classes[number] for number in table.labels[:, column]]
            for column, task in enumerate(table.tasks)
        },
        table.groups,
    )


def _indices(data: Labelled, tasks: Sequence[Task]) -> NDArray[np.int64]:
    """Class indices (N, tasks) in the student's order."""
    problems, columns = [], []
    for task in tasks:
        if task.name not in data.labels:
            problems.append(f"no task {task.name!r}; the data have {listed(list(data.labels))}")
            continue
        unknown = sorted(set(data.labels[task.name]) - set(task.classes))
        if unknown:
            problems.append(
                f"task {task.name!r}: the data have the classes {listed(sorted(set(data.labels[task.name])))}, the "
                f"student knows {listed(task.classes)}; {listed(unknown)} cannot be judged"
            )
            continue
        columns.append([task.classes.index(label) for label in data.labels[task.name]])
    if not problems and not data.examples:
        problems = ["there is no example"]
    if problems:
        raise DataError(data.name, problems)
    return np.array(columns, dtype=np.int64).T


def _ends(interval: Interval) -> list[float | None]:
    return [interval.low, interval.high]
