"""Files that a command writes where the user says: what is there already is replaced only by a newer version of it.

A page that is made again from the same records (a report, a page of mistakes, an audit) replaces the earlier one.
Answers may be another model's, or to other examples: they replace a file only where the user says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from distune.errors import UserError

START = 4096
"""Bytes at the start of a file that tell what it is."""


def is_never(start: bytes) -> bool:
    """Of a kind of file that is no version of an earlier one."""
    return False


def check_output(
    out: Path,
    is_earlier: Callable[[bytes], object],
    what: str,
    *,
    inputs: Iterable[Path] = (),
    overwrite: bool = False,
) -> None:
    """Refuses an output file that would replace something else; called before any work.

    Args:
        out: the file to write.
        is_earlier: whether a file that begins with these bytes is an earlier version of it.
        what: such a file in words.
        inputs: files that the command reads.
        overwrite: let it replace any file that is none of them.

    Raises:
        UserError: `out` is one of the inputs, a folder, a device or a pipe, or another file.
    """
    if not out.exists():
        return
    if any(path.exists() and out.samefile(path) for path in inputs):
        raise UserError(f"{out}: this file is read here; name another one to write to")
    if out.is_dir():
        raise UserError(f"{out} is a folder; name a file in it")
    if not out.is_file():
        raise UserError(f"{out}: is no regular file; name a file to write to")
    with out.open("rb") as stream:
        start = stream.read(START)
    if start and not overwrite and not is_earlier(start):
        raise UserError(
            f"{out}: is there already and is no earlier {what}; name another file, or --overwrite it"
        )
