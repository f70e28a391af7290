"""`distune init`: a first config from one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distune.cli.options import Encoding, SplitSeed, listed
from distune.cli.output import say
from distune.utils.files.paths import in_shell
from distune.utils.text import counted


def init(
    metadata: Annotated[
        Path, typer.Argument(help="Table with one row an example: CSV, JSON lines or parquet.")
    ],
    image: Annotated[str | None, typer.Option(help="Column with the image paths.")] = None,
    text: Annotated[str | None, typer.Option(help="Column with the text.")] = None,
    labels: Annotated[str | None, typer.Option(help="Label columns, separated by commas.")] = None,
    group: Annotated[str | None, typer.Option(help="Column with the patient or case.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for config and tables; default: one named after the data set.")
    ] = None,
    seed: SplitSeed = 42,
    encoding: Encoding = None,
) -> None:
    """Look at a table, split it by case, and write a config that trains here in minutes."""
    from distune.setup.columns import Wishes
    from distune.setup.init import default_folder, prepare

    wishes = Wishes(
        image=image,
        text=text,
        labels=listed("--labels", labels),
        group=group,
    )
    made = prepare(metadata, out or default_folder(metadata), wishes, seed=seed, encoding=encoding)
    if made.form:
        say(f"{metadata}: read {made.form}")
    width = max(len(column.name) for column in made.columns)
    for column in made.columns:
        say(f"  {column.name:{width}}  {column.role:7} {column.why}")
    say(f"splits    {made.splits}")
    tasks = [f"{task.name}: {counted(len(task.classes), 'class', 'classes')}" for task in made.table.tasks]
    say(f"tasks     {'; '.join(tasks)}")
    say(f"encoders  {made.encoders}")
    for remark in made.remarks:
        say(f"note      {remark}")
    say(f"wrote     {made.config}")
    config = in_shell(made.config)
    say(f"next      distune check {config}")
    say(f"          distune train {config}")
    say(f"          distune tune --config {config}")
