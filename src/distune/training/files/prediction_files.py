"""The predictions in a run folder, written and read back: `predictions_{split}.csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.data.table import MISSING, Table, Task, exclusive_tasks
from distune.errors import UserError
from distune.training.files.run_folder import check_unchanged, read_text
from distune.training.scoring.metrics import decisions
from distune.training.scoring.missing_modalities import kinds_of_input
from distune.utils.files.atomic import replacing
from distune.utils.files.csv_files import of_any_length
from distune.utils.text import inert

DIGITS = 6
"""Decimals of a probability in the files."""
REMEDY = "Delete the folder and run the command that made it again."


@dataclass(frozen=True)
class Predictions:
    """The predictions for one task.

    Attributes:
        task: the task's name.
        classes: the classes, in the order of the columns.
        truth: class indices, (N,); `MISSING` where the label is not known.
        probabilities: (N, classes).
        groups: patient or case of each example; None where the file does not name them.
        chosen: indices of the predicted classes, (N,), as the file has them: of the probabilities before they were
            rounded; None where it does not.
    """

    task: str
    classes: tuple[str, ...]
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    groups: tuple[str, ...] | None = None
    chosen: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class SplitPredictions:
    """The predictions of one model for one split.

    Attributes:
        ids: unique name of each example.
        groups: case of each example.
        tasks: the label columns.
        labels: the columns of the tasks, (N, columns), as in a table; `MISSING` where one is not known.
        probabilities: one array (N, classes) a task.
        kinds: for each of `distune.training.scoring.missing_modalities.kinds_of_input` which examples are of it, (N,).
    """

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    tasks: tuple[Task, ...]
    labels: NDArray[np.int64]
    probabilities: tuple[NDArray[np.float64], ...]
    kinds: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    def only(self, chosen: NDArray[np.bool_]) -> SplitPredictions:
        """Some of the examples."""
        places = np.flatnonzero(chosen).tolist()
        return SplitPredictions(
            tuple(self.ids[place] for place in places),
            tuple(self.groups[place] for place in places),
            self.tasks,
            self.labels[chosen],
            tuple(rows[chosen] for rows in self.probabilities),
            {name: of_kind[chosen] for name, of_kind in self.kinds.items()},
        )

    @property
    def predictions(self) -> NDArray[np.int64]:
        """What is predicted, as it would stand in the labels, (N, columns)."""
        answers = zip(self.tasks, self.probabilities, strict=True)
        return np.concatenate([decisions(task, rows) for task, rows in answers], axis=1)


def predictions_file(folder: Path, split: str) -> Path:
    """Where the predictions for a split are."""
    return folder / f"predictions_{split}.csv"


def write_predictions(
    folder: Path, split: str, table: Table, rows: NDArray[np.int64], probabilities: Sequence[NDArray[Any]]
) -> None:
    """Writes `predictions_{split}.csv`: each example with its true and predicted classes and its probabilities.

    A true class that is not known is left empty.

    The image's path is relative to the data root; probabilities have six decimals. The predicted class is that of the
    whole probabilities, the first of equal ones. The image and the text are for people: a cell that a spreadsheet would
    take for a formula begins with an apostrophe; ids, groups and classes stand as they are, since programs read them.

    Args:
        folder: of the run.
        split: may name a split with another input, such as `test_without_text`; texts are the data set's all the same.
        table: all examples.
        rows: of the split.
        probabilities: one array (rows, classes) a task.
    """
    # A multi-label task is written as what it is to every reader: a task of the classes no and yes for each label.
    tasks, answers = _as_binary(table.tasks, probabilities)
    header = ["id", "group", *(f"truth_{task.name}" for task in tasks)]
    header += [f"pred_{task.name}" for task in tasks]
    header += [f"p_{task.name}_{name}" for task in tasks for name in task.classes]
    path = predictions_file(folder, split)
    with replacing(path) as draft, draft.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow([*header, "image", "text"])
        for position, row in enumerate(rows):
            truth = [_label(task, table.labels[row, column]) for column, task in enumerate(tasks)]
            chosen = [task.classes[int(p[position].argmax())] for task, p in zip(tasks, answers, strict=True)]
            shown = [f"{p:.{DIGITS}f}" for task in answers for p in task[position]]
            about = (inert(_relative_image(table, row)), inert(table.texts[row]))
            writer.writerow([table.ids[row], table.groups[row], *truth, *chosen, *shown, *about])


def _relative_image(table: Table, row: int) -> str:
    """The path of an example's image below the data root; its bare name where it is elsewhere."""
    path = Path(table.images[row])
    return path.relative_to(table.root).as_posix() if path.is_relative_to(table.root) else path.name


def _label(task: Task, number: int) -> str:
    """The class of a number; empty where the label is not known."""
    return "" if number == MISSING else task.classes[number]


def read_rows(folder: Path, split: str = "dev") -> list[dict[str, str]]:
    """The rows of the predictions for a split, cells by the names of their columns.

    Raises:
        UserError: there are none, or the file cannot be read.
    """
    path = predictions_file(folder, split)
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        rows = list(of_any_length(reader))
    except csv.Error as error:
        raise UserError(f"{path} cannot be read: line {reader.line_num}: {error}. {REMEDY}") from None
    names = reader.fieldnames or ()
    if len(set(names)) < len(names):
        raise UserError(f"{path}: two columns have one name. {REMEDY}")
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise UserError(f"{path}: row {number} has another number of cells than the header. {REMEDY}")
    check_unchanged(path, REMEDY)
    return rows


def read_predictions(folder: Path, split: str = "dev") -> tuple[Predictions, ...]:
    """The predictions for a split, by task.

    Raises:
        UserError: there are none, or the file cannot be read.
    """
    try:
        return _by_column(read_rows(folder, split))
    except ValueError as error:
        raise UserError(f"{predictions_file(folder, split)} holds {error}. {REMEDY}") from None


def by_task(
    parts: Sequence[Predictions], tasks: Sequence[Task]
) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """The labels (N, width) and the probabilities (N, classes) of each task, from the predictions of its parts.

    Args:
        parts: as a run folder holds them: a task of the classes no and yes for each label of a multi-label task.
        tasks: that these are of.

    Raises:
        ValueError: the parts are of other tasks or classes.
    """
    expected = [part for task in tasks for part in exclusive_tasks(task)]
    if [(part.task, part.classes) for part in parts] != [(part.name, part.classes) for part in expected]:
        there = {part.task: list(part.classes) for part in parts}
        wanted = {part.name: list(part.classes) for part in expected}
        raise ValueError(f"predictions of the tasks and classes {there}, not of {wanted}")
    found, left = [], list(parts)
    for task in tasks:
        own, left = left[: task.width], left[task.width :]
        probabilities = own[0].probabilities
        if task.kind == "multi_label":
            probabilities = np.stack([part.probabilities[:, 1] for part in own], axis=1)
        found.append((np.stack([part.truth for part in own], axis=1), probabilities))
    return found


def read_split_predictions(
    folder: Path, split: str, tasks: Sequence[Task] | None = None, *, may_lack: bool = False
) -> SplitPredictions | None:
    """The predictions of a run folder for a split; None where there are none.

    Args:
        folder: of the run.
        split: its name.
        tasks: what was asked; None where all tasks have exclusive classes and count with their macro F1, which the file
            does not say otherwise.
        may_lack: an example without an image, or without a text, lacks it.

    Raises:
        UserError: the file is there and cannot be read.
    """
    path = predictions_file(folder, split)
    if not path.is_file():
        return None
    rows = read_rows(folder, split)
    inputs = ("image", "text") if may_lack else ()
    try:
        found = _by_column(rows)
        asked = tuple(tasks) if tasks is not None else tuple(Task(part.task, part.classes) for part in found)
        columns = by_task(found, asked)
        ids, groups = (tuple(row[name] for row in rows) for name in ("id", "group"))
        if len(set(ids)) < len(ids):
            raise ValueError("an example twice")
        labels = np.concatenate([own for own, _ in columns], axis=1)
        if (labels == MISSING).all():
            raise ValueError("no label of any example")
        lacking = [np.array([not row[name].strip() for row in rows], bool) for name in inputs]
    except ValueError as error:
        raise UserError(f"{path} holds {error}. {REMEDY}") from None
    except KeyError as error:
        raise UserError(f"{path} has no column {error}. {REMEDY}") from None
    return SplitPredictions(
        ids=ids,
        groups=groups,
        tasks=asked,
        labels=labels,
        probabilities=tuple(probabilities for _, probabilities in columns),
        kinds=kinds_of_input(*lacking) if lacking else {},
    )


def _by_column(rows: Sequence[Mapping[str, str]]) -> tuple[Predictions, ...]:
    """The predictions for each task that the columns name; `ValueError` where they are of no or of odd values."""
    columns = list(rows[0]) if rows else []
    tasks = [column.removeprefix("truth_") for column in columns if column.startswith("truth_")]
    groups = tuple(row["group"] for row in rows) if "group" in columns else None
    found = []
    for task in tasks:
        owned = [column for column in columns if _owner(column, tasks) == task]
        classes = tuple(column.removeprefix(f"p_{task}_") for column in owned)
        try:
            truth = np.array([_number(row[f"truth_{task}"], classes) for row in rows], dtype=np.int64)
            chosen = _chosen(rows, f"pred_{task}", classes)
            probabilities = np.array([[float(row[column]) for column in owned] for row in rows])
        except (ValueError, TypeError):
            raise ValueError(f"a class or a probability for task {task} that cannot be read") from None
        if not ((probabilities >= 0) & (probabilities <= 1)).all():  # nor NaN
            raise ValueError(f"a probability for task {task} that is none between 0 and 1")
        found.append(Predictions(task, classes, truth, probabilities, groups, chosen))
    if not found:
        raise ValueError("no predictions")
    return tuple(found)


def _as_binary(
    tasks: Sequence[Task], probabilities: Sequence[NDArray[Any]]
) -> tuple[list[Task], list[NDArray[Any]]]:
    """Tasks of exclusive classes with their probabilities: in place of a multi-label task one of (no, yes) a label.

    Args:
        tasks: in the order of the probabilities.
        probabilities: one array (N, classes) a task.
    """
    parts: list[Task] = []
    answers: list[NDArray[Any]] = []
    for task, values in zip(tasks, probabilities, strict=True):
        parts += exclusive_tasks(task)
        if task.kind == "multi_label":
            answers += [np.stack([1 - each, each], axis=1) for each in values.T]
        else:
            answers.append(values)
    return parts, answers


def _number(label: str, classes: Sequence[str]) -> int:
    return classes.index(label) if label else MISSING


def _chosen(
    rows: Sequence[Mapping[str, str]], column: str, classes: Sequence[str]
) -> NDArray[np.int64] | None:
    if column not in rows[0]:
        return None
    return np.array([classes.index(row[column]) for row in rows], dtype=np.int64)


def _owner(column: str, tasks: list[str]) -> str | None:
    """The task of a probability column; where one task's name begins another's, the longer one fits."""
    fitting = [task for task in tasks if column.startswith(f"p_{task}_")]
    return max(fitting, key=len) if fitting else None
