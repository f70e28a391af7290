"""Files that a command writes where the user says: what is there already is replaced only by a newer version of it.

A page that is made again from the same records (a report, a page of mistakes, an audit) replaces the earlier one.
Answers may be another model's, or to other examples: they replace a file only where the user says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from distune.errors import UserError
from distune.utils.arguments import check_path

OF_A_FORMAT = (
    ".csv", ".tsv", ".json", ".jsonl", ".html", ".htm", ".md", ".pdf", ".docx", ".xlsx", ".xls", ".ods", ".parquet",
    ".feather", ".db", ".yaml", ".yml", ".zip", ".gz", ".png", ".jpg", ".svg", ".onnx", ".safetensors",
)  # fmt: skip
"""Ends of names that say what is in a file; any other, such as `.txt`, says nothing."""
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
    suffix: str | None = None,
    inputs: Iterable[Path] = (),
    overwrite: bool = False,
) -> None:
    """Refuses an output file that would replace something else; called before any work.

    Args:
        out: the file to write.
        is_earlier: whether a file that begins with these bytes is an earlier version of it.
        what: such a file in words.
        suffix: of names of such files; None where the name is not the user's.
        inputs: files and folders that the command reads.
        overwrite: let it replace any file that is none of them, or in none of them.

    Raises:
        UserError: `out` has a name of another format, is a link, one of the inputs or in a folder of theirs, a folder,
            a device or a pipe, another file, or where none can be written.
    """
    check_path("out", out)
    if out.is_symlink():  # which the new file would take the place of, also that of /dev/stdout
        raise UserError(f"{out}: is a link; name the file that it leads to, or another one")
    if suffix is not None and out.suffix.lower() in OF_A_FORMAT and out.suffix.lower() != suffix:
        raise UserError(f"{out}: would not be what {out.suffix} says; name it {out.with_suffix(suffix).name}")
    if not out.exists():
        _check_place(out)
        return
    read = [path for path in inputs if path.exists()]
    if any(out.samefile(path) for path in read):
        raise UserError(f"{out}: is read here; name another one to write to")
    if out.is_dir():
        raise UserError(f"{out} is a folder; name a file in it")
    if not out.is_file():
        raise UserError(f"{out}: is no regular file; name a file to write to")
    with out.open("rb") as stream:
        start = stream.read(START)
    if is_earlier(start):
        return
    if any(folder.resolve() in out.resolve().parents for folder in read):
        raise UserError(f"{out}: is among the files that are read here; name another one to write to")
    if not overwrite:
        raise UserError(
            f"{out}: is there already and is no earlier {what}; name another file, or --overwrite it"
        )


def _check_place(out: Path) -> None:
    """Refuses a new file that could not be written: known before the work whose result it shall hold."""
    above = next(folder for folder in out.absolute().parents if folder.exists())
    if not above.is_dir():
        raise UserError(f"{out}: {above} is no folder; name another file to write to")
    if not os.access(above, os.W_OK | os.X_OK):
        raise UserError(
            f"{out}: nothing can be written into {above}; name another folder, or change its permissions"
        )
