"""Labelled examples in any form that a user has them in, for a student."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.config import DataConfig, TaskConfig, with_values
from distune.data import read_table
from distune.data.readers.doubts import group_notes
from distune.data.readers.spellings import normal_form
from distune.data.readers.table_formats import LOST_LISTS
from distune.data.split import refuse_case_twins
from distune.data.table import MISSING, Table, Task, label_columns
from distune.errors import DataError, UserError
from distune.prediction.answers import label_separator, no_label
from distune.prediction.example_tables import read_table_of
from distune.prediction.examples import (
    Example,
    cell_of,
    column_of,
    columns_in,
    examples_of,
    is_frame,
    several,
)
from distune.prediction.label_cells import LabelCell, as_in_training, cell_of_labels, in_columns
from distune.prediction.load import config_of
from distune.prediction.predictor import Predictor
from distune.prediction.table_columns import first_of
from distune.training.files.run_folder import was_trained_on
from distune.utils.arguments import check_argument, check_path
from distune.utils.files.paths import in_full
from distune.utils.text import counted, listed, nearest_hint, one_line

_log = logging.getLogger(__name__)
GROUP_COLUMNS = ("group", "patient", "case")
_ALL: Mapping[str, Any] = {
    "fold": None,
    "tables": None,
    "unlabelled": None,
    "label_fraction": 1.0,
    "subgroup_columns": [],
}
"""Of a data set that is evaluated all labelled rows count, and nothing else of it need be there."""


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
    labels: Mapping[str, Sequence[LabelCell]]
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
        held, cases = _in_columns(
            predictor,
            "the data frame",
            columns_in(data),
            lambda name: _cells(
                f"column {name!r}", _in_cells(predictor, name, column_of(data, name)), examples
            ),
        )
        _refuse("a data frame with their columns", labels=held.keys() & (labels or {}).keys() or None)
        _refuse("a data frame with that column", groups=groups if cases is not None else None)
        labels = labels or {}
    else:
        held, cases = {}, None
    if labels is None:
        raise UserError("evaluate needs the labels of the examples, by task")
    if unknown := [task for task in labels if task not in predictor.classes]:
        raise UserError(
            f"labels: no task {listed(list(map(str, unknown)))}; the student has {listed(list(predictor.classes))}"
        )
    config = _data_of(predictor)
    for task, values in labels.items():
        cells = _cells(f"labels of {task!r}", _in_cells(predictor, task, values), examples)
        held[task] = as_in_training(task, predictor.classes[task], config, cells)
    if groups is not None:
        cases = [normal_form(group) for group in _cells("groups", groups, examples)]
    name = name or "external data"
    return Labelled(name, examples, held, _each_its_own(name, cases, examples))


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


def _each_its_own(name: str, groups: Sequence[str] | None, examples: Sequence[Example]) -> list[str]:
    """The groups, in which an example that names none is a group of its own; an id that is there twice names no one.

    Raises:
        DataError: two groups look alike, as in training.
    """
    if groups is None:
        groups = [""] * len(examples)
    elif unknown := sum(not group for group in groups):
        _log.warning("%d of %d examples name no patient or case; each counts as one", unknown, len(groups))
    refuse_case_twins(name, "groups", groups)
    for note in group_notes(groups):
        _log.warning("%s: %s", name, note)
    times = Counter(example.id for example in examples)
    return [
        group or (example.id if times[example.id] == 1 else f"{example.id} (example {row})")
        for row, (group, example) in enumerate(zip(groups, examples, strict=True), start=1)
    ]


def _in_cells(predictor: Predictor, name: str, values: Any) -> Any:
    """Values with each tuple or list of labels, as `predict` gives them, in one cell as the run's tables have it."""
    task = next((task for task in predictor.tasks if task.name == name and task.kind == "multi_label"), None)
    if task is None:
        return values
    settings = _data_of(predictor).tasks.get(name, TaskConfig())
    joint, none = settings.separator, settings.negative
    if joint is None:
        joint, none = label_separator(task.classes), no_label(task.classes)
    given = several(f"labels of {name!r}", values)
    return [
        (joint.join(map(str, each)) or none) if isinstance(each, tuple | list) else each for each in given
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
    folder = path.parent if root is None else root
    header, rows, examples, lists = read_table_of(path, folder, predictor.columns)

    def column(name: str) -> list[str]:
        if header.count(name) > 1:
            raise DataError(path, [f"there are two columns {name!r}; rename or drop one"])
        if name in lists:
            raise DataError(path, [f"column {name!r} {LOST_LISTS}"])
        return [row[header.index(name)] for row in rows]

    labels, groups = _in_columns(predictor, path.name, header, column)
    if missing := [task for task in predictor.classes if task not in labels]:
        tasks = _data_of(predictor).tasks
        labels_of = [name for task in missing if task in tasks for name in tasks[task].columns or ()]
        lacking = [name for name in labels_of if name not in header]
        raise DataError(
            path,
            [
                f"not one column for each of the tasks {listed(missing)}"
                + (f", nor one for each label ({listed(lacking)} not there)" if lacking else "")
                + f"; columns found: {listed(header)}{nearest_hint(missing[0], header)}"
            ],
        )
    if groups is None:
        _log.warning(
            "%s: no column names the patient or case (looked for %s); each row counts as one of its own, and "
            "intervals are too narrow where a patient has several", path, listed(_group_columns(predictor)),
        )  # fmt: skip
    return Labelled(path.name, examples, labels, _each_its_own(path.name, groups, examples))


def _group_columns(predictor: Predictor) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*predictor.columns.group, *GROUP_COLUMNS)))


def _in_columns(
    predictor: Predictor, source: str, header: Sequence[str], column: Callable[[str], list[str]]
) -> tuple[dict[str, list[LabelCell]], list[str] | None]:
    group = first_of(source, "patient or case", _group_columns(predictor), header)
    return in_columns(predictor.classes, group, _data_of(predictor), header, column)


def labelled_table(table: Table, name: str) -> Labelled:
    """All examples of a data set, whatever split they are in."""
    return Labelled(
        name,
        [Example(table.ids[row], table.images[row] or None, table.texts[row]) for row in range(len(table))],
        {
            task.name: [_as_cell(task, values) for values in table.labels[:, columns]]
            for task, columns in zip(table.tasks, label_columns(table.tasks), strict=True)
        },
        table.groups,
    )


def _data_of(predictor: Predictor) -> DataConfig:
    """How the data set of the student's run is read; of a bundle what it holds of that."""
    config = config_of(predictor)
    if config is not None:
        return config.data
    # Of the readers that may have a column a label the one that needs no names of others.
    held = {"reader": "wound", "missing_values": predictor.columns.missing, **predictor.reading}
    try:
        return DataConfig.model_validate(held)
    except ValueError as error:
        raise UserError(
            f"{predictor.source}: how its labels are read: {one_line(error)}; export again"
        ) from None


def _of_folder(predictor: Predictor, root: Path) -> Labelled:
    """A data set that is read as that of the run was."""
    config = config_of(predictor)
    if config is None:
        raise UserError("a bundle does not say how a data set is read; name its labelled examples with --csv")
    config = with_values(
        config, {f"data.{name}": value for name, value in {"root": str(root), **_ALL}.items()}
    )
    table = read_table(config.data, check_images=False, known=predictor.classes)
    for note in table.notes:
        _log.warning("%s", note)
    if table.dropped:
        left_out = counted(len(table.dropped), "bad example")
        _log.warning(
            "%s: %s left out (data.on_bad_example: drop), such as %s", root, left_out, table.dropped[0]
        )
    if was_trained_on(Path(predictor.source), table):
        raise DataError(
            root, ["this is the data set that the student was trained and tuned on; external data are others"]
        )
    return labelled_table(table, in_full(root).name)


def _as_cell(task: Task, values: NDArray[np.int64]) -> LabelCell:
    """What stands in a table's columns of a task."""
    if (values == MISSING).all():
        return ""
    if task.kind != "multi_label":
        return task.classes[int(values[0])]
    pairs = list(zip(task.classes, values, strict=True))
    return cell_of_labels(
        [n for n, has in pairs if has == 1], [n for n, has in pairs if has == MISSING], task.classes
    )
