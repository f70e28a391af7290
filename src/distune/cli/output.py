"""How commands print: names from data, studies and files are shown, never obeyed by a terminal."""

from __future__ import annotations

import typer

from distune.utils.text import harmless


def say(text: str = "", *, err: bool = False) -> None:
    """Prints a line; control characters in it are replaced, so that no label moves a cursor or sets a title.

    Args:
        text: the line.
        err: on standard error.
    """
    typer.echo(harmless(text).replace("\r", "\N{REPLACEMENT CHARACTER}"), err=err)  # noqa: TID251
