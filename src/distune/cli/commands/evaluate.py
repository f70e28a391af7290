"""`distune evaluate`: a trained student on labelled data that its study never saw."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from distune.cli.commands.predict import Device, Source, load_model, progress_of
from distune.cli.options import Storage
from distune.cli.output import say
from distune.errors import UserError


def evaluate(
    source: Source,
    data_root: Annotated[
        Path,
        typer.Option(help="Folder of the external data set; with --csv, what image paths are relative to."),
    ],
    table: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            help="Labelled examples (CSV, JSON lines or parquet): columns for image and text, one a task, and group "
            "(patient or case). Without it the data set is read as that of the run was, all of its splits.",
        ),
    ] = None,
    gpu: Device = None,
    storage: Storage = None,
) -> None:
    """Evaluate a trained student on external data: scores with intervals over cases, recorded in its run."""
    if table is not None and table.is_dir():
        raise UserError(
            f"--csv: {table} is a folder; name a table, or leave it out to read all of --data-root"
        )

    predictor = load_model(source, gpu, storage)
    with progress_of("evaluating") as tell:
        found = predictor.evaluate(
            table or data_root, root=data_root if table else None, record=True, on_progress=tell
        )
    print_evaluation(found)
    if found["new"] is None:
        say(
            "note: not compared with the data that the student was trained on, which are not there; none of these "
            "examples may have been among them"
        )
    say(f"recorded in {found['recorded']}")


def print_evaluation(found: Mapping[str, Any]) -> None:
    """Prints scores, intervals and the recall of each class."""
    from distune.training.scoring.scores import NAMES

    say(f"external data: {found['data']}, {found['examples']} examples of {found['cases']} patients or cases")
    what = "95 % interval over cases" if found["interval"][0] is not None else "too few cases for an interval"
    say(f"score {_number(found['score'], found['interval'])}   ({what})")
    for name, task in found["tasks"].items():
        if "score" in task:
            about = task["score"]
            say(f"{name}: {NAMES[about['name']]} {_number(about['value'], about['interval'])}")
        say(
            f"{name}: macro F1 {_number(task['macro_f1'], task['interval'])}, accuracy {task['accuracy']:.4f}, "
            f"calibration error {task['calibration_error']:.4f}, log loss {task['log_loss']:.4f}"
        )
        for label, of_class in task["classes"].items():
            if of_class["support"]:
                recall = _number(of_class["recall"], of_class["recall_interval"])
                say(f"  {label:30} recall {recall}  {of_class['support']} examples")


def _number(value: float, interval: list[float | None] | None) -> str:
    if interval is None or interval[0] is None or interval[1] is None:
        return f"{value:.4f}"
    return f"{value:.4f} [{interval[0]:.4f}, {interval[1]:.4f}]"
