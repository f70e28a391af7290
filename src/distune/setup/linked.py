"""A folder of tables made whole: the image files that they name, beside them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distune.data.readers.table_files import open_table
from distune.data.split import SplitCounts, split_csv
from distune.errors import UserError
from distune.setup.columns import images_of


def split_whole(
    metadata: Path, out: Path, *, image_column: str | None = None, **options: Any
) -> tuple[SplitCounts, Brought | None]:
    """Splits a table as `split_csv` does, and takes its images along where the new tables lie elsewhere.

    Args:
        metadata: the table.
        out: folder for the new tables.
        image_column: the one with the image paths; None looks for it.
        options: those of `split_csv`.

    Returns:
        The rows by split, column and class; and what became of the images: None where they are there already, or where
        no column names any.

    Raises:
        UserError: as `split_csv` and `bring_images`.
    """
    counts = split_csv(metadata, out, **options)
    if out.resolve() == metadata.parent.resolve():
        return counts, None
    table = open_table(metadata)
    rows = [cells for _, cells in table.rows]
    try:
        images_of(metadata.parent, table.header, rows, image_column)
    except UserError:
        if image_column is not None:
            raise
        return counts, None
    return counts, bring_images(metadata.parent, out, table.header, rows, image_column)


@dataclass(frozen=True)
class Brought:
    """Image files that were brought to another folder.

    Attributes:
        column: the one that names them.
        linked: files that are the same as before under a second name; they take no room.
        copied: files that had to be copied, because the folder is on another disk.
        missing: cells that name no file.
    """

    column: str
    linked: int
    copied: int
    missing: int


def bring_images(
    folder: Path, out: Path, header: Sequence[str], rows: Sequence[Sequence[str]], column: str | None = None
) -> Brought:
    """Gives every image file that a table names the same path under another folder, as a hard link if it can be.

    Args:
        folder: where the table lies.
        out: the other folder.
        header: names of the columns.
        rows: all rows.
        column: the one with the image paths; None looks for it.

    Raises:
        UserError: no column names image files, or another file is where one should go.
    """
    name, files = images_of(folder, header, rows, column)
    place = header.index(name)
    linked = copied = missing = 0
    for image in dict.fromkeys(cells[place] for cells in rows):
        found = files.find(image)
        if not isinstance(found, Path):
            missing += 1
            continue
        target = out / found.relative_to(files.root)
        if target.exists():
            if not target.samefile(found) and target.read_bytes() != found.read_bytes():
                raise UserError(f"{target}: another file is there already; choose another folder")
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(found, target)
            linked += 1
        except OSError:  # another disk, or one without links
            shutil.copy2(found, target)
            copied += 1
    return Brought(name, linked, copied, missing)
