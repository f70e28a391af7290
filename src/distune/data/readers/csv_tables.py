"""Reader for the tables `metadata_{train,dev,test}` with any columns: CSV, JSON lines or parquet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from sys import intern

from distune.config import DataConfig, TaskConfig
from distune.data.labels import PLAIN, joined_columns
from distune.data.pixels.images import NO_FRAME, with_frame
from distune.data.readers.doubts import column_notes
from distune.data.readers.problems import Fault
from distune.data.readers.raw_rows import RawExample, RawTable
from distune.data.readers.table_formats import (
    LIST_JOINT,
    LOST_LISTS,
    SUFFIXES,
    TableError,
    TableFile,
    open_table,
    row_fault,
)
from distune.data.table import SPLITS, Split
from distune.utils.text import listed, nearest_hint


@dataclass(frozen=True)
class CsvColumns:
    """The columns to read.

    Attributes:
        image: names of the image column; the first one that a file has is used.
        text: name of the text column; None reads no text.
        labels: one column a task, or several of a multi-label one.
        group: column with the patient or case; None makes every row its own group.
        frame: column with the frame of a file of several; None names no frame.
        tasks: names and sections of the tasks that the label columns make.
        subgroups: columns whose values a confirmation scores apart.
    """

    image: tuple[str, ...]
    text: str | None
    labels: tuple[str, ...]
    group: str | None
    frame: str | None = None
    tasks: tuple[tuple[str, TaskConfig], ...] = ()
    subgroups: tuple[str, ...] = ()

    def labels_of(self, cells: Sequence[str]) -> tuple[str, ...]:
        """One label text a task from the cells of the label columns.

        Raises:
            ValueError: a cell of a task with a column a label holds no 0 or 1.
        """
        left = iter(cells)
        return tuple(
            joined_columns(settings, [next(left) for _ in settings.columns])
            if settings.columns
            else next(left)
            for _, settings in self.tasks
        )

    def needed(self) -> tuple[str, ...]:
        """All but that of the image, which may have several names."""
        named = (self.text, *self.labels, self.group, self.frame, *self.subgroups)
        return tuple(name for name in named if name is not None)


@dataclass(frozen=True)
class Places:
    """Where the columns of one file are."""

    image: int
    text: int | None
    labels: tuple[int, ...]
    group: int | None
    frame: int | None
    subgroups: tuple[int, ...]


def csv_columns(config: DataConfig) -> CsvColumns:
    """Returns the configured columns, those of the Wound data set where reader wound names none."""
    names = config.label_columns or ("type", "severity")
    tasks = tuple((name, config.tasks.get(name, PLAIN)) for name in names)
    return CsvColumns(
        image=(config.image_column,) if config.image_column else ("file_path", "img_path"),
        text=config.text_column or (None if config.reader == "csv" else "description"),
        labels=tuple(column for name, task in tasks for column in task.columns or (name,)),
        group=config.group_column,
        frame=config.frame_column,
        tasks=tasks,
        subgroups=config.subgroup_columns,
    )


def read_csv_tables(config: DataConfig) -> RawTable:
    """Reads the tables `metadata_{train,dev,test}` under `data.tables` or the root; there may be none for test.

    Returns:
        One task a label column. The id is the image's path where it is unique, else `file:row`; the first
        row of a file, its header, is row 1.
    """
    columns = csv_columns(config)
    folder = config.tables or config.root
    table = RawTable(task_names=tuple(name for name, _ in columns.tasks))
    for split in SPLITS:
        name = _table_name(folder, split, table)
        if name is not None:
            _read_file(folder / name, split, columns, config, table)
    if config.unlabelled is not None:
        no_labels = replace(columns, labels=(), tasks=(), subgroups=())
        _read_file(config.root / config.unlabelled, "unlabelled", no_labels, config, table)
    times = Counter(example.image for example in table.examples)
    table.examples = [
        replace(example, id=example.origin) if times[example.image] > 1 or not example.image else example
        for example in table.examples
    ]
    return table


def _table_name(folder: Path, split: Split, table: RawTable) -> str | None:
    """The one table of a split; None after saying that there is none or several."""
    stem = f"metadata_{split}"
    found = [stem + suffix for suffix in SUFFIXES if (folder / (stem + suffix)).is_file()]
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        table.structure.append(f"{', '.join(found)}: several tables of one split; keep one")
    elif split != "test":
        others = sorted(path.name for path in folder.glob(f"{stem}.*")) if folder.is_dir() else []
        if others:
            table.structure.append(f"{others[0]}: no table that can be read; save it as {stem}.csv")
            return None
        if split == "dev" and (others := sorted(path.name for path in folder.glob("metadata_val*"))):
            table.structure.append(
                f"{stem}.csv: there is no such file; rename {others[0]}, as this split is called dev"
            )
            return None
        which = "data.tables" if folder.is_dir() and any(folder.glob("metadata_*")) else "data.root"
        table.structure.append(f"{stem}.csv: there is no such file; {which} must be the folder that holds it")
    return None


def _read_file(path: Path, split: Split, columns: CsvColumns, config: DataConfig, table: RawTable) -> None:
    name = path.name
    before = len(table.structure)
    try:
        file = open_table(path, (*columns.image, *columns.needed()), config.encoding)
        if file.form:
            table.notes.append(f"{name}: {file.said('set data.encoding')}")
        if split == "unlabelled" and (
            held := [each for each in csv_columns(config).labels if each in file.header]
        ):
            table.notes.append(
                f"{name}: its columns of labels ({listed(held)}) are not read; rows with labels belong in train"
            )
        places = _places(name, file.header, columns, table)
        if places is not None:
            read = {*columns.image, *columns.needed()}
            table.notes += column_notes(name, file.header, read)
            _add_rows(file, name, split, columns, places, table)
            table.structure += _lists(file, name, columns)
    except FileNotFoundError:  # of unlabelled rows
        table.structure.append(f"{name}: there is no such file")
    except TableError as error:
        table.structure.append(f"{name}:{error.row}: {error}" if error.row else f"{name}: {error}")
    if len(table.structure) == before:
        table.read[split] = name


def _add_rows(
    file: TableFile, name: str, split: Split, columns: CsvColumns, places: Places, table: RawTable
) -> None:
    for row, values in file.rows:
        origin = f"{name}:{row}"
        fault = row_fault(file.header, values)
        if fault is not None:
            table.bad_rows.append((origin, fault))
            continue
        frame = "" if places.frame is None else values[places.frame]
        try:
            image = with_frame(values[places.image], frame)
        except ValueError as error:
            table.bad_rows.append((origin, Fault(NO_FRAME, repr(str(error)))))
            continue
        try:
            labels = columns.labels_of([values[position] for position in places.labels])
        except ValueError as error:
            table.bad_rows.append((origin, Fault("label column that holds no 0 or 1", str(error))))
            continue
        table.examples.append(
            RawExample(
                id=image,
                image=image,
                text="" if places.text is None else values[places.text].strip(),
                labels=tuple(map(intern, labels)) or ("",) * len(table.task_names),
                group=origin if places.group is None else values[places.group],
                split=split,
                origin=origin,
                subgroups=tuple(intern(values[position].strip()) for position in places.subgroups),
            )
        )


def _lists(file: TableFile, name: str, columns: CsvColumns) -> list[str]:
    """The label columns of lists whose parts could not be told again; called when all rows are read."""
    return [
        f"{name}: column {task!r} "
        + (
            LOST_LISTS
            if file.lists[task]
            else f"holds lists, whose values semicolons join: set data.tasks.{task}.separator to {LIST_JOINT!r}"
        )
        for task, settings in columns.tasks
        if task in file.lists and (file.lists[task] or settings.separator != LIST_JOINT)
    ] + [
        f"{name}: column {column!r} holds lists; a row has one value of it"
        for column in (columns.group, *columns.subgroups)
        if column in file.lists
    ]


def _places(name: str, header: list[str], columns: CsvColumns, table: RawTable) -> Places | None:
    """Returns where the columns are, or None after naming all that miss."""
    image = next((choice for choice in columns.image if choice in header), None)
    problems = []
    if image is None:
        choices = " or ".join(repr(choice) for choice in columns.image)
        problems.append(f"no column {choices} for the image" + _found(columns.image[0], header))
    problems += [
        f"no column {column!r}" + _found(column, header)
        for column in columns.needed()
        if column not in header
    ]
    problems += [
        f"column {column!r} is there {header.count(column)} times"
        for column in [image, *columns.needed()]
        if column is not None and header.count(column) > 1
    ]
    table.structure += [f"{name}:1: {problem}" for problem in problems]
    if problems or image is None:
        return None
    return Places(
        image=header.index(image),
        text=header.index(columns.text) if columns.text else None,
        labels=tuple(header.index(column) for column in columns.labels),
        group=header.index(columns.group) if columns.group else None,
        frame=header.index(columns.frame) if columns.frame else None,
        subgroups=tuple(header.index(column) for column in columns.subgroups),
    )


def _found(column: str, header: list[str]) -> str:
    return f"; columns found: {listed(header)}{nearest_hint(column, header)}"
