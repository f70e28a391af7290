"""Reader for `metadata_{train,dev,test}.csv` with any columns."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from distune.config import DataConfig
from distune.data.images import FRAME
from distune.data.readers.raw import RawExample, RawTable
from distune.data.table import SPLITS, Split
from distune.utils.text import listed, nearest_hint

_FRAME = re.compile(r"[1-9]\d{0,8}(\.0+)?")


@dataclass(frozen=True)
class Columns:
    """The columns to read.

    Attributes:
        image: names of the image column; the first one that a file has is used.
        text: name of the text column.
        labels: one column a task.
        group: column with the patient or case; None makes every row its own group.
        frame: column with the frame of a file of several; None names no frame.
    """

    image: tuple[str, ...]
    text: str
    labels: tuple[str, ...]
    group: str | None
    frame: str | None = None


@dataclass(frozen=True)
class Places:
    """Where the columns of one file are."""

    image: int
    text: int
    labels: tuple[int, ...]
    group: int | None
    frame: int | None


def columns_of(config: DataConfig) -> Columns:
    """Returns the configured columns, those of the Wound data set where reader wound names none."""
    return Columns(
        image=(config.image_column,) if config.image_column else ("file_path", "img_path"),
        text=config.text_column or "description",
        labels=config.label_columns or ("type", "severity"),
        group=config.group_column,
        frame=config.frame_column,
    )


def read_csv_tables(root: Path, config: DataConfig) -> RawTable:
    """Reads `metadata_{train,dev,test}.csv` under the root; a missing test file is no problem.

    Returns:
        One task a label column. The id is the image's path where it is unique, else `file:row`; the first
        row of a file, its header, is row 1.
    """
    columns = columns_of(config)
    table = RawTable(task_names=columns.labels)
    for split in SPLITS:
        name = f"metadata_{split}.csv"
        if split == "test" and not (root / name).is_file():
            continue
        before = len(table.structure)
        _read_file(root, name, split, columns, table)
        if len(table.structure) == before:
            table.read[split] = name
    times = Counter(example.image for example in table.examples)
    table.examples = [
        replace(example, id=example.origin) if times[example.image] > 1 or not example.image else example
        for example in table.examples
    ]
    return table


def _read_file(root: Path, name: str, split: Split, columns: Columns, table: RawTable) -> None:
    rows = _rows(root, name, table)
    header = next(rows, (0, None))[1]
    if header is None:
        return
    wanted = _positions(name, header, columns, table)
    if wanted is None:
        return
    for row, values in rows:
        origin = f"{name}:{row}"
        if len(values) != len(header):
            table.bad_rows.append(f"{origin}: {len(values)} fields where the header has {len(header)}")
            continue
        frame = "" if wanted.frame is None else values[wanted.frame].strip()
        if frame and not _FRAME.fullmatch(frame):
            table.bad_rows.append(f"{origin}: frame {frame!r} is no number of a frame, counted from 1")
            continue
        picture = values[wanted.image] + (f"{FRAME}{int(float(frame))}" if frame else "")
        table.examples.append(
            RawExample(
                id=picture,
                image=picture,
                text=values[wanted.text].strip(),
                labels=tuple(values[position] for position in wanted.labels),
                group=origin if wanted.group is None else values[wanted.group],
                split=split,
                origin=origin,
            )
        )


def _rows(root: Path, name: str, table: RawTable) -> Iterator[tuple[int, list[str]]]:
    """Yields row numbers and fields; what cannot be read at all is a structural problem."""
    row = 0
    try:
        with (root / name).open(encoding="utf-8-sig", newline="") as file:
            for row, values in enumerate(csv.reader(file, strict=True), start=1):
                if values:
                    yield row, values
    except FileNotFoundError:
        table.structure.append(f"{name}: there is no such file; data.root must be the folder that holds it")
    except csv.Error as error:
        table.structure.append(f"{name}:{row + 1}: not readable as CSV: {error}")
    except (OSError, UnicodeDecodeError) as error:
        table.structure.append(f"{name}: not readable as UTF-8 text: {error}")
    else:
        if row == 0:
            table.structure.append(f"{name}:1: the file is empty; its first row must name the columns")


def _positions(name: str, header: list[str], columns: Columns, table: RawTable) -> Places | None:
    """Returns where the image, text, group and label columns are, or None after naming all that miss."""
    image = next((choice for choice in columns.image if choice in header), None)
    needed = [columns.text, *columns.labels, *(name for name in (columns.group, columns.frame) if name)]
    problems = []
    if image is None:
        choices = " or ".join(repr(choice) for choice in columns.image)
        problems.append(f"no column {choices} for the image" + _found(columns.image[0], header))
    problems += [
        f"no column {column!r}" + _found(column, header) for column in needed if column not in header
    ]
    problems += [
        f"column {column!r} is there {header.count(column)} times"
        for column in [image, *needed]
        if column is not None and header.count(column) > 1
    ]
    table.structure += [f"{name}:1: {problem}" for problem in problems]
    if problems or image is None:
        return None
    return Places(
        image=header.index(image),
        text=header.index(columns.text),
        labels=tuple(header.index(column) for column in columns.labels),
        group=header.index(columns.group) if columns.group else None,
        frame=header.index(columns.frame) if columns.frame else None,
    )


def _found(column: str, header: list[str]) -> str:
    return f"; columns found: {listed(header)}{nearest_hint(column, header)}"
