"""Files that a reader sees whole: the old one or the new one, never half of one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A draft to write; it takes the file's place where the block ends without an error.

    Each draft has a name of its own, so processes that write the same file at once do not meet; the last one wins.

    Args:
        path: the file.
        durable: wait until the draft is on the disk, so that even a power cut leaves a whole file.

    Raises:
        OSError: the path is a device, a pipe or a socket, whose place no file may take.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "is no regular file and is not replaced", str(path))
    draft = path.with_name(f".{uuid4().hex}.{path.name}")
    try:
        yield draft
        if durable:
            _flush(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8."""
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file as it is."""
    with replacing(path) as draft:
        draft.write_bytes(content)


def remove_drafts(path: Path) -> None:
    """Removes what processes left that were killed while they wrote a file; no process may be writing it now."""
    for draft in path.parent.glob(f".*.{path.name}"):
        draft.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
