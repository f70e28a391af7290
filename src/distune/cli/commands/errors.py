"""`distune errors`: a page of the most confident mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distune.cli.options import DataRoot, Overwrite, Storage
from distune.cli.output import say


def errors(
    source: Annotated[str, typer.Argument(help="Run folder, or study (name, folder, .db).")],
    split: Annotated[str, typer.Option(help="dev, or test where the run has opened it.")] = "dev",
    out: Annotated[
        Path | None, typer.Option(help="The page; default: mistakes_<split>.html in the run folder.")
    ] = None,
    overwrite: Overwrite = False,
    most: Annotated[int, typer.Option(min=1, help="How many of each task.")] = 12,
    data_root: DataRoot = None,
    storage: Storage = None,
) -> None:
    """Write a page of a student's most confident mistakes: thumbnails, texts and probabilities.

    The page holds images and texts of the data set: keep it where these may lie.
    """
    from distune.prediction.load import run_behind
    from distune.reporting.mistakes import write_mistakes

    run = run_behind(source, storage)
    page = write_mistakes(run, out, split=split, most=most, data_root=data_root, overwrite=overwrite)
    say(f"wrote {page}")
