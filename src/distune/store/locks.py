"""A lock that many readers share; the operating system drops it when its process dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from distune.store.entry import where_writable
from distune.utils.files.paths import check_is_file


def _opened(path: Path, mode: str) -> IO[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        check_is_file(path)
    return path.open(mode)


class SharedLock:
    """Marks an entry as in use by this process until released.

    Args:
        path: the lock file, made where it is missing; where it cannot be made, entries cannot be removed either.
    """

    _handle: IO[str] | None = None

    def __init__(self, path: Path):
        with where_writable():
            self._handle = _opened(
                path, "r" if path.exists() else "a+"
            )  # another user's file can still be read
            fcntl.flock(self._handle, fcntl.LOCK_SH)

    def release(self) -> None:
        """Gives the lock up; so does dropping the last reference."""
        if self._handle is not None:
            self._handle.close()

    __del__ = release

    @staticmethod
    @contextmanager
    def exclusive(path: Path) -> Iterator[bool]:
        """Yields whether the lock was free; inside the block no other process can take it.

        Raises:
            OSError: the lock file cannot be made.
        """
        with ExitStack() as stack:
            is_ours = False
            with suppress(BlockingIOError):
                handle = stack.enter_context(_opened(path, "a+"))
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_ours = True
            yield is_ours
