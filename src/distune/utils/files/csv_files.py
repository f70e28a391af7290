"""Cells of a CSV of any length, whatever limit a notebook has set."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from threading import Lock
from typing import TypeVar

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
