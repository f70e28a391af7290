"""Files that a command writes where the user says: one that is there already is replaced only by its like."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from distune.errors import UserError

START = 4096
"""Bytes at the start of a file that tell what it is."""


def check_output(
    out: Path, is_like: Callable[[bytes], object], what: str, *, inputs: Iterable[Path] = ()
) -> None:
    """Refuses an output file that would replace something else; called before any work.

    Args:
        out: the file to write.
        is_like: whether a file that begins with these bytes was written by the same command.
        what: such a file in words.
        inputs: files that the command reads.

    Raises:
        UserError: `out` is one of the inputs, a folder, a device or a pipe, or a file of another kind.
    """
    if not out.exists():
        return
    if any(path.exists() and out.samefile(path) for path in inputs):
        raise UserError(f"{out}: this file is read here; name another one to write to")
    if out.is_dir():
        raise UserError(f"{out} is a folder; name a file in it, such as {out / what.replace(' ', '_')}")
    if not out.is_file():
        raise UserError(f"{out}: is no regular file; name a file to write to")
    with out.open("rb") as stream:
        start = stream.read(START)
    if start and not is_like(start):
        raise UserError(f"{out}: is there already and holds no {what}; delete it, or name another file")
