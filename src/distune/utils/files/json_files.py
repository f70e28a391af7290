"""JSON of unknown origin: whatever is wrong with it is a `ValueError`."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from distune.utils.files.paths import read_file
from distune.utils.text import NOT_UNICODE, is_unicode

DEEPEST = 100
"""Levels of nesting."""
LONGEST_KEY = 100
"""Characters of a key that an error shows."""
_MAY_BE_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def read_json(path: Path) -> Any:
    """What a JSON file in UTF-8 holds.

    Raises:
        OSError: it cannot be read, or is no regular file.
        ValueError: it is no JSON in UTF-8, nested too deep, has a key twice, a number that is none, or text that is not
            valid Unicode.
    """
    return parse_json(read_file(path))


def parse_json(written: str | bytes, *, any_text: bool = False) -> Any:
    """What a JSON text holds; see `read_json`.

    Args:
        written: the text; bytes are UTF-8.
        any_text: leave text that is not valid Unicode to the caller, who names the row and the column.
    """
    text = written if isinstance(written, str) else written.decode("utf-8")
    try:
        found = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
    except json.JSONDecodeError:
        raise
    except ValueError as error:  # Python's own words name a function of Python
        raise ValueError(
            "a number of thousands of digits" if "digits" in str(error) else str(error)
        ) from None
    except RecursionError:
        raise ValueError(f"nested deeper than {DEEPEST} levels") from None
    _check_depth(text, found)
    # Decoded text holds halves of surrogate pairs only where an escape wrote them.
    if not any_text and _MAY_BE_HALF.search(text) and not is_unicode(json.dumps(found, ensure_ascii=False)):
        raise ValueError(NOT_UNICODE)
    return found


def as_json(value: Any, *, ascii_alone: bool = True) -> str:
    """JSON for people: indented, with a newline at its end.

    Raises:
        ValueError: it holds a number that is none, or what JSON has not.
    """
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=ascii_alone) + "\n"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:LONGEST_KEY]!r} stands twice")
    return found


def _constant(name: str) -> Any:
    """What Python takes for numbers: NaN, Infinity and -Infinity, which JSON does not know."""
    raise ValueError(f"{name}, which is no number")


def _float(digits: str) -> float:
    if math.isinf(number := float(digits)):
        raise ValueError(f"{digits[:LONGEST_KEY]}, which is larger than any number")
    return number


def _check_depth(text: str, found: Any) -> None:
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    level, depth = [found], 0
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"nested deeper than {DEEPEST} levels")
        level = [value for one in level for value in (one.values() if isinstance(one, dict) else one)]
