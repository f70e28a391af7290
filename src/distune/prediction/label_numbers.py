"""Labels as cells hold them, as the numbers of a student's columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from distune.data.readers.spellings import normal_form
from distune.data.table import MISSING, Task
from distune.errors import DataError
from distune.prediction.answers import label_separator, no_label
from distune.prediction.label_cells import LabelCell, PartLabels
from distune.prediction.labelled import Labelled
from distune.utils.text import listed


def label_columns_of(data: Labelled, tasks: Sequence[Task]) -> NDArray[np.int64]:
    """The columns of a table's labels, in the student's order.

    Labels and classes are compared in one normal form, so that `1.0` is the class `1`.

    Raises:
        DataError: a task or a class is not known, or there is no label or no example.
    """
    problems, columns = [], []
    for task in tasks:
        if task.name not in data.labels:
            problems.append(f"no task {task.name!r}; the data have {listed(list(data.labels))}")
            continue
        cells = data.labels[task.name]
        forms = {normal_form(name): name for name in task.classes}
        found = [_named_in(cell, task, forms) for cell in cells]
        named = {name for labels in found if labels for name in (*labels.named, *labels.unknown)}
        if unknown := sorted(named - set(task.classes)):
            problems.append(
                f"task {task.name!r}: the data have the classes {listed(sorted(named))}, the "
                f"student knows {listed(task.classes)}; {listed(unknown)} cannot be evaluated"
            )
        elif cells and all(labels is None for labels in found):
            problems.append(f"task {task.name!r}: no example has a label")
        else:
            columns.append([_values(labels, task) for labels in found])
    if not problems and not data.examples:
        problems = ["there is no example"]
    if problems:
        raise DataError(data.name, problems)
    return np.concatenate([np.array(column, np.int64) for column in columns], axis=1)


def _named_in(cell: LabelCell, task: Task, forms: Mapping[str, str]) -> PartLabels | None:
    """The classes that a label names, in the student's spelling; None where it is not known."""

    def own(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(forms.get(normal_form(name), name) for name in names)

    if isinstance(cell, PartLabels):
        return PartLabels(own(cell.named), own(cell.unknown))
    if not cell.strip():
        return None
    if task.kind != "multi_label":
        return PartLabels(own([cell]))
    if cell.strip() == no_label(task.classes):
        return PartLabels(())
    parts = (part.strip() for part in cell.split(label_separator(task.classes)))
    return PartLabels(own(part for part in parts if part))


def _values(labels: PartLabels | None, task: Task) -> list[int]:
    if labels is None:
        return [MISSING] * task.width
    if task.kind != "multi_label":
        return [task.classes.index(labels.named[0])]
    return [MISSING if name in labels.unknown else int(name in labels.named) for name in task.classes]
