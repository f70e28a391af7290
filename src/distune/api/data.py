"""Data sets: splits, audits, and data frames written to disk for training."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from distune.config import Config, with_values
from distune.data.images import located
from distune.data.split import SplitCounts, assign_splits, split_csv
from distune.data.table import SPLITS
from distune.errors import DataError, UserError
from distune.prediction.examples import array_of, is_frame, is_picture
from distune.utils.new_folder import new_folder
from distune.utils.text import listed

if TYPE_CHECKING:
    from distune.data.audit.audit import AuditReport
    from distune.data.table import Table

FRAMES = Path("logs/data")
"""Data frames that were trained on, a folder each; runs and studies name them as their data."""
NOT_LABELS = ("id", "image", "text", "group", "split")
"""Columns of a data frame that are no labels, where the config names none."""


def split(
    metadata: Path | str,
    out: Path | str,
    *,
    labels: Sequence[str],
    group: str | None = None,
    fractions: tuple[float, float, float] = (0.7, 0.15, 0.15),
    seed: int = 42,
) -> SplitCounts:
    """Splits one CSV into train, dev and test files, whole patients or cases at a time.

    Args:
        metadata: the file.
        out: folder for the new files.
        labels: the label columns, to stratify on.
        group: column with the patient or case.
        fractions: shares of train, dev and test.
        seed: decides between equally good places.

    Returns:
        The number of rows by split, label column and class.
    """
    return split_csv(
        Path(metadata), Path(out), label_columns=labels, group_column=group, fractions=fractions, seed=seed
    )


def audit(data: Config | Table) -> AuditReport:
    """Looks for leaks between splits, shortcuts to the labels, and classes too small to judge.

    Args:
        data: a table, or a config whose data set is read.
    """
    from distune.data import read_table
    from distune.data.audit.audit import audit as audit_table

    return audit_table(read_table(data.data, data.seed) if isinstance(data, Config) else data)


def with_data(config: Config, data: Any) -> Config:
    """The config whose data set is a data frame, written to disk once; every later call finds the same folder.

    Args:
        config: names the columns, or leaves them at `image`, `text`, `group` and `split`, all others being labels.
        data: a data frame; images as paths, arrays or Pillow images. None leaves the config as it is.

    Raises:
        DataError: the data frame lacks a column, or an image cannot be read.
    """
    if data is None:
        return config
    if not is_frame(data):
        raise UserError(f"data: a data frame of pandas, not {type(data).__name__}")
    header = [str(name) for name in data.columns]
    columns = {
        "image_column": config.data.image_column or "image",
        "text_column": config.data.text_column or "text",
        "group_column": config.data.group_column or ("group" if "group" in header else None),
    }
    labels = config.data.label_columns or tuple(name for name in header if name not in NOT_LABELS)
    needed = [*(name for name in columns.values() if name), *labels]
    missing = [name for name in needed if name not in header]
    if missing or not labels:
        raise DataError(
            "the data frame", [f"no column {listed(missing or ['of labels'])}; it has {listed(header)}"]
        )
    folder = _written(config, data, columns, labels)
    values = {"data.reader": "csv", "data.root": str(folder), "data.label_columns": list(labels)}
    return with_values(config, values | {f"data.{key}": name for key, name in columns.items()})


def _written(config: Config, data: Any, columns: Mapping[str, str | None], labels: Sequence[str]) -> Path:
    rows = {name: list(data[name]) for name in dict.fromkeys([*columns.values(), *labels]) if name}
    image_column = str(columns["image_column"])
    images = [_bytes_of(image, f"row {row}") for row, image in enumerate(rows[image_column])]
    splits = list(data["split"]) if "split" in [str(name) for name in data.columns] else None
    splits = splits or _splits(config, rows, columns, labels)
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


def _splits(
    config: Config, rows: Mapping[str, list[Any]], columns: Mapping[str, str | None], labels: Sequence[str]
) -> list[str]:
    of_row = list(zip(*(map(str, rows[name]) for name in labels), strict=True))
    group = columns["group_column"]
    groups = list(map(str, rows[group])) if group else [str(row) for row in range(len(of_row))]
    assigned = assign_splits(of_row, groups, fractions=(0.7, 0.15, 0.15), seed=config.seed)
    return [SPLITS[number] for number in assigned.tolist()]


def _bytes_of(image: Any, where: str) -> tuple[bytes, str]:
    """The file of an image, and its suffix."""
    if isinstance(image, str | Path):
        file, frame = located(image)
        if frame is not None:
            raise DataError("the data frame", [f"{where}: {image}: frames of a file cannot be named here"])
        try:
            return Path(file).read_bytes(), Path(file).suffix.lower()
        except OSError as error:
            raise DataError("the data frame", [f"{where}: {image}: {error.strerror or error}"]) from None
    values = array_of(image) if is_picture(image) else image
    if not isinstance(values, np.ndarray):
        raise DataError("the data frame", [f"{where}: an image of type {type(image).__name__}"])
    return _png(values, where), ".png"


def _png(values: NDArray[Any], where: str) -> bytes:
    """The values without loss, as 8 or 16 bits."""
    import cv2

    if values.dtype not in (np.uint8, np.uint16):
        raise DataError(
            "the data frame", [f"{where}: an image of {values.dtype}; give bytes or 16 bits a value"]
        )
    if values.ndim == 3 and values.shape[2] > 1:
        values = np.concatenate([values[..., 2::-1], values[..., 3:]], axis=2)
    done, content = cv2.imencode(".png", values)
    if not done:
        raise DataError("the data frame", [f"{where}: an image of shape {values.shape}"])
    return content.tobytes()


def _write_csv(file: Path, rows: Mapping[str, list[Any]], chosen: Sequence[int]) -> None:
    with file.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(rows)
        writer.writerows([values[row] for values in rows.values()] for row in chosen)
