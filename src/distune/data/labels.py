"""From labels as they are written to the columns of a table: one class, a class with an order, or several labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from distune.config import TaskConfig
from distune.data.table import MISSING, Task

JOINT = "\x1f"
"""Stands between the labels of a task that has a column a label; no file holds it."""
UNKNOWN = "?"
"""Precedes a label whose column is empty."""
PLAIN = TaskConfig()
_HAS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}


def joined_columns(task: TaskConfig, cells: Sequence[str]) -> str:
    """The cells of a task with a column a label as one label text; the names of the labels that are 1.

    Raises:
        ValueError: a cell holds something else than 0, 1 or nothing.
    """
    if not any(cell.strip() for cell in cells):
        return ""
    found = []
    for name, cell in zip(task.columns or (), cells, strict=True):
        value = cell.strip()
        if value and value.lower() not in _HAS:
            raise ValueError(f"column {name!r} of a multi-label task holds {value!r}; write 0, 1, or nothing")
        if not value:
            found.append(UNKNOWN + name)
        elif _HAS[value.lower()]:
            found.append(name)
    return JOINT.join(found) or task.negative


def parts(label: str, task: TaskConfig) -> tuple[str, ...]:
    """The classes that a label text names; none where it is empty or says that there is no label."""
    separator = JOINT if task.columns else task.separator
    if separator is None:
        return (label,) if label else ()
    if label.strip() == task.negative:
        return ()
    named = (part.strip() for part in label.split(separator))
    return tuple(dict.fromkeys(part for part in named if part and not part.startswith(UNKNOWN)))


def task_of(name: str, settings: TaskConfig, known: Collection[str]) -> Task:
    """The task of a label column.

    Args:
        name: of the column.
        settings: its section.
        known: the classes that occur in the train split.
    """
    classes = settings.order or settings.columns or tuple(sorted(known))
    return Task(name, tuple(classes), settings.kind, settings.score, settings.weight)


def encoded_label(label: str, task: Task, settings: TaskConfig) -> list[int]:
    """A label text as the task's columns of a table's labels."""
    if task.kind != "multi_label":
        return [task.classes.index(label) if label else MISSING]
    if not label.strip():
        return [MISSING] * task.width
    named = parts(label, settings)
    unknown = (
        [part[1:] for part in label.split(JOINT) if part.startswith(UNKNOWN)] if settings.columns else []
    )
    return [MISSING if name in unknown else int(name in named) for name in task.classes]


def stratified_on(
    rows: Sequence[tuple[str, ...]], names: Sequence[str], settings: Mapping[str, TaskConfig]
) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Label rows for what spreads classes over parts of the data: each label of a multi-label task has its own column.

    Returns:
        The rows, empty text where a label is absent or unknown, and the names of their columns.
    """
    kinds = [settings.get(name, PLAIN) for name in names]
    if all(kind.kind != "multi_label" for kind in kinds):
        return list(rows), tuple(names)
    columns = [
        (place, label)
        for place, kind in enumerate(kinds)
        for label in (
            sorted({part for row in rows for part in parts(row[place], kind)})
            if kind.kind == "multi_label"
            else [None]
        )
    ]
    spread = [
        tuple(
            row[place] if label is None else label if label in parts(row[place], kinds[place]) else ""
            for place, label in columns
        )
        for row in rows
    ]
    return spread, tuple(names[place] for place, _ in columns)
