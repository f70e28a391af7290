"""Paths that come from users and from data: whether a name may become one, and what lies there."""

from __future__ import annotations

import errno
import os
import re
import shlex
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from distune.errors import UserError

GONE = "its folder is not there; it may have been moved or deleted meanwhile"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")


def in_shell(path: Path | str) -> str:
    """A path or a name as one word of a shell command, which no command takes for an option."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def in_full(path: Path | str) -> Path:
    """A path whose last part is the name of what it leads to: in full where that is `.` or `..`."""
    has_name = Path(path).name not in ("", "..") or not str(path).strip()
    return Path(path) if has_name else Path(path).resolve()


def is_file_name(name: str) -> bool:
    """Whether a name from data can be the name of one file or folder: no separator, no dots first, not too long."""
    return _FILE_NAME.fullmatch(name) is not None


def locale_hint(name: str) -> str:
    """What to do where a name that a file holds is not found; empty where the locale is in UTF-8, as disks are."""
    encoding = sys.getfilesystemencoding()
    if encoding == "utf-8" or name.isascii():
        return ""
    return f"; this locale names files in {encoding}: where they are named in UTF-8, set LC_ALL=C.UTF-8"


def make_folder(folder: Path) -> None:
    """Makes a folder, and those above it, where they are not there.

    Raises:
        UserError: something else has its name, or the name of one above it.
        OSError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(
            f"{folder}: it, or a part of its path, is a file or a link to nothing; choose another folder"
        ) from None


def check_no_url(path: Path) -> None:
    """Refuses what was written as a URL, such as `s3://bucket/x`: it would make a folder called `s3:`.

    Raises:
        UserError: it is one.
    """
    if len(path.parts) > 1 and _SCHEME.fullmatch(path.parts[0]):
        raise UserError(
            f"{path}: is a URL, where a path of this machine is needed; mount or copy it, and name that place"
        )


def check_is_file(path: Path) -> None:
    """Refuses a pipe or a device, which may never end.

    Raises:
        OSError: there is nothing, or no regular file.
    """
    try:
        mode = path.stat().st_mode
    except ValueError:  # a NUL character, or half of a character
        raise OSError(errno.EINVAL, "no name of a file", repr(str(path))) from None
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "no regular file", str(path))


def check_appendable(path: Path) -> None:
    """Refuses a file that no line can be added to; nothing is made.

    Raises:
        OSError: it is a link, a pipe or a device, may not be written, or has no folder.
    """
    if path.exists():
        check_is_file(path)
    if path.is_symlink():
        raise OSError(errno.ELOOP, "is a link, and nothing is added to what it leads to", str(path))
    if not path.parent.exists():
        raise FileNotFoundError(errno.ENOENT, GONE, str(path))
    if not path.parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is a file where a folder is needed", str(path.parent))
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def check_no_link(*folders: Path) -> None:
    """Refuses a run folder of a study that is a link: others may have made it, and what it leads to may be anything.

    Raises:
        UserError: it is one.
    """
    for folder in folders:
        if folder.is_symlink():
            raise UserError(
                f"{folder} is a link, and no run of a study is written into what one leads to; remove it. The folder "
                "that holds all runs may be a link, as to another disk"
            )


def bytes_below(folder: Path) -> int:
    """Bytes of the files in a folder and in those below it."""
    total = 0
    for above, _, files in os.walk(folder):
        for file in files:
            with suppress(FileNotFoundError):  # a checkpoint that was just replaced
                total += Path(above, file).stat().st_size
    return total


def read_file(path: Path) -> bytes:
    """The content of a regular file; see `check_is_file`."""
    check_is_file(path)
    with naming(path):
        return path.read_bytes()


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Lets an error of the system name a file, which it does where one is opened and not where one is read."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
