"""Labelled examples in any form that a user has them in, for a student."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.config import Config, DataConfig, TaskConfig, load_config, with_values
from distune.data import read_table
from distune.data.labels import joined_columns
from distune.data.readers.values import cell_parts, mapped_label, normal_form
from distune.data.table import MISSING, Table, Task, label_columns
from distune.errors import DataError, UserError
from distune.prediction.answers import as_cell, label_separator, no_label
from distune.prediction.examples import (
    Example,
    cell_of,
    column_of,
    columns_in,
    examples_of,
    is_frame,
    is_missing,
    read_table_of,
    several,
)
from distune.prediction.predictor import Predictor
from distune.training.files.run_folder import was_trained_on
from distune.utils.arguments import check_argument, check_path
from distune.utils.text import counted, listed

_log = logging.getLogger(__name__)
GROUP_COLUMNS = ("group", "patient", "case")


@dataclass(frozen=True)
class Labelled:
    """Labelled examples that a student is evaluated on.

    Attributes:
        name: of the data, as it is recorded.
        examples: N of them.
        labels: class of each example by task, text as it is written; of a multi-label task the labels with semicolons
            between them, or `none`; where a label holds a semicolon, or is `none`, see
            `distune.prediction.answers.as_cell`. An empty text is a label that is not known.
        groups: patient or case of each example.
    """

    name: str
    examples: Sequence[Example]
    labels: Mapping[str, Sequence[str]]
    groups: Sequence[str]


def labelled(
    predictor: Predictor,
    data: Any,
    *,
    root: Path | None = None,
    texts: Sequence[str] | None = None,
    labels: Mapping[str, Sequence[str]] | None = None,
    groups: Sequence[str] | None = None,
    name: str | None = None,
) -> Labelled:
    """Labelled examples in any form, for a student.

    Args:
        predictor: the student; a run also says how a data set is read, and which cells are missing.
        data: a table file, a folder that is read as the data set of the run was, a `Table`, a data frame with a column
            for each task, images, or `Labelled` itself.
        root: folder that image paths in a table file are relative to; None takes the one that holds it.
        texts: one for each image.
        labels: class of each example by task; files and data frames hold them themselves.
        groups: patient or case of each example; each its own by default.
        name: of the data.

    Raises:
        DataError: the data cannot be read, or lack a column.
        UserError: there are no labels, or a bundle does not say how a folder is read.
    """
    if isinstance(data, Labelled):
        return data
    if isinstance(data, Table):
        _refuse("a table", texts=texts, labels=labels, groups=groups, root=root)
        return labelled_table(data, name or data.root.name)
    if isinstance(data, str | Path) and labels is None:
        check_path("data", data)
        _refuse("a file or a folder", texts=texts, groups=groups)
        return _of_path(predictor, Path(data), root, name)
    _refuse("data in memory", root=root)
    examples = examples_of(data, texts, predictor.columns)
    check_argument("labels", labels, Mapping, type(None))
    if is_frame(data):
        header = columns_in(data)
        held = {task.name: column_of(data, task.name) for task in predictor.tasks if task.name in header}
        has_groups = "group" in header
        beside = labels or {}
        _refuse("a data frame with their columns", labels=held.keys() & beside.keys() or None)
        _refuse("a data frame with that column", groups=groups if has_groups else None)
        labels = {**held, **beside}
        groups = column_of(data, "group") if has_groups else groups
    if labels is None:
        raise UserError("evaluate needs the labels of the examples, by task")
    if unknown := [task for task in labels if task not in predictor.classes]:
        raise UserError(
            f"labels: no task {listed(list(map(str, unknown)))}; the student has {listed(list(predictor.classes))}"
        )
    by_task = {task: _cells(f"labels of {task!r}", values, examples) for task, values in labels.items()}
    read = _as_in_training(_data_of(predictor), by_task, predictor.classes)
    cases = None if groups is None else _cells("groups", groups, examples)
    return Labelled(name or "external data", examples, read, _each_its_own(cases, examples))


def _refuse(source: str, **given: Any) -> None:
    """Refuses arguments that would not be looked at.

    Raises:
        UserError: one is given.
    """
    if names := [name for name, value in given.items() if value is not None]:
        raise UserError(f"{' and '.join(names)}: without effect on {source}; leave it out")


def _of_path(predictor: Predictor, path: Path, root: Path | None, name: str | None) -> Labelled:
    if path.is_dir():
        _refuse("a folder", root=root)
        found = _of_folder(predictor, path)
    else:
        found = labelled_file(predictor, path, root)
    return replace(found, name=name) if name else found


def _each_its_own(groups: Sequence[str] | None, examples: Sequence[Example]) -> list[str]:
    """The groups, in which an example that names none is a group of its own; an id that is there twice names no one."""
    if groups is None:
        groups = [""] * len(examples)
    elif unknown := sum(not group for group in groups):
        _log.warning("%d of %d examples name no patient or case; each counts as one", unknown, len(groups))
    times = Counter(example.id for example in examples)
    return [
        group or (example.id if times[example.id] == 1 else f"{example.id} (example {row})")
        for row, (group, example) in enumerate(zip(groups, examples, strict=True), start=1)
    ]


def _cells(name: str, values: Any, examples: Sequence[Example]) -> list[str]:
    """What a table would hold in a column of these values.

    Raises:
        UserError: they are not one for each example, or no table can hold one of them.
    """
    cells = several(name, values)
    if len(cells) != len(examples):
        raise UserError(f"{name}: {len(cells)} for {counted(len(examples), 'example')}; give one for each")
    try:
        return [cell_of(cell) for cell in cells]
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def labelled_file(predictor: Predictor, path: Path, root: Path | None = None) -> Labelled:
    """Reads a table file of labelled examples: one column a task, named after it, and one for the patient or case.

    Args:
        predictor: the student; names the columns and tasks.
        path: the file.
        root: folder that image paths are relative to; None takes the one that holds the file.

    Raises:
        DataError: the file cannot be read, or a column is missing; it names those that are there.
    """
    config, tasks = _data_of(predictor), predictor.tasks
    header, rows, examples = read_table_of(path, path.parent if root is None else root, predictor.columns)
    held = {task.name: _cells_of(task.name, config, header, rows) for task in tasks}
    missing = [task for task, cells in held.items() if cells is None]
    if missing:
        raise DataError(
            path,
            [f"not one column for each of the tasks {listed(missing)}; columns found: {listed(header)}"],
        )
    names = (*predictor.columns.group, *GROUP_COLUMNS)
    group = next((header.index(name) for name in names if name in header), None)
    groups = None
    if group is not None:
        groups = [
            "" if is_missing(row[group], config.missing_values) else normal_form(row[group]) for row in rows
        ]
    else:
        _log.warning(
            "%s: no column names the patient or case (looked for %s); each row counts as one of its own, and "
            "intervals are too narrow where a patient has several", path, listed(names),
        )  # fmt: skip
    labels = {task: cells for task, cells in held.items() if cells is not None}
    read = _as_in_training(config, labels, predictor.classes)
    return Labelled(path.name, examples, read, _each_its_own(groups, examples))


def _cells_of(
    task: str, config: DataConfig, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> list[str] | None:
    """The labels of a task: its column, or the 0 and 1 of a column for each label, as training read them.

    Raises:
        DataError: such a column holds something else.
    """
    settings = config.tasks.get(task, TaskConfig())
    if header.count(task) == 1:
        return [row[header.index(task)].strip() for row in rows]
    if not settings.columns or any(header.count(name) != 1 for name in settings.columns):
        return None
    places = [header.index(name) for name in settings.columns]
    try:
        return [_joined([row[place] for place in places], settings) for row in rows]
    except ValueError as error:
        raise DataError(f"task {task!r}", [f"label column that holds no 0 or 1: {error}"]) from None


def _joined(cells: Sequence[str], settings: TaskConfig) -> str:
    """The names of the labels whose column holds 1, as one cell; empty where one of the labels is not known."""
    joined_columns(settings, cells)  # refuses what is no 0 or 1
    names = settings.columns or ()
    if not all(cell.strip() for cell in cells):
        return ""
    return as_cell(tuple(name for name, cell in zip(names, cells, strict=True) if float(cell)), names)


def labelled_table(table: Table, name: str) -> Labelled:
    """All examples of a data set, whatever split they are in."""
    return Labelled(
        name,
        [Example(table.ids[row], table.images[row] or None, table.texts[row]) for row in range(len(table))],
        {
            task.name: [_as_text(task, values) for values in table.labels[:, columns]]
            for task, columns in zip(table.tasks, label_columns(table.tasks), strict=True)
        },
        table.groups,
    )


def _config_of(predictor: Predictor) -> Config | None:
    """The config of the student's run; None for a bundle."""
    file = Path(predictor.source) / "config.yaml"
    return load_config(file) if file.is_file() else None


def _data_of(predictor: Predictor) -> DataConfig:
    """How the data set of the student's run is read; for a bundle the defaults."""
    config = _config_of(predictor)
    return DataConfig() if config is None else config.data


def _of_folder(predictor: Predictor, root: Path) -> Labelled:
    """A data set that is read as that of the run was."""
    config = _config_of(predictor)
    if config is None:
        raise UserError("a bundle does not say how a data set is read; name its labelled examples with --csv")
    config = with_values(config, {"data.root": str(root), "data.fold": None, "data.tables": None})
    table = read_table(config.data, config.seed, check_images=False)
    if was_trained_on(Path(predictor.source), table):
        raise DataError(
            root, ["this is the data set that the student was trained and tuned on; external data are others"]
        )
    return labelled_table(table, root.name)


def _as_in_training(
    config: DataConfig, labels: Mapping[str, Sequence[str]], classes: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """Label cells as the run read its own: missing ones empty, other spellings mapped, labels as `as_cell` has them."""
    found = {}
    for task, cells in labels.items():
        label_map = dict((config.label_map or {}).get(task, {}))
        settings = config.tasks.get(task, TaskConfig())
        known = ["" if is_missing(cell, config.missing_values) else cell for cell in cells]
        parts = [[mapped_label(part, label_map) for part in cell_parts(cell, settings)] for cell in known]
        found[task] = [_in_one_cell(several, settings, classes.get(task, ())) for several in parts]
    return found


def _in_one_cell(parts: Sequence[str], settings: TaskConfig, classes: Sequence[str]) -> str:
    says_none = settings.separator is not None and [part.strip() for part in parts] == [settings.negative]
    return as_cell(() if says_none else tuple(parts), classes) if any(parts) else ""


def _as_text(task: Task, values: NDArray[np.int64]) -> str:
    """What stands in a table's columns of a task, as text; unknown where one of its labels is not known."""
    if (values == MISSING).any():
        return ""
    if task.kind != "multi_label":
        return task.classes[int(values[0])]
    return as_cell(tuple(name for name, has in zip(task.classes, values, strict=True) if has), task.classes)


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
        named = {name for names in found for name in names or ()}
        if unknown := sorted(named - set(task.classes)):
            problems.append(
                f"task {task.name!r}: the data have the classes {listed(sorted(named))}, the "
                f"student knows {listed(task.classes)}; {listed(unknown)} cannot be evaluated"
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


def _named_in(cell: str, task: Task, forms: Mapping[str, str]) -> tuple[str, ...] | None:
    """The classes that a label names, in the student's spelling; None where it is not known."""
    if not cell.strip():
        return None
    if task.kind != "multi_label":
        return (forms.get(normal_form(cell), cell),)
    if cell.strip() == no_label(task.classes):
        return ()
    parts = (part.strip() for part in cell.split(label_separator(task.classes)))
    return tuple(forms.get(normal_form(part), part) for part in parts if part)


def _values(names: tuple[str, ...] | None, task: Task) -> list[int]:
    if names is None:
        return [MISSING] * task.width
    if task.kind != "multi_label":
        return [task.classes.index(names[0])]
    return [int(name in names) for name in task.classes]
