"""Labels and groups in the columns of a file or a data frame, read as training read its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from distune.config import DataConfig, TaskConfig
from distune.data.labels import joined_columns, parts
from distune.data.readers.spellings import normal_form
from distune.data.readers.values import cell_parts, mapped_label
from distune.errors import DataError
from distune.prediction.answers import as_cell
from distune.prediction.table_columns import is_missing


@dataclass(frozen=True)
class PartLabels:
    """What is known of a multi-label answer.

    Attributes:
        named: the labels that it has.
        unknown: those of which it is not known; it has none of the others.
    """

    named: tuple[str, ...]
    unknown: tuple[str, ...] = ()


LabelCell = str | PartLabels
"""A class; several labels as `as_cell` writes them, or known in part; an empty text where nothing is known."""


def cell_of_labels(named: Iterable[str], unknown: Iterable[str], classes: Sequence[str]) -> LabelCell:
    """The cell of a multi-label answer.

    Args:
        named: the labels that it has.
        unknown: those of which it is not known.
        classes: all of the task.
    """
    labels = PartLabels(tuple(named), tuple(unknown))
    if len(labels.unknown) == len(classes):
        return ""
    return labels if labels.unknown else as_cell(labels.named, classes)


def in_columns(
    tasks: Mapping[str, Sequence[str]],
    group: str | None,
    config: DataConfig,
    header: Sequence[str],
    column: Callable[[str], list[str]],
) -> tuple[dict[str, list[LabelCell]], list[str] | None]:
    """The labels of a file or a data frame by task, of those that it has, and its groups, as training read its own.

    Args:
        tasks: the classes of each task of the student.
        group: the column that names the patient or case; None where none does.
        config: how the run read its data.
        header: names of the columns.
        column: the cells under a name.
    """
    found = {task: _cells_of(task, classes, config, header, column) for task, classes in tasks.items()}
    labels = {task: cells for task, cells in found.items() if cells is not None}
    if group is None:
        return labels, None
    missing = config.missing_values
    return labels, ["" if is_missing(cell, missing) else normal_form(cell) for cell in column(group)]


def _cells_of(
    task: str,
    classes: Sequence[str],
    config: DataConfig,
    header: Sequence[str],
    column: Callable[[str], list[str]],
) -> list[LabelCell] | None:
    """The labels of a task: its column, or the 0 and 1 of a column for each label; None where it has neither.

    Raises:
        DataError: such a column holds something else.
    """
    settings = config.tasks.get(task, TaskConfig())
    if task in header:
        return as_in_training(task, classes, config, [cell.strip() for cell in column(task)])
    if not settings.columns or not set(settings.columns) <= set(header):
        return None
    rows = zip(*map(column, settings.columns), strict=True)
    try:
        return [_of_columns(settings, cells) for cells in rows]
    except ValueError as error:
        raise DataError(f"task {task!r}", [f"label column that holds no 0 or 1: {error}"]) from None


def _of_columns(settings: TaskConfig, cells: Sequence[str]) -> LabelCell:
    names = settings.columns or ()
    unknown = [name for name, cell in zip(names, cells, strict=True) if not cell.strip()]
    return cell_of_labels(parts(joined_columns(settings, cells), settings), unknown, names)


def as_in_training(
    task: str, classes: Sequence[str], config: DataConfig, cells: Sequence[str]
) -> list[LabelCell]:
    """Label cells as the run read its own: missing ones empty, other spellings mapped, parts as `as_cell` joins them.

    Args:
        task: its name.
        classes: its classes.
        config: how the run read its data.
        cells: as a table holds them.
    """
    label_map = dict((config.label_map or {}).get(task, {}))
    settings = config.tasks.get(task, TaskConfig())
    known = ["" if is_missing(cell, config.missing_values) else cell for cell in cells]
    several = [[mapped_label(part, label_map) for part in cell_parts(cell, settings)] for cell in known]
    return [_in_one_cell(labels, settings, classes) for labels in several]


def _in_one_cell(labels: Sequence[str], settings: TaskConfig, classes: Sequence[str]) -> str:
    says_none = settings.separator is not None and [label.strip() for label in labels] == [settings.negative]
    return as_cell(() if says_none else tuple(labels), classes) if any(labels) else ""
