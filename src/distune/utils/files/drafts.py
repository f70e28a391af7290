"""Drafts: what is written beside a file or folder, to take its place once it is whole."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from uuid import uuid4

try:
    import fcntl
except ImportError:  # Windows, where a bundle predicts, too
    fcntl = None  # type: ignore[assignment]

_NAME = re.compile(r"\.distune-[0-9a-f]{24}\..+", re.DOTALL)


def draft_of(path: Path) -> Path:
    """A new name for the draft of a file or folder, beside it.

    Where this process writes into that folder for the first time, the drafts of killed processes are removed from it.
    """
    _remove_once(path.parent.absolute())
    return path.with_name(f".distune-{uuid4().hex[:24]}.{path.name}")


@contextmanager
def held(draft: Path) -> Iterator[bool]:
    """Within the block other processes know by a lock that a draft has a living writer; the system drops it at a kill.

    Yields:
        Whether the lock is ours: no other process has it, and the file system knows locks.
    """
    descriptor, is_ours = None, False
    try:
        with suppress(OSError):
            if fcntl is not None:
                descriptor = os.open(draft, os.O_RDONLY | os.O_NONBLOCK)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_ours = True
        yield is_ours
    finally:
        if descriptor is not None:
            os.close(descriptor)


def remove_drafts(folder: Path) -> None:
    """Removes the drafts of killed processes from a folder."""
    with suppress(OSError):  # such as a folder that is made only now
        for path in folder.iterdir():
            if _NAME.fullmatch(path.name) and not path.is_symlink():
                _remove_if_dead(path)


_remove_once = cache(remove_drafts)


def _remove_if_dead(draft: Path) -> None:
    with held(draft) as is_dead:
        if is_dead and draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        elif is_dead:
            draft.unlink()
