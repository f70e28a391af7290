"""A lock that many readers share; the operating system drops it when its process dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SharedLock:
    """Marks an entry as in use by this process until released.

    Args:
        path: the lock file, made where it is missing.
    """

    def __init__(self, path: Path):
        self._handle = path.open("a")
        fcntl.flock(self._handle, fcntl.LOCK_SH)

    def release(self) -> None:
        """Gives the lock up; so does dropping the last reference."""
        self._handle.close()

    __del__ = release

    @staticmethod
    @contextmanager
    def exclusive(path: Path) -> Iterator[bool]:
        """Yields whether nobody else holds the lock; nobody can take it inside."""
        with path.open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
