"""Names that come from data, and whether they may become paths."""

from __future__ import annotations

import re

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")


def is_file_name(name: str) -> bool:
    """Whether a name from data can be the name of one file or folder: no separator, no dots first, not too long."""
    return _FILE_NAME.fullmatch(name) is not None
