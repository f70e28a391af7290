"""Data sets: splits, audits, and data frames written to disk for training."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from distune.config import Config, with_values
from distune.data.images import located
from distune.data.readers.csv_tables import csv_columns
from distune.data.readers.problems import Fault, by_cause, by_example
from distune.data.split import FRACTIONS, SplitCounts, assign_splits
from distune.data.table import SPLITS, Split
from distune.errors import DataError, UserError
from distune.prediction.examples import array_of, is_frame, is_picture
from distune.setup.columns import split_of
from distune.setup.linked import split_whole
from distune.utils.arguments import check_argument, check_path
from distune.utils.new_folder import new_folder
from distune.utils.paths import read_file
from distune.utils.text import listed

if TYPE_CHECKING:
    from distune.data.audit.audit import AuditReport
    from distune.data.table import Table

FRAMES = Path("logs/data")
"""Data frames that were trained on, a folder each; runs and studies name them as their data."""
NOT_LABELS = ("id", "image", "text", "group", "split")
"""Columns of a data frame that are no labels, where the config names none."""
_SOURCE = "the data frame"


def split(
    metadata: Path | str,
    out: Path | str,
    *,
    labels: Sequence[str],
    group: str | None = None,
    image: str | None = None,
    fractions: tuple[float, float, float] = FRACTIONS,
    seed: int = 42,
) -> SplitCounts:
    """Splits one table into train, dev and test files, whole patients or cases at a time.

    Args:
        metadata: the file: CSV, JSON lines or parquet.
        out: folder for the new files; where it is another one, the images come along as hard links or copies.
        labels: the label columns, to stratify on.
        group: column with the patient or case.
        image: column with the image paths; None finds it out.
        fractions: shares of train, dev and test.
        seed: decides between equally good places.

    Returns:
        The number of rows by split, label column and class.
    """
    for name, given in (("metadata", metadata), ("out", out)):
        check_path(name, given)
    check_argument("labels", labels, list, tuple)  # a string is a sequence, too
    for name, column in (("group", group), ("image", image)):
        check_argument(name, column, str, type(None))
    check_argument("fractions", fractions, list, tuple)
    if len(fractions) != len(SPLITS):
        raise UserError(f"fractions: {len(fractions)} of them; give those of train, dev and test")
    for fraction in fractions:
        check_argument("fractions", fraction, int, float)
    check_argument("seed", seed, int)
    counts, _ = split_whole(
        Path(metadata),
        Path(out),
        label_columns=labels,
        group_column=group,
        image_column=image,
        fractions=fractions,
        seed=seed,
    )
    return counts


def audit(data: Config | Table) -> AuditReport:
    """Looks for leaks between splits, shortcuts to the labels, and classes too small to evaluate.

    Args:
        data: a table, or a config whose data set is read.
    """
    from distune.data import Table, read_table
    from distune.data.audit.audit import audit as audit_table
    from distune.data.demo.demo import without_writing

    check_argument("data", data, Config, Table)
    if not isinstance(data, Config):
        return audit_table(data)
    with without_writing(data) as looked_at:
        return audit_table(read_table(looked_at.data, looked_at.seed))


def with_data(config: Config, data: Any) -> Config:
    """The config whose data set is a data frame, written to disk once; every later call finds the same folder.

    Args:
        config: names the columns, or leaves them at `image`, `text` and `group`, all others being labels; a column
            `split` says train, dev or test.
        data: a data frame; images as paths, arrays or Pillow images. None leaves the config as it is.

    Raises:
        DataError: the data frame lacks a column, a row is of no split, or an image cannot be read.
    """
    if data is None:
        return config
    if not is_frame(data):
        raise UserError(f"data: a data frame of pandas, not {type(data).__name__}")
    header = [str(name) for name in data.columns]
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
        raise DataError(_SOURCE, [f"no column {listed(missing)}; it has {listed(header)}"])
    rows = {name: list(data.iloc[:, header.index(name)]) for name in dict.fromkeys(needed)}
    given = _given_splits(data.iloc[:, header.index("split")]) if "split" in header else None
    folder = _written(config, rows, given)
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


def _written(config: Config, rows: dict[str, list[Any]], given: Sequence[Split] | None) -> Path:
    """The folder with the images and tables; one that is there already holds the same."""
    image_column = str(config.data.image_column)
    images = [_bytes_of(image, f"row {row}") for row, image in enumerate(rows[image_column])]
    splits = given or _made_splits(config, rows)
    names = [f"{hashlib.sha256(content).hexdigest()[:16]}{suffix}" for content, suffix in images]
    rows[image_column] = [f"images/{name}" for name in names]
    content = [[name, *map(str, values)] for name, values in [*rows.items(), ("split", splits)]]
    digest = hashlib.sha256(repr(content).encode()).hexdigest()[:16]
    folder = FRAMES / f"{config.name}_{digest}"
    if not folder.is_dir():
        with new_folder(folder) as draft:
            (draft / "images").mkdir()
            for name, (picture, _) in zip(names, images, strict=True):
                (draft / "images" / name).write_bytes(picture)
            for each in SPLITS:
                chosen = [row for row, there in enumerate(splits) if there == each]
                if chosen or each != "test":
                    _write_csv(draft / f"metadata_{each}.csv", rows, chosen)
    return folder.resolve()


def _made_splits(config: Config, rows: Mapping[str, list[Any]]) -> list[Split]:
    columns = csv_columns(config.data)
    of_row = list(zip(*(map(str, rows[name]) for name in columns.labels), strict=True))
    groups = list(map(str, rows[columns.group] if columns.group else range(len(of_row))))
    assigned = assign_splits(of_row, groups, fractions=FRACTIONS, seed=config.seed)
    return [SPLITS[number] for number in assigned.tolist()]


def _bytes_of(image: Any, where: str) -> tuple[bytes, str]:
    """The file of an image, and its suffix."""
    if isinstance(image, str | Path):
        file, frame = located(image)
        if frame is not None:
            raise DataError(_SOURCE, [f"{where}: {image}: frames of a file cannot be named here"])
        try:
            return read_file(Path(file)), Path(file).suffix.lower()
        except OSError as error:
            raise DataError(_SOURCE, [f"{where}: {image}: {error.strerror or error}"]) from None
    values = array_of(image) if is_picture(image) else image
    if not isinstance(values, np.ndarray):
        raise DataError(_SOURCE, [f"{where}: an image of type {type(image).__name__}"])
    return _png(values, where), ".png"


def _png(values: NDArray[Any], where: str) -> bytes:
    """The values without loss, as 8 or 16 bits."""
    import cv2

    if values.dtype not in (np.uint8, np.uint16):
        raise DataError(_SOURCE, [f"{where}: an image of {values.dtype}; give bytes or 16 bits a value"])
    if values.ndim == 3 and values.shape[2] > 1:
        values = np.concatenate([values[..., 2::-1], values[..., 3:]], axis=2)
    done, content = cv2.imencode(".png", values)
    if not done:
        raise DataError(_SOURCE, [f"{where}: an image of shape {values.shape}"])
    return content.tobytes()


def _write_csv(file: Path, rows: Mapping[str, list[Any]], chosen: Sequence[int]) -> None:
    with file.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(rows)
        writer.writerows([values[row] for values in rows.values()] for row in chosen)
