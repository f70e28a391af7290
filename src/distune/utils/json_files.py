"""JSON of unknown origin: whatever is wrong with it is a `ValueError`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from distune.utils.paths import read_file


def read_json(path: Path) -> Any:
    """What a JSON file in UTF-8 holds.

    Raises:
        OSError: it cannot be read, or is no regular file.
        ValueError: it is no JSON, or nested too deep.
    """
    return parse_json(read_file(path).decode("utf-8"))


def parse_json(written: str | bytes) -> Any:
    """What a JSON text holds; see `read_json`."""
    try:
        return json.loads(written)
    except RecursionError:
        raise ValueError("nested too deep") from None
