"""Data frames as data sets: written to disk for training, once."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.config import Config, with_values
from distune.data.pixels.images import in_bgr, located
from distune.data.readers.csv_tables import csv_columns
from distune.data.readers.problems import Fault, by_cause, by_example
from distune.data.readers.spellings import one_spelling
from distune.data.split import FRACTIONS, assign_splits, groups_by_image
from distune.data.table import SPLITS, Split
from distune.errors import DataError, UserError, is_of_the_machine
from distune.prediction.example_pixels import array_of, is_picture
from distune.prediction.examples import cell_of, column_of, columns_in, is_frame, is_nothing
from distune.prediction.table_columns import is_missing
from distune.setup.columns import split_of
from distune.utils.files.new_folder import new_folder
from distune.utils.files.paths import read_file
from distune.utils.text import listed

FRAMES = Path("logs/data")
"""Data frames that were trained on, a folder each; runs and studies name them as their data.

They are not in the store, which evicts what it can compute again: a data frame could not be, and its study, resumed or
confirmed weeks later, would have lost its data.
"""
NOT_LABELS = ("id", "image", "text", "group", "split")
"""Columns of a data frame that are no labels, where the config names none."""
_SOURCE = "the data frame"


def with_data(config: Config, data: Any) -> Config:
    """The config whose data set is a data frame, written to disk once; every later call finds the same folder.

    Args:
        config: names the columns, or leaves them at `image`, `text` and `group`, all others being labels; a column
            `split` says train, dev or test.
        data: a data frame; images as paths, arrays or Pillow images. None leaves the config as it is.

    Raises:
        UserError: it is no data frame.
        DataError: the data frame lacks a column, a row is of no split, or an image cannot be read.
    """
    if data is None:
        return config
    if not is_frame(data):
        raise UserError(f"data: a data frame of pandas, not {type(data).__name__}")
    if not len(data):
        raise DataError(_SOURCE, ["it has no row"])
    header = columns_in(data)
    asked = config.data
    columns = {
        "image_column": asked.image_column or "image",
        "text_column": asked.text_column or ("text" if "text" in header or _reads_text(config) else None),
        "group_column": asked.group_column or ("group" if "group" in header else None),
    }
    of_tasks = {name: task.columns for name, task in asked.tasks.items() if task.columns}
    others = {*NOT_LABELS, *columns.values(), asked.frame_column, *asked.subgroup_columns}.union(
        *of_tasks.values()
    )
    labels = asked.label_columns or (*of_tasks, *(name for name in header if name not in others))
    if not labels:
        raise DataError(_SOURCE, [f"no column of labels; it has {listed(header)}"])
    # What says how the config's own tables are read says nothing about those that are written here.
    values = {
        "reader": "csv",
        "root": str(FRAMES),
        "tables": None,
        "encoding": None,
        "label_columns": list(labels),
    }
    config = with_values(config, {f"data.{key}": value for key, value in {**values, **columns}.items()})
    needed = [*(name for name in columns.values() if name), *csv_columns(config.data).needed()]
    if missing := [name for name in dict.fromkeys(needed) if name not in header]:
        raise DataError(
            _SOURCE, [f"no column {listed(missing)}, which the config reads; it has {listed(header)}"]
        )
    rows = {name: column_of(data, name) for name in dict.fromkeys(needed)}
    given = _given_splits(column_of(data, "split")) if "split" in header else None
    images = rows.pop(str(columns["image_column"]))
    cells = {name: _cells(name, values) for name, values in rows.items()}
    folder = _written(config, images, cells, given)
    return with_values(config, {"data.root": str(folder)})


def _reads_text(config: Config) -> bool:
    return any("text" in model.modalities for model in (config.teacher, config.student))


def _given_splits(cells: Iterable[Any]) -> list[Split]:
    """The splits that the column `split` names; a row of none would be lost.

    Raises:
        DataError: a cell names no split.
    """
    found = [(cell, split_of(str(cell))) for cell in cells]
    unknown = [
        (f"row {row}", Fault("no split", repr(cell), "use train, dev or test"))
        for row, (cell, split) in enumerate(found)
        if not split
    ]
    if unknown:
        raise DataError(_SOURCE, by_cause(unknown), by_example(unknown))
    return [split for _, split in found if split]


def _cells(column: str, values: Sequence[Any]) -> list[str]:
    """What a table file would hold.

    Raises:
        DataError: it can hold no such value.
    """
    cells = []
    for row, value in enumerate(values):
        try:
            cells.append(cell_of(value))
        except UserError as error:
            raise DataError(_SOURCE, [f"row {row}: column {column!r}: {error}"]) from None
    return cells


def _written(
    config: Config, images: Sequence[Any], cells: dict[str, list[str]], given: Sequence[Split] | None
) -> Path:
    """The folder with the images and tables; one that is there already holds the same."""
    may_lack = config.data.missing == "allow"
    files = [_file_of(image, f"row {row}", may_lack=may_lack) for row, image in enumerate(images)]
    names = [file and f"{hashlib.sha256(file[0]).hexdigest()[:16]}{file[1]}" for file in files]
    splits = given or _made_splits(config, cells, [Path(name or "").stem for name in names])
    rows = {str(config.data.image_column): [f"images/{name}" if name else "" for name in names], **cells}
    content = [[name, *values] for name, values in [*rows.items(), ("split", splits)]]
    digest = hashlib.sha256(repr(content).encode()).hexdigest()[:16]
    folder = FRAMES / f"{config.name}_{digest}"
    pictures = {name: file[0] for name, file in zip(names, files, strict=True) if name and file}
    tables = _tables(rows, splits)
    try:
        if not folder.is_dir():
            with new_folder(folder) as draft:
                _write_into(draft, tables, pictures)
    except DataError:
        if not folder.is_dir():  # else another process was faster
            raise
    _check_tables(folder, tables)
    return folder.resolve()


def _write_into(folder: Path, tables: Mapping[str, str], pictures: Mapping[str, bytes]) -> None:
    (folder / "images").mkdir()
    for name, content in pictures.items():
        (folder / "images" / name).write_bytes(content)
    for name, text in tables.items():
        (folder / name).write_bytes(text.encode())


def _tables(rows: Mapping[str, list[str]], splits: Sequence[Split]) -> dict[str, str]:
    """The text of each table by the name of its file; there may be none for test."""
    chosen = {split: [row for row, there in enumerate(splits) if there == split] for split in SPLITS}
    return {
        f"metadata_{split}.csv": _csv(rows, places)
        for split, places in chosen.items()
        if places or split != "test"
    }


def _check_tables(folder: Path, tables: Mapping[str, str]) -> None:
    """Refuses a folder whose tables somebody edited: it would be trained on in the data frame's place.

    Raises:
        DataError: a table is not as it was written.
    """
    problem = (
        "is not what the data frame says; delete this folder, or name it as data.root to read it as it is"
    )
    problems = [
        f"{name}: {problem}"
        for name, text in tables.items()
        if not (folder / name).is_file() or read_file(folder / name) != text.encode()
    ]
    if problems:
        raise DataError(folder, problems)


def _made_splits(config: Config, cells: Mapping[str, list[str]], images: Sequence[str]) -> list[Split]:
    columns = csv_columns(config.data)
    # As they are read afterwards: a patient in two spellings is one.
    of_row = list(zip(*(one_spelling(cells[name], name)[0] for name in columns.labels), strict=True))
    groups = one_spelling(cells[columns.group], "")[0] if columns.group else groups_by_image(images)
    # A row without any label is one to learn from: with all of its case it is in train.
    allows = config.data.missing == "allow"
    known = [
        not (allows and all(is_missing(cell, config.data.missing_values) for cell in row)) for row in of_row
    ]
    in_train = {group for group, has_label in zip(groups, known, strict=True) if not has_label}
    spread = [place for place, group in enumerate(groups) if group not in in_train]
    assigned = assign_splits(
        [of_row[place] for place in spread],
        [groups[place] for place in spread],
        fractions=FRACTIONS,
        seed=config.seed,
    )
    splits: list[Split] = ["train"] * len(groups)
    for place, number in zip(spread, assigned.tolist(), strict=True):
        splits[place] = SPLITS[number]
    return splits


def _file_of(image: Any, where: str, *, may_lack: bool) -> tuple[bytes, str] | None:
    """The file of an image, and its suffix; None where there is no image and there need not be one.

    Raises:
        DataError: the image cannot be read, or is missing.
    """
    if is_nothing(image):
        if may_lack:
            return None
        raise DataError(_SOURCE, [f"{where}: no image; data.missing: allow takes rows without one"])
    try:
        return _bytes_of(image)
    except (UserError, OSError, ValueError) as error:
        if is_of_the_machine(error):
            raise
        reason = error.strerror if isinstance(error, OSError) else None
        shown = f"{image}: " if isinstance(image, str | Path) else ""
        raise DataError(_SOURCE, [f"{where}: {shown}{reason or error}"]) from None


def _bytes_of(image: Any) -> tuple[bytes, str]:
    if isinstance(image, str | Path):
        file, frame = located(image)
        if frame is not None:
            raise UserError("frames of a file cannot be named here")
        return read_file(Path(file)), Path(file).suffix.lower()
    values = array_of(image) if is_picture(image) else image
    if not isinstance(values, np.ndarray):
        raise UserError(
            f"an image of type {type(image).__name__}: give a path, a NumPy array or a Pillow image"
        )
    return _png(values), ".png"


def _png(values: NDArray[Any]) -> bytes:
    """The values without loss, as 8 or 16 bits."""
    import cv2

    if values.dtype not in (np.uint8, np.uint16):
        raise UserError(f"an image of {values.dtype}; give bytes or 16 bits a value")
    done, content = cv2.imencode(".png", in_bgr(values))
    if not done:
        raise UserError(f"an image of shape {values.shape}")
    return content.tobytes()


def _csv(rows: Mapping[str, list[str]], chosen: Sequence[int]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(rows)
    writer.writerows([values[row] for values in rows.values()] for row in chosen)
    return text.getvalue()
