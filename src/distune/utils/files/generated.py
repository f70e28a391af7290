"""Files that are written for people to start from: where one was edited, the edit outlives the next version."""

from __future__ import annotations

import logging
import zlib
from pathlib import Path

from distune.utils.files.atomic import write_bytes, write_text
from distune.utils.files.paths import read_file

_NOTE = "written by Distune; where you edit this file, your version is kept beside the next one"
_log = logging.getLogger(__name__)


def write_generated(path: Path, text: str) -> None:
    """Writes a text whose last line, a comment, tells later whether anybody edited it.

    A file that is there and is not as it was written is copied to `NAME.edited.SUFFIX` first, with a warning.

    Args:
        path: a YAML, Markdown or HTML file.
        text: gets a line break at its end where it has none.
    """
    text += "" if text.endswith("\n") else "\n"
    if path.is_file() and _was_edited(path, text):
        _keep(path)
    write_text(path, text + _note(path, text))


def _note(path: Path, text: str) -> str:
    said = f"{_NOTE} ({zlib.crc32(text.encode()):08x})"
    return f"<!-- {said} -->\n" if path.suffix in (".md", ".html") else f"# {said}\n"


def _was_edited(path: Path, following: str) -> bool:
    """Whether it differs from what was written; one without a note, of an earlier version, from what follows."""
    there = read_file(path)
    text = b"".join(there.splitlines(keepends=True)[:-1]).decode("utf-8", "replace")
    return there not in (following.encode(), (text + _note(path, text)).encode())


def _keep(path: Path) -> None:
    content, number = read_file(path), 1
    while (kept := path.with_name(f"{path.stem}.edited{number if number > 1 else ''}{path.suffix}")).exists():
        if read_file(kept) == content:
            return
        number += 1
    write_bytes(kept, content)
    _log.warning("%s was edited, or written by an earlier version: it is kept as %s", path, kept.name)
