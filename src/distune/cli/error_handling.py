"""How a command ends: whatever it raises becomes one message and an exit code."""

from __future__ import annotations

import errno
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from distune.cli.output import say_message
from distune.errors import (
    ConfigError,
    DataError,
    MachineError,
    UserError,
    is_disk_fault,
    is_disk_full,
    is_of_the_machine,
    is_out_of_memory,
    sayable,
)
from distune.plugins import is_own_end, plugin_behind
from distune.utils.text import terminal_message

FAILED = 1
BAD_INPUT = 2
DISK_FULL = 4
INTERRUPTED = 130
FEW_EXAMPLES = 3
"""Bad examples that a message names itself; more are listed in a file."""
_CIRCLE = "Symlink loop"
"""What Python says, before 3.13, of a link that leads to itself."""
_OTHER_TMPDIR = "set TMPDIR to a folder that can be written"


class TerminalFormatter(logging.Formatter):
    """Log lines without control characters: names from data and databases stand in them."""

    def format(self, record: logging.LogRecord) -> str:
        """The line as it is shown."""
        return terminal_message(super().format(record))


@contextmanager
def one_message() -> Iterator[None]:
    """Ends the process with one message on standard error and an exit code, where the block raises.

    Exit codes: 1 the work failed, 2 bad input, 4 the disk is full, 130 interrupted. A closed pipe ends quietly.

    Raises:
        SystemExit: with the exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot show a character shows its code
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _to_nowhere(sys.stdout)
        raise SystemExit(FAILED) from None
    except BaseException as error:
        if _is_interrupt(error):
            _last_line("interrupted")
            raise SystemExit(INTERRUPTED) from None
        if isinstance(error, SystemExit) and (is_own_end(error) or not plugin_behind(error)):
            raise
        code, message = ending_of(sayable(error))
        _last_line(f"error: {message}")
        raise SystemExit(code) from None


def _last_line(text: str) -> None:
    """Says it on standard error; where that takes nothing, the exit code says enough."""
    try:
        say_message(text)
    except OSError:
        _to_nowhere(sys.stderr)


def _to_nowhere(stream: TextIO) -> None:
    """The interpreter flushes once more at its end, into a pipe that is closed or a disk that is full."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def ending_of(error: BaseException) -> tuple[int, str]:
    """The exit code and the message for an error.

    Args:
        error: as a command raised it.

    Returns:
        The code, and a message that says what to do next. An unexpected error is written to a file with its
        traceback, which the message names.
    """
    if isinstance(error, ConfigError | DataError) and len(error.examples) > FEW_EXAMPLES:
        return BAD_INPUT, f"{error}\n  {_all_named(error.examples)}"
    if isinstance(error, UserError):
        return FAILED if isinstance(error, MachineError) else BAD_INPUT, str(error)
    if is_disk_full(error):
        return DISK_FULL, f"the disk is full{_where_full(error)}, then the same command resumes"
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        what = "the file became larger than this process, or the file system, may write"
        written = error.filename2 or error.filename
        return DISK_FULL, f"{written or 'a file'}: {what}; raise ulimit -f, then the same command resumes"
    if isinstance(error, FloatingPointError):
        advice = "lower the learning rate, or use training.precision: fp32"
        return FAILED, f"the training failed: {error}; {advice}"
    if is_out_of_memory(error):
        advice = (
            "free some, raise the limit of this process (ulimit -v), or raise training.accumulation, which splits a "
            "batch, or use a smaller encoder"
        )
        return FAILED, f"out of memory: {_first_line(error)}; {advice}"
    if is_disk_fault(error):
        named = error.filename2 or error.filename
        advice = "a disk, or the connection to it, fails; once it is sound, the same command resumes"
        where = "" if named else f"; {_kept(error)}"
        return FAILED, f"{named or 'a file'}: {error.strerror}: {advice}{where}"
    if is_of_the_machine(error):
        advice = "raise the limit of this process (ulimit -a), or run less beside it"
        return FAILED, f"{_first_line(error)}; {advice}"
    if isinstance(error, OSError) and error.errno is not None:
        if error.errno == errno.ENOENT and error.filename is None:
            return BAD_INPUT, _no_such_folder(error)
        named, reason = error.filename2 or error.filename, error.strerror or error  # of a copy the second one
        if not named:  # a socket, a lock: only where it was met says what
            return BAD_INPUT, f"{type(error).__name__}: {reason}; {_kept(error)}"
        if error.errno == errno.ELOOP and Path(named).is_symlink():
            return BAD_INPUT, f"{named}: is a link where no link is followed; remove it"
        advice = _OTHER_TMPDIR if _is_temporary(named) else "check the path and its permissions"
        return BAD_INPUT, f"{named}: {reason}; {advice}"
    if isinstance(error, RuntimeError) and str(error).startswith(_CIRCLE):
        return BAD_INPUT, f"{_first_line(error)}; remove that link, or name another path"
    what = f"{type(error).__name__}: {_first_line(error)}"
    if plugin := plugin_behind(error):
        return FAILED, f"plugin {plugin}: {what}; {_kept(error)}"
    if isinstance(error, ImportError) and error.name and not error.name.startswith("distune"):
        return FAILED, f"{error.name} cannot be imported: {_first_line(error)}; install it again"
    return FAILED, f"internal error: {what}; this is a fault of Distune; {_kept(error)}"


def _no_such_folder(error: OSError) -> str:
    """What the system misses where it names no file: the working folder, or one for temporary files."""
    if "temporary" in str(error.strerror):
        return f"{error.strerror}; {_OTHER_TMPDIR}"
    return "the working folder does not exist any more; change to one that does"


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether an error is Ctrl-C, be it in a library's own words, as of a module that was not imported to its end."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _where_full(error: BaseException) -> str:
    """The file that could not be written, where it is known, and what to do."""
    written = isinstance(error, OSError) and (error.filename2 or error.filename)  # of a copy the second one
    if not isinstance(written, str):
        return "; free some space"
    return f" while writing {written}; free some space" + f" or {_OTHER_TMPDIR}" * _is_temporary(written)


def _is_temporary(written: object) -> bool:
    """Whether a file is our own, or a library's, among the temporary ones; a user may have others there."""
    ours = (Path(tempfile.gettempdir(), prefix) for prefix in ("distune-", tempfile.template))
    return str(written).startswith(tuple(map(str, ours)))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0][:500]


def _all_named(examples: Sequence[str]) -> str:
    """Writes a line for each bad example to a file; says where it is."""
    name = _written("\n".join(examples) + "\n", prefix="distune-examples-", suffix=".txt")
    count = len(examples)
    return (
        f"all {count} examples are listed in {name}"
        if name
        else f"no file could be written for all {count} examples"
    )


def _kept(error: BaseException) -> str:
    """Writes the traceback to a file; says where it is."""
    text = "".join(traceback.format_exception(error))
    name = _written(text, prefix="distune-traceback-", suffix=".log")
    if name is None:
        return f"no file could be written for the traceback:\n{text}"
    return f"its traceback is in {name}"


def _written(text: str, *, prefix: str, suffix: str) -> str | None:
    """Writes a text to a new file in the system's temporary folder; None where that cannot be written."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=suffix)
        os.close(descriptor)
        Path(name).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError:
        return None
    return name
