"""A lock that many readers share; the operating system drops it when its process dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from distune.store.entry import NOT_WRITABLE


class SharedLock:
    """Marks an entry as in use by this process until released.

    Args:
        path: the lock file, made where it is missing; where it cannot be made, nobody removes entries either.
    """

    _handle: IO[str] | None = None

    def __init__(self, path: Path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = path.open("r" if path.exists() else "a+")  # another user's file can still be read
        except OSError as error:
            if error.errno not in NOT_WRITABLE:
                raise
            return
        fcntl.flock(self._handle, fcntl.LOCK_SH)

    def release(self) -> None:
        """Gives the lock up; so does dropping the last reference."""
        if self._handle is not None:
            self._handle.close()

    __del__ = release

    @staticmethod
    @contextmanager
    def exclusive(path: Path) -> Iterator[bool]:
        """Yields whether nobody else holds the lock; nobody can take it inside."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
