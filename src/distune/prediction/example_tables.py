"""Tables of new examples: CSV in any common form, JSON lines or parquet."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from distune.data.pixels.images import FRAME, NO_FRAME, located, with_frame
from distune.data.readers.doubts import column_notes, text_notes
from distune.data.readers.image_files import ImageFiles
from distune.data.readers.table_formats import TableError, open_table, row_fault
from distune.errors import DataError
from distune.prediction.examples import Example
from distune.prediction.table_columns import Columns, frame_position, positions
from distune.utils.text import counted

_log = logging.getLogger(__name__)


def read_examples(path: Path, root: Path, columns: Columns) -> list[Example]:
    """Reads a table of new examples: CSV in any common form, JSON lines or parquet.

    Args:
        path: the file; its first row names the columns.
        root: folder that image paths are relative to, and that none of them leaves.
        columns: how it is read; a column `id` names the examples, else `file:row`.

    Returns:
        All rows in file order; those that cannot be used say why.

    Raises:
        DataError: the file cannot be read, or a column is missing.
    """
    return read_table_of(path, root, columns)[2]


def read_table_of(
    path: Path, root: Path, columns: Columns
) -> tuple[list[str], list[list[str]], list[Example], list[str]]:
    """Reads a table of examples as `read_examples` does.

    Returns:
        The header, the fields of every row, and its example; a row with a fault (see `row_fault`) has empty ones; and
        the columns of lists that no field can hold (see `TableFile`).

    Raises:
        DataError: see `read_examples`.
    """
    files = ImageFiles(root, follow_links=columns.follow_links)
    rows, found = [], []
    try:
        table = open_table(path, (*columns.image, *columns.text, *columns.frame), likely=columns.encoding)
        header = table.header
        if table.is_guess and columns.encoding is None:
            _log.warning("%s: read %s", path, table.said("save it as UTF-8"))
        image, text = positions(str(path), header, columns)
        frame = frame_position(str(path), header, columns)
        if image is not None and not root.is_dir():
            raise DataError(root, ["there is no such folder; data_root is what image paths are relative to"])
        name = header.index("id") if "id" in header else None
        for number, values in table.rows:
            origin, odd = f"{path.name}:{number}", row_fault(header, values)
            if odd is not None:
                values = [""] * len(header)
            file, fault = None, None if odd is None else str(odd)
            if image is not None and fault is None:
                file, fault = _file(files, values[image], "" if frame is None else values[frame])
            said = None if text is None else columns.text_of(values[text])
            rows.append(values)
            own_name = values[name] if name is not None and values[name].strip() else origin
            found.append(Example(own_name, file, said, fault))
    except FileNotFoundError:
        raise DataError(path, ["there is no such file"]) from None
    except TableError as error:
        raise DataError(path, [f"row {error.row}: {error}" if error.row else str(error)]) from None
    for note in _doubts(path.name, header, (image, text, frame, name), found):
        _log.warning("%s", note)
    return header, rows, found, table.lost


def _doubts(
    source: str, header: Sequence[str], read: Sequence[int | None], examples: Sequence[Example]
) -> list[str]:
    """Lines for columns, texts and ids that may mean something else than they are taken for."""
    notes = column_notes(source, header, {header[place] for place in read if place is not None})
    notes += [f"{source}: {note}" for note in text_notes([example.text or "" for example in examples])]
    times = Counter(example.id for example in examples)
    if twice := [name for name, count in times.items() if count > 1]:
        notes.append(f"{source}: {counted(len(twice), 'id')} of several rows, such as {twice[0]!r}")
    return notes


def _file(files: ImageFiles, image: str, cell: str) -> tuple[str | None, str | None]:
    """The image's file, with its frame where one is named, or why there is none; nothing for an empty cell."""
    if not image.strip():
        return None, None
    try:
        name, frame = located(with_frame(image, cell))
    except ValueError as error:
        return None, f"{NO_FRAME}: {str(error)!r}"
    found = files.find(name)
    if not isinstance(found, Path):
        return None, f"{found}; {found.remedy}" if found.remedy else str(found)
    return (str(found) if frame is None else f"{found}{FRAME}{frame}"), None
