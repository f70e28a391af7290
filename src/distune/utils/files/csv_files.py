"""Cells of a CSV of any length, whatever limit a notebook has set, and with any line end in them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import TextIO, TypeVar

from distune.utils.files.atomic import replacing

Row = TypeVar("Row")
LONGEST = 2**31 - 1
_ONE_AT_A_TIME = Lock()


def of_any_length(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows of a reader of `csv`, whose limit on the length of a cell is one for the whole process.

    Args:
        rows: the reader, of lists or of dicts.
    """
    while True:
        with _ONE_AT_A_TIME:  # another thread would take the raised limit for the one to put back
            before = csv.field_size_limit(LONGEST)
            try:
                row = next(rows, None)
            finally:
                csv.field_size_limit(before)
        if row is None:
            return
        yield row


def write_csv(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """Writes a table in UTF-8, whole or not at all; see `write_rows`."""
    with replacing(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        write_rows(file, rows)


def write_rows(file: TextIO, rows: Iterable[Sequence[str]]) -> None:
    """Writes rows that end with a line feed.

    Args:
        file: opened with `newline=""`.
        rows: of cells.
    """
    plain, quoted = (
        csv.writer(file, lineterminator="\n", quoting=quoting)
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    )
    for row in (
        rows
    ):  # before Python 3.13 the writer leaves a carriage return bare, which readers take for a line end
        (quoted if any("\r" in cell for cell in row) else plain).writerow(row)
