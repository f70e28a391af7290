"""`distune evaluate`: a trained student on labelled data that its study never saw."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distune.cli.options import Storage
from distune.cli.output import say
from distune.cli.predict import Device, Source, progress_of
from distune.errors import UserError

if TYPE_CHECKING:
    from distune.prediction.evaluation import Labelled
    from distune.prediction.predictor import Predictor


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
            help="Labelled examples: columns for image and text, one a task, and group (patient or case). Without "
            "it the data set is read as that of the run was, all of its splits.",
        ),
    ] = None,
    gpu: Device = None,
    storage: Storage = None,
) -> None:
    """Judge a trained student on external data: scores with intervals over patients or cases, recorded in its run."""
    from distune.prediction.evaluation import evaluate as judge
    from distune.prediction.evaluation import record
    from distune.prediction.load import is_run, load

    predictor = load(source, device=gpu, storage=storage)
    data = _read(predictor, data_root, table)
    with progress_of("judging") as tell:
        found = judge(predictor, data, tell)
    print_evaluation(found)
    if is_run(Path(predictor.source)):
        say(f"recorded in {record(Path(predictor.source), found)}")


def _read(predictor: Predictor, data_root: Path, table: Path | None) -> Labelled:
    from distune.config import load_config, with_values
    from distune.data import read_table
    from distune.prediction.evaluation import labelled_csv, labelled_table
    from distune.prediction.load import is_run

    if table is not None:
        return labelled_csv(table, data_root, predictor.columns, predictor.tasks)
    if not is_run(Path(predictor.source)):
        raise UserError("a bundle does not say how a data set is read; name its labelled examples with --csv")
    config = load_config(Path(predictor.source) / "config.yaml")
    if data_root.resolve() == config.data.root.resolve():
        raise UserError(
            f"{data_root} is the data set that this student was trained and tuned on; external data are others"
        )
    config = with_values(config, {"data.root": str(data_root), "data.fold": None})
    return labelled_table(read_table(config.data, config.seed, check_images=False), data_root.name)


def print_evaluation(found: Mapping[str, Any]) -> None:
    """Prints scores, intervals and the recall of each class."""
    from distune.training.scores import NAMES

    say(f"external data: {found['data']}, {found['examples']} examples of {found['cases']} patients or cases")
    say(f"score {_number(found['score'], found['interval'])}   (95 % interval over cases)")
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
