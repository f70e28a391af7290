"""`distune data` and `distune check`: make, split and validate data sets."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from distune.cli.options import (
    Assignments,
    DataRoot,
    Encoding,
    Overwrite,
    SplitSeed,
    chosen_config,
    listed,
    overrides,
    refuse,
    refuse_settings,
)
from distune.cli.output import say
from distune.utils.files.paths import in_shell
from distune.utils.seeds import LARGEST_SEED
from distune.utils.text import counted

app = typer.Typer(help="Make demo data; split a table of examples.", no_args_is_help=True)


def check(
    config: Annotated[Path, typer.Argument(help="Config file (YAML).")],
    data_root: DataRoot = None,
    assignments: Assignments = None,
    estimates: Annotated[
        bool,
        typer.Option("--estimate/--no-estimate", help="Measure what a trial and the study will take here."),
    ] = True,
) -> None:
    """Validate a config and its data; name every error; say what a trial and a study will take."""
    chosen = chosen_config(config, assignments, overrides(data_root=data_root))

    from distune.data.table import Split
    from distune.setup.check import check as check_all

    found = check_all(chosen, str(config), estimates=estimates)
    table = found.table
    counts = ", ".join(
        f"{len(table.rows(split))} {split}" for split in get_args(Split) if len(table.rows(split))
    )
    say(f"{config}: sound. {counted(len(table), 'example')} ({counts}).")
    for task in table.tasks:
        say(f"  task {task.name}: {', '.join(task.classes)}")
    if not len(table.rows("test")):
        say("  this data set has no test split")
    for note in table.notes:
        say(f"  read: {note}")
    if table.dropped:
        say(f"  dropped on request: {counted(len(table.dropped), 'bad example')}")
        for line in table.dropped:
            say(f"    {line}")
    for line in [*(found.estimate.lines() if found.estimate else ()), *found.remarks]:
        say(f"  {line}")


def audit(
    config: Annotated[Path, typer.Argument(help="Config file (YAML).")],
    out: Annotated[Path | None, typer.Option(help="Also write everything to this JSON file.")] = None,
    overwrite: Overwrite = False,
    data_root: DataRoot = None,
    assignments: Assignments = None,
) -> None:
    """Report on the data: balance, leaks between splits, shortcuts to the labels."""
    if out is None:
        refuse("only with --out", {"--overwrite": overwrite})
    refuse_settings(assignments, "an audit reads the data alone", lambda section: section in ("data", "seed"))
    chosen = chosen_config(config, assignments, overrides(data_root=data_root))

    from distune.utils.files.output_files import check_output

    if out:
        audited = {"config": str(config.resolve()), "data": str(chosen.data.root.resolve())}
        check_output(
            out,
            lambda start: audited.items() <= _sealed(out).items(),
            "audit by this config, as it was written",
            suffix=".json",
            inputs=[config, chosen.data.root],
            overwrite=overwrite,
        )

    from distune.cli.audit_output import print_audit
    from distune.data import read_table
    from distune.data.audit.audit import audit as audit_table
    from distune.data.demo.demo import without_writing
    from distune.utils.files.sealed_files import write_sealed

    with without_writing(chosen) as looked_at:
        report = audit_table(read_table(looked_at.data))
    print_audit(report)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_sealed(out, {**audited, **report.to_dict()})
        say(f"wrote {out}")


def _sealed(out: Path) -> dict[str, Any]:
    """What an earlier audit holds; nothing where it is none, or was edited since."""
    from distune.utils.files.sealed_files import read_sealed

    with suppress(OSError, ValueError):
        return read_sealed(out)
    return {}


@app.command("demo")
def demo(
    out: Annotated[Path, typer.Argument(help="Folder to write to.")] = Path("data/demo"),
    kind: Annotated[str, typer.Option(help="slices (MedPix layout) or wound (CSV layout).")] = "slices",
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Same seed, same files.")] = 42,
) -> None:
    """Generate the demo data set; nothing is downloaded."""
    from distune.data.demo.demo import DEMO_CONFIG, write_demo, write_wound_demo
    from distune.errors import UserError

    writers: dict[str, Callable[[Path, int], None]] = {
        "slices": partial(write_demo, with_config=True),
        "wound": write_wound_demo,
    }
    if kind not in writers:
        raise UserError(f"--kind: {kind!r} is unknown; use slices or wound")
    writers[kind](out, seed)
    say(f"wrote {out}")
    if kind == "slices":
        say(f"next: distune tune --config {in_shell(out / DEMO_CONFIG)} --n-trials 30 --workers 2")


@app.command("split")
def split(
    metadata: Annotated[
        Path, typer.Argument(help="Table with one row an example: CSV, JSON lines or parquet.")
    ],
    labels: Annotated[str, typer.Option(help="Label columns, separated by commas.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write to; default: beside the CSV.")] = None,
    group: Annotated[str | None, typer.Option(help="Column with the patient or case.")] = None,
    image: Annotated[
        str | None,
        typer.Option(help="Column with the image paths, whose files go with --out; default: found out."),
    ] = None,
    fractions: Annotated[tuple[float, float, float], typer.Option(help="Shares of train, dev and test.")] = (
        0.7,
        0.15,
        0.15,
    ),
    seed: SplitSeed = 42,
    encoding: Encoding = None,
) -> None:
    """Make stratified, group-safe metadata_{train,dev,test}.csv from one metadata.csv."""
    from distune.setup.image_links import split_whole

    target = out or metadata.parent
    counts, images = split_whole(
        metadata,
        target,
        label_columns=listed("--labels", labels),
        group_column=group,
        image_column=image,
        fractions=fractions,
        seed=seed,
        encoding=encoding,
    )
    for name, classes in counts.items():
        say(f"{name}: {classes}")
    say(f"wrote {target}")
    if images is not None:
        say(
            f"column {images.column}: {images.linked} image files linked, {images.copied} copied, "
            f"{images.missing} cells without a file"
        )
    elif target.resolve() != metadata.parent.resolve():
        say(
            "no column names image files: set data.root to their folder, and data.tables to this one",
            err=True,
        )
