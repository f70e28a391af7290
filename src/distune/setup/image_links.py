"""A folder of tables made whole: the image files that they name, beside them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distune.data.readers.image_files import ImageFiles
from distune.data.readers.nothing import may_be_nothing
from distune.data.split import SplitCounts, read_table_rows, split_csv
from distune.errors import UserError
from distune.setup.cells import is_missing
from distune.setup.image_column import images_of
from distune.utils.files.atomic import replacing
from distune.utils.files.paths import read_file
from distune.utils.threads import threaded


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
        UserError: as `split_csv`, or `image_column` names no image files, which is said before anything is written, or
            another file is where an image should go.
    """
    found, group = None, options.get("group_column")
    is_elsewhere = out.resolve() != metadata.parent.resolve()
    if is_elsewhere or not group:
        needed = [*options["label_columns"], *([group] if group else [])]
        rows = read_table_rows(metadata, needed, options.get("encoding"))
        found = _images(metadata, *rows[:2], image_column)
    if found is not None and not group:
        options["images"] = contents(*found[1:])
    if found is None or not is_elsewhere:
        return split_csv(metadata, out, **options), None
    brought: list[Brought] = []
    made: list[Path] = []

    def bring() -> None:
        # Before the tables: where the disk is full among them, no table is in the way of the same command.
        brought.append(bring_images(*found, out, made))

    try:
        return split_csv(metadata, out, before_writing=bring, **options), brought[0]
    except BaseException:
        for file in made:
            _remove(file, out)
        raise


def _remove(file: Path, above: Path) -> None:
    """Removes a file, and the folders between it and the one above as far as nothing else is in them."""
    with suppress(OSError):
        file.unlink(missing_ok=True)
        for folder in file.relative_to(above).parents[:-1]:
            (above / folder).rmdir()


def _images(
    metadata: Path, header: Sequence[str], rows: Sequence[Sequence[str]], wished: str | None
) -> tuple[str, ImageFiles, list[str]] | None:
    """The column that names image files, the files, and its cells; None where no column does and none is wished."""
    try:
        column, files = images_of(metadata.parent, header, rows, wished)
    except UserError:
        if wished is not None:
            raise
        return None
    place = header.index(column)
    return column, files, [cells[place] for cells in rows]


def contents(files: ImageFiles, cells: Sequence[str]) -> list[str]:
    """What is equal for rows of one image: a digest of the file, else the cell; empty where that names no image."""
    found = {cell: files.find(cell) for cell in dict.fromkeys(cells)}
    there = {cell: file for cell, file in found.items() if isinstance(file, Path)}
    digests = threaded(
        lambda file: hashlib.sha256(read_file(file)).hexdigest(), [*there.values()], step="hashing images"
    )
    same = {cell: "" for cell in found if is_missing(cell) or may_be_nothing(cell.strip())}
    same |= dict(zip(there, digests, strict=True))
    return [same.get(cell, cell.strip()) for cell in cells]


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
    column: str, files: ImageFiles, cells: Sequence[str], out: Path, made: list[Path]
) -> Brought:
    """Gives every image file that a column names the same path under another folder, as a hard link if it can be.

    Args:
        column: its name.
        files: the files that its cells name.
        cells: of all rows.
        out: the other folder.
        made: gets the files before they are made.

    Raises:
        UserError: another file is where one should go.
    """
    linked = copied = missing = 0
    for image in dict.fromkeys(cells):
        found = files.find(image)
        if not isinstance(found, Path):
            missing += 1
            continue
        target = out / found.relative_to(files.root)
        if os.path.lexists(target):
            is_same = target.exists() and (target.samefile(found) or read_file(target) == read_file(found))
            if not is_same:
                raise UserError(f"{target}: another file is there already; choose another folder")
            continue
        made.append(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(found, target)
            linked += 1
        except OSError:  # another disk, or one without links
            with replacing(target) as draft:
                shutil.copy2(found, draft)
            copied += 1
    return Brought(column, linked, copied, missing)
