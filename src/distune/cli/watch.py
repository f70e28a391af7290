"""`distune status` and `distune dashboard`: look at a study without touching it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distune.cli.options import Storage, Study
from distune.cli.output import say
from distune.utils.places import STUDIES

if TYPE_CHECKING:
    from distune.tuning.status import StudyStatus

REFRESH_SECONDS = 5.0


def status(
    study: Study,
    storage: Storage = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Again every 5 seconds, until Ctrl-C or the end of the study.")
    ] = False,
) -> None:
    """Show trials, running workers, best so far, failures by kind, and the expected end."""
    from rich.console import Console

    from distune.tuning.status import read_status

    name, logs = _place(study)
    found = read_status(name, logs=logs, storage=storage)
    _print(found)
    while watch and found.workers:
        time.sleep(REFRESH_SECONDS)
        found = read_status(name, logs=logs, storage=storage)
        Console().clear()
        _print(found)


def dashboard(
    study: Study,
    storage: Storage = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 8080,
) -> None:
    """Open optuna-dashboard on a copy of the study; what is changed there changes the copy only."""
    from distune.tuning.dashboard import open_dashboard

    name, logs = _place(study)
    open_dashboard(name, logs=logs, storage=storage, port=port)


def add_commands(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    app.command("status")(status)
    app.command("dashboard")(dashboard)


def _place(study: str) -> tuple[str, Path]:
    """A study's name, and the folder that it lies in."""
    path = Path(study)
    return path.name.removesuffix(".db"), path.parent if path.parent != Path() else STUDIES


def _print(found: StudyStatus) -> None:
    counts = found.counts
    wanted = f" of {found.n_trials}" if found.n_trials else ""
    say(f"study     {found.name} in {found.storage}")
    say(
        f"trials    {counts.finished}{wanted} finished: {counts.complete} complete, {counts.pruned} pruned; "
        f"{counts.failed} failed"
    )
    for kind, count in found.failures.items():
        say(f"          {count} failed: {kind}")
    best = f"{counts.best[1]:.4f}, trial {counts.best[0]}" if counts.best else "no complete trial yet"
    say(f"best      {best}")
    say(f"workers   {found.workers}")
    for trial in found.running:
        score = "" if trial.score is None else f", score {trial.score:.4f}"
        done = f"epoch {trial.epoch}" if found.folds is None else f"{trial.epoch} of {found.folds} folds"
        say(f"          trial {trial.number} on {trial.worker or trial.host}: {done}{score}")
    if found.interrupted:
        say(f"waiting   trials {', '.join(map(str, found.interrupted))} are resumed with the study")
    if found.ends:
        say(f"ends      about {found.ends:%Y-%m-%d %H:%M}")
    elif not found.workers:
        say(f"ended     {found.ended or 'without saying why: killed; the same command resumes it'}")
