"""Numbers of unknown origin, such as JSON and the databases of studies: whether a value is one."""

from __future__ import annotations

import math
from typing import Any


def is_number(value: Any) -> bool:
    """Whether a value is a finite int or float (and no bool); an int that no float can hold is none."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def is_whole(value: Any) -> bool:
    """Whether a value is an int (and no bool)."""
    return isinstance(value, int) and not isinstance(value, bool)
