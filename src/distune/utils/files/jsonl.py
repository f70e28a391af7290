"""JSON lines: appended so that a cut record harms no other, and read so that a damaged line is named."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distune.utils.files.json_files import parse_json
from distune.utils.files.paths import check_appendable, naming, read_file


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Appends one record and waits until it is on the disk.

    Where the file ends in the middle of a line, because a writer was killed, that line is ended first.

    Args:
        path: the file; it is made where there is none.
        record: what JSON can hold.

    Raises:
        OSError: see `check_appendable`.
    """
    check_appendable(path)
    with naming(path), path.open("ab+") as file:
        line = json.dumps(record).encode() + b"\n"
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                line = b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: Path) -> list[dict[str, Any] | None]:
    """Reads a file of JSON lines, see `parse_lines`; none where there is no file."""
    try:
        return parse_lines(read_file(path))
    except FileNotFoundError:
        return []


def parse_lines(content: bytes) -> list[dict[str, Any] | None]:
    """Reads JSON lines.

    Lines end at a line feed and nowhere else: JSON may hold other characters that Python takes for line ends.

    Returns:
        One object a line, in their order, and None for a line that is damaged.
    """
    return [_object(line) for line in content.split(b"\n") if line.strip()]


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        record = parse_json(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
