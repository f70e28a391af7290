"""How commands print: names from data, studies and files are shown, never obeyed by a terminal."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from distune.utils.text import LONGEST_MESSAGE, terminal_line, terminal_message

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def open_closed_streams() -> None:
    """Opens the null device where a standard stream is closed.

    Else the next file that is opened, such as a database, has its number, and takes what a library prints.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(null, number)
    if null > 2:
        os.close(null)
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


class Terminal(io.FileIO):
    """A terminal that may be closed while a command works that was told to go on; what comes then is lost."""

    def write(self, data: ReadableBuffer) -> int:
        """Shows text; the null device takes the place of a terminal that is gone."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), self.fileno())
            return super().write(data)


def outlive_terminal() -> None:
    """Lets a command go on whose terminal is closed, where no signal has ended it, as in a shell that disowned it."""
    for name in ("stdout", "stderr"):
        if (stream := getattr(sys, name)).isatty():
            shown = io.BufferedWriter(Terminal(stream.fileno(), "w", closefd=False))
            as_before = {"encoding": stream.encoding, "errors": stream.errors, "line_buffering": True}
            setattr(sys, name, io.TextIOWrapper(shown, **as_before))


def say(text: str = "", *, err: bool = False) -> None:
    """Prints one line; control characters and line breaks in it are replaced, so that no label writes lines of its own.

    Args:
        text: the line; cut at a length that no person reads beyond.
        err: on standard error.
    """
    typer.echo(terminal_line(_cut(text)), err=err)  # noqa: TID251


def say_message(text: str) -> None:
    """Prints an error on standard error: one line, or several, each cut; see `terminal_message`."""
    typer.echo(terminal_message("\n".join(map(_cut, text.split("\n")))), err=True)  # noqa: TID251


def _cut(line: str) -> str:
    """A class or a file of hostile data may have a name of megabytes."""
    if len(line) <= LONGEST_MESSAGE:
        return line
    return f"{line[:LONGEST_MESSAGE]}... ({len(line):,} characters)"


def score(value: float) -> str:
    """A score with four decimals; one that is none of Distune's, and far from 1, with four digits."""
    return f"{value:.4f}" if abs(value) < 1e6 else f"{value:.4g}"
