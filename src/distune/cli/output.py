"""How commands print: names from data, studies and files are shown, never obeyed by a terminal."""

from __future__ import annotations

import os
import sys

import typer

from distune.utils.text import harmless

LONGEST = 2_000
"""Characters of a line: a class or a file of hostile data may have a name of megabytes."""


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


def say(text: str = "", *, err: bool = False) -> None:
    """Prints a text; control characters in it are replaced, so that no label moves a cursor or sets a title.

    Args:
        text: one or more lines, each cut at a length that no person reads beyond.
        err: on standard error.
    """
    text = "\n".join(
        line if len(line) <= LONGEST else f"{line[:LONGEST]}... ({len(line):,} characters)"
        for line in text.split("\n")
    )
    typer.echo(harmless(text).replace("\r", "\N{REPLACEMENT CHARACTER}"), err=err)  # noqa: TID251


def score(value: float) -> str:
    """A score with four decimals; one that is none of Distune's, and far from 1, with four digits."""
    return f"{value:.4f}" if abs(value) < 1e6 else f"{value:.4g}"
