"""The errors that a user can fix; every command turns them into a message and exit code 2."""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from typing import TypeGuard

from distune.utils.text import counted

MOST_LINES = 30
"""Lines of problems that a message shows; more say nothing new."""


class UserError(Exception):
    """Something outside the program is wrong: a config, a file, an argument.

    The message names the rule, the value received and what to do next.
    """


class MachineError(UserError):
    """A disk failed, or something ran out, where another process worked, in its words; the exit code is 1."""


class ConfigError(UserError):
    """A config that breaks one or more rules; all of them are listed.

    Args:
        source: the file (or other origin) that the config was read from.
        problems: one line a broken rule, each starting with the key.
        examples: one line for each bad example, where the data are at fault, too; not in the message.
    """

    def __init__(self, source: str, problems: Sequence[str], examples: Sequence[str] = ()):
        self.source = source
        self.problems = tuple(problems)
        self.examples = tuple(examples)
        super().__init__(_named(source, problems))


class DataError(UserError):
    """A data set that cannot be used as it is; every cause is listed, with up to three of its examples.

    Args:
        root: the data root.
        problems: one entry a problem: file, row and reason, or a cause with lines of examples below.
        examples: one line for each bad example, with everything that is wrong with it; not in the message.
    """

    def __init__(self, root: object, problems: Sequence[str], examples: Sequence[str] = ()):
        self.root = str(root)
        self.problems = tuple(problems)
        self.examples = tuple(examples)
        super().__init__(_named(root, problems))


OUT_OF = (errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE)
"""What the system says where this process may have no more memory, processes, threads or open files."""
_DISK_FAULTS = "EIO ESTALE EREMOTEIO ENOTCONN EHOSTDOWN ETIMEDOUT ENXIO ENODEV EUCLEAN EBADMSG"
_OF_A_DISK = [getattr(errno, name) for name in _DISK_FAULTS.split() if hasattr(errno, name)]
"""What the system says where a disk fails, or the connection to one, or what it keeps of its files is damaged."""
_OUT_OF_MEMORY = re.compile(
    r"out of memory|cannot allocate memory|can't allocate memory|CUBLAS_STATUS_ALLOC_FAILED|bad_?alloc|"
    r"failed to allocate memory|failed to map segment|"
    r"could not create a primitive",  # oneDNN, whose small buffers have no room
    re.I,
)
_NO_THREAD = "can't start new thread"
"""What Python says, in an error without a number."""
_DISK_FULL = re.compile(r"disk is full|no space left on device|disk quota exceeded", re.I)


def sayable(error: BaseException) -> BaseException:
    """An error, or one in its place that names its class: that of a plugin may fail to say what it is."""
    try:
        str(error)
    except Exception:
        return RuntimeError(f"{type(error).__name__}, which has no text").with_traceback(error.__traceback__)
    return error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of the machine or of a GPU, in the words of any library."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"MemoryError", "OutOfMemoryError"} or _OUT_OF_MEMORY.search(str(error)))


def is_disk_full(error: BaseException) -> bool:
    """Whether a disk, or a user's share of it, has no space or no room for another file, in any library's words."""
    is_said = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return is_said or bool(_DISK_FULL.search(str(error)))


def no_room(error: BaseException) -> int | None:
    """Why a file could not grow, as the system numbers it: a full disk, or a file as large as it may be; else None."""
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return errno.EFBIG
    return errno.ENOSPC if is_disk_full(error) else None


def is_disk_fault(error: BaseException) -> TypeGuard[OSError]:
    """Whether a disk, or the connection to one, fails: another attempt may find the same file sound."""
    return isinstance(error, OSError) and error.errno in _OF_A_DISK


def is_of_the_machine(error: BaseException) -> bool:
    """Whether something has run out, or a disk fails: then nothing is wrong with the file that was read."""
    is_said = isinstance(error, OSError) and error.errno in OUT_OF
    return is_said or is_disk_fault(error) or isinstance(error, MemoryError) or _NO_THREAD in str(error)


def has_run_out(error: BaseException) -> bool:
    """Whether memory, a disk or a limit of this process ended a library: then nothing it was given is wrong."""
    return is_out_of_memory(error) or is_of_the_machine(error) or is_disk_full(error)


def _named(source: object, problems: Sequence[str]) -> str:
    """One problem of one line in a sentence; else how many there are, and a line for each below."""
    lines = [line for problem in problems for line in problem.splitlines()]
    if len(lines) == 1:
        return f"{source}: {lines[0]}"
    more = [f"... and {len(lines) - MOST_LINES:,} more lines"] if len(lines) > MOST_LINES else []
    shown = [f"  {line}" for line in (*lines[:MOST_LINES], *more)]
    return "\n".join([f"{source}: {counted(len(problems), 'problem')}", *shown])
