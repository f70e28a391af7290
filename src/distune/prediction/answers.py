"""What a model answers, task by task."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.data.table import Task
from distune.training.scoring.metrics import decisions
from distune.utils.arguments import check_path
from distune.utils.files.atomic import replacing
from distune.utils.files.output_files import check_output, is_never
from distune.utils.short_repr import short_repr

SEPARATORS, NO_LABELS = (";", "|", "/", "\t", "\n"), ("none", "no label", "-")
"""How the labels of a multi-label task are written into one cell: with the first of these that no label holds or is."""


def predicted(task: Task, probabilities: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Indices of the predicted classes, (N,), of a task with exclusive classes; the first of equally probable ones."""
    return decisions(task, probabilities)[:, 0]


def named(task: Task, probabilities: NDArray[np.floating[Any]]) -> NDArray[np.object_]:
    """The predicted class of each example by name, (N,); of a multi-label task a tuple of its labels, maybe empty."""
    if task.kind != "multi_label":
        return np.array(task.classes, dtype=object)[predicted(task, probabilities)]
    found = np.empty(len(probabilities), dtype=object)
    for row, chosen in enumerate(decisions(task, probabilities)):
        found[row] = tuple(name for name, has in zip(task.classes, chosen, strict=True) if has)
    return found


def label_separator(classes: Sequence[str]) -> str:
    """What stands between the labels of a cell: a semicolon, where no label holds one."""
    return next((sign for sign in SEPARATORS if not any(sign in name for name in classes)), SEPARATORS[-1])


def no_label(classes: Sequence[str]) -> str:
    """What a cell without a label says: `none`, where that is no label."""
    return next((word for word in NO_LABELS if word not in classes), NO_LABELS[-1])


def as_cell(answer: str | tuple[str, ...], classes: Sequence[str]) -> str:
    """A predicted class, or labels with the separator of the task between them, as in a table of examples.

    Args:
        answer: the class, or the labels.
        classes: all of the task.
    """
    return answer if isinstance(answer, str) else label_separator(classes).join(answer) or no_label(classes)


@dataclass(frozen=True)
class Answers:
    """The answers to a list of examples, without those that could not be read.

    Attributes:
        tasks: the label columns.
        rows: positions of the examples that were answered, in order, (n,).
        ids: of these examples.
        probabilities: one array (n, classes) a task.
        problems: one line for each other example: its id and the reason.
    """

    __repr__ = short_repr

    tasks: tuple[Task, ...]
    rows: NDArray[np.int64]
    ids: tuple[str, ...]
    probabilities: tuple[NDArray[np.float64], ...]
    problems: tuple[str, ...] = ()

    def classes(self) -> dict[str, NDArray[np.object_]]:
        """The predicted class of each answered example, by task; a tuple of labels of a multi-label task."""
        return {
            task.name: named(task, found) for task, found in zip(self.tasks, self.probabilities, strict=True)
        }

    def header(self) -> list[str]:
        """Names of the columns of `table`."""
        columns = [f"pred_{task.name}" for task in self.tasks]
        return ["id", *columns, *(f"p_{task.name}_{name}" for task in self.tasks for name in task.classes)]

    def table(self) -> list[list[str]]:
        """One row an answered example: id, predicted class of each task, probability of each task and class."""
        classes = list(self.classes().values())
        return [
            [
                self.ids[row],
                *(
                    as_cell(column[row], task.classes)
                    for task, column in zip(self.tasks, classes, strict=True)
                ),
                *(f"{value:.6f}" for found in self.probabilities for value in found[row]),
            ]
            for row in range(len(self.ids))
        ]

    def write(self, file: Path | str, *, overwrite: bool = False) -> None:
        """Writes `header` and `table` as CSV.

        Bytes of a file's name that are no UTF-8 stand as their codes, so that one odd id costs no other answer.

        Args:
            file: where to.
            overwrite: replace a file that is there already.

        Raises:
            UserError: it is there already.
        """
        check_path("file", file)
        path = Path(file)
        check_answers_file(path, overwrite=overwrite)
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            replacing(path) as draft,
            draft.open("w", newline="", encoding="utf-8", errors="backslashreplace") as handle,
        ):
            writer = csv.writer(handle)
            writer.writerow(self.header())
            writer.writerows(self.table())


def check_answers_file(file: Path, *, inputs: Iterable[Path] = (), overwrite: bool = False) -> None:
    """Refuses a file for answers that is there already, see `check_output`: no file says which answers it holds."""
    check_output(
        file, is_never, "version of these answers", suffix=".csv", inputs=inputs, overwrite=overwrite
    )


def joined(parts: Sequence[NDArray[Any]], classes: int) -> NDArray[Any]:
    """Arrays (n, classes) one below the other; none of them is an empty array."""
    return np.concatenate(parts) if parts else np.empty((0, classes))
