"""Numbers of unknown origin, such as JSON, tables and the databases of studies: whether a value is one."""

from __future__ import annotations

import math
import re
from typing import Any

_WRITTEN = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.I)


def is_number(value: Any) -> bool:
    """Whether a value is a finite int or float (and no bool); an int that no float can hold is none."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def is_whole(value: Any) -> bool:
    """Whether a value is an int (and no bool)."""
    return isinstance(value, int) and not isinstance(value, bool)


def written_number(cell: str) -> float:
    """The number in a cell of a table, in the form that every program writes.

    Raises:
        ValueError: it is none, such as `1_000`, NaN or digits of another script, which `float` reads.
    """
    if not _WRITTEN.fullmatch(cell.strip()):
        raise ValueError(f"{cell!r} is no number")
    return float(cell)
