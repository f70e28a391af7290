"""`distune predict`: a trained student on new examples."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distune.cli.options import Storage, refuse
from distune.cli.output import say
from distune.cli.plugin_option import note_unused_plugins
from distune.errors import UserError
from distune.plugins import loaded_plugins
from distune.utils.progress import report_progress
from distune.utils.text import counted, one_line

if TYPE_CHECKING:
    from distune.prediction.answers import Answers
    from distune.prediction.predictor import Predictor

Source = Annotated[str, typer.Argument(help="Run folder, study (name, folder, .db), or exported bundle.")]
Device = Annotated[
    str | None,
    typer.Option(help="cpu, cuda:0, ...; default: a GPU where there is one. A bundle runs on the CPU."),
]
PROBLEMS_SHOWN = 20


def predict(
    source: Source,
    image: Annotated[
        Path | None, typer.Option(help="One image file; none for a student that can do without.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Its text.")] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            help="Many examples: a table (CSV, JSON lines or parquet) with a column for images and one for texts.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write the answers (CSV); needed with --csv.")
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option(help="Folder that image paths are relative to; default: that of the CSV.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is there, earlier answers too.")
    ] = False,
    gpu: Device = None,
    storage: Storage = None,
) -> None:
    """Predict classes and probabilities of new examples.

    Exit code: 0 all predicted, 1 some rows could not be read (they are listed, the others predicted), 2 bad input.
    """
    if (image is None and text is None) == (table is None):
        raise UserError("predict needs --image, --text or both, or else --csv")
    if table is None:
        refuse("only with --csv", {"--out": out, "--data-root": data_root, "--overwrite": overwrite})
    if table is not None and out is None:
        raise UserError("predict --csv needs --out, the file for the answers")

    from distune.prediction.answers import check_answers_file

    if table is not None and out is not None:
        check_answers_file(out, inputs=[table, Path(source)], overwrite=overwrite)
    predictor = load_model(source, gpu, storage)
    if table is None:
        _print_one(predictor, image, text)
        return
    assert out is not None
    answers = _answer_all(predictor, table, data_root or table.parent)
    answers.write(out, overwrite=overwrite)
    say(f"wrote {out}")
    if answers.problems:
        _print_problems(answers)
        raise typer.Exit(1)


def load_model(source: str, gpu: str | None, storage: str | None) -> Predictor:
    """The student that a command asks; see `distune.load`.

    Raises:
        UserError: there is none, or `--plugin` is given with a bundle.
    """
    from distune.deployment.bundle import is_bundle
    from distune.prediction.load import load
    from distune.prediction.trained import TrainedStudent

    if is_bundle(Path(source)):
        refuse("a bundle reads none", {f"--plugin {name}": name for name in loaded_plugins()})
    predictor = load(source, device=gpu, storage=storage)
    if isinstance(predictor.model, TrainedStudent):
        note_unused_plugins(predictor.model.config)
    return predictor


def _print_one(predictor: Predictor, image: Path | None, text: str | None) -> None:
    from distune.prediction.answers import as_cell, named

    given = {"image": image, "text": text}
    reads = predictor.model.modalities
    unread = {f"--{name}": value for name, value in given.items() if name not in reads}
    refuse(f"is nothing to a student that reads the {' and the '.join(reads)} alone", unread)
    probabilities = predictor.predict_proba(image, text)
    for task in predictor.tasks:
        ranked = sorted(
            zip(probabilities[task.name][0], task.classes, strict=True), key=lambda pair: -pair[0]
        )
        say(f"{task.name}: {as_cell(named(task, probabilities[task.name])[0], task.classes)}")
        for probability, name in ranked:
            say(f"  {probability:.4f}  {name}")


def _answer_all(predictor: Predictor, table: Path, root: Path) -> Answers:
    started = time.perf_counter()
    with progress_of("predicting") as tell:
        answers = predictor.predict_table(table, root, on_progress=tell)
    seconds = time.perf_counter() - started
    say(
        f"predicted {len(answers.ids):,} of {counted(len(answers.ids) + len(answers.problems), 'example')} in "
        f"{seconds:.1f} s "
        f"({len(answers.ids) / seconds:.1f} a second)"
    )
    return answers


@contextmanager
def progress_of(title: str) -> Iterator[Callable[[int, int], None]]:
    """Shows rate and expected end on standard error, a bar on a terminal, else lines; gives what moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(title),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    if not console.is_terminal:
        yield partial(report_progress, title)
        return
    started = time.perf_counter()
    progress = Progress(*columns, console=console, transient=True)
    shown = progress.add_task("", total=None, rate="")

    def tell(done: int, total: int) -> None:
        progress.start()  # not before the first batch: what is wrong with the input is said without a bar
        rate = done / max(time.perf_counter() - started, 1e-9)
        progress.update(shown, completed=done, total=total, rate=f"{rate:.1f} examples/s")

    try:
        yield tell
    finally:
        if progress.live.is_started:
            progress.stop()


def _print_problems(answers: Answers) -> None:
    say(f"{counted(len(answers.problems), 'row')} could not be read:", err=True)
    for problem in answers.problems[:PROBLEMS_SHOWN]:
        say(f"  {one_line(problem)}", err=True)
    if len(answers.problems) > PROBLEMS_SHOWN:
        say(f"  ... and {len(answers.problems) - PROBLEMS_SHOWN} more", err=True)
