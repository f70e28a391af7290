"""Files that are written for people to start from: where one was edited, the edit outlives the next version."""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distune.utils.files.atomic import write_bytes, write_text
from distune.utils.files.json_files import as_json
from distune.utils.files.paths import read_file
from distune.utils.files.sealed_files import was_edited, write_sealed
from distune.utils.text import is_unicode

_NOTE = "written by Distune; where you edit this file, your version is kept beside the next one"
_END = 12
"""Bytes of the chunk that ends a PNG."""
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


def write_generated_png(path: Path, png: bytes) -> None:
    """Writes a picture in the same way; a text inside it tells whether anybody edited it."""
    keep_edited_png(path)
    write_bytes(path, _signed(png))


def keep_edited_png(path: Path) -> None:
    """Copies a picture to `NAME.edited.png` where it is there and not as it was written."""
    if path.is_file():
        there = read_file(path)
        length = len(_signature(b""))
        if there != _signed(there[: -_END - length] + there[-_END:]):
            _keep(path)


def write_generated_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes a JSON object in the same way, as a record with its checksum."""
    if path.is_file() and was_edited(path):
        _keep(path)
    # The path of a folder may hold bytes that are no UTF-8.
    write_sealed(path, values, ascii_alone=not is_unicode(as_json(values, ascii_alone=False)))


def _signed(png: bytes) -> bytes:
    return png[:-_END] + _signature(png) + png[-_END:]


def _signature(png: bytes) -> bytes:
    """A chunk of text that fits a PNG: length, kind, content and checksum (PNG 1.2, 3.2)."""
    chunk = b"tEXtComment\0" + f"{_NOTE} ({zlib.crc32(png):08x})".encode("latin-1")
    return struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))


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
