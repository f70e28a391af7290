"""`distune status` and `distune dashboard`: look at a study without touching it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from distune.cli.options import Storage, Study
from distune.cli.output import say, score
from distune.errors import UserError
from distune.utils.files.default_folders import STUDIES
from distune.utils.text import counted, first_of

if TYPE_CHECKING:
    from distune.tuning.coordinator.ledger import TrialCounts
    from distune.tuning.status import StudyStatus, UnreadableStudy

REFRESH_SECONDS = 5.0
MOST_LISTED = 20
ENDS = {
    "failed_alike": "given up, as its trials failed alike; the same command tries again",
    "low_disk": "stopped, as too little disk space was left; the same command resumes it",
    None: "killed; the same command resumes it",
}
"""What a reason says to people, where it is another than its name."""


def status(
    study: Annotated[
        str | None,
        typer.Argument(
            help=f"Name under {STUDIES}, a study's folder, or its .db file; without one, all studies are listed."
        ),
    ] = None,
    storage: Storage = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Again every 5 seconds, until Ctrl-C or the end of the study.")
    ] = False,
) -> None:
    """Show trials, running workers, best so far, failures by kind, and the expected end; or list all studies."""
    from rich.console import Console

    from distune.analysis.records.sources import name_and_url
    from distune.tuning.status import read_status, read_studies
    from distune.tuning.study.storage_url import redacted

    if study is None:
        if watch:
            raise UserError("--watch shows one study; name it")
        _print_list(read_studies(storage=storage), str(STUDIES) if storage is None else redacted(storage))
        return
    name, url = name_and_url(study, storage)
    found = read_status(name, storage=url)
    _print(found)
    while watch and found.workers:
        time.sleep(REFRESH_SECONDS)
        found = read_status(name, storage=url)
        Console().clear()
        _print(found)


def dashboard(
    study: Study,
    storage: Storage = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 8080,
) -> None:
    """Open optuna-dashboard on a copy of the study; what is changed there changes the copy only."""
    from distune.analysis.records.sources import name_and_url
    from distune.tuning.dashboard import open_dashboard

    name, url = name_and_url(study, storage)
    open_dashboard(name, storage=url, port=port)


def _print_list(studies: Sequence[StudyStatus | UnreadableStudy], place: str) -> None:
    from distune.tuning.status import UnreadableStudy

    if not studies:
        say(f"no studies in {place}")
        return
    width = max(len("study"), *(len(study.name) for study in studies))
    say(f"{'study':{width}}  {'trials':>9}  {'best':>7}  state")
    for study in studies:
        if isinstance(study, UnreadableStudy):
            say(f"{study.name:{width}}  {'-':>9}  {'-':>7}  unreadable: {study.problem}")
            continue
        counts = study.counts
        trials = f"{counts.finished}/{study.n_trials}" if study.n_trials else str(counts.finished)
        best = score(counts.best[1]) if counts.best else "-"
        say(f"{study.name:{width}}  {trials:>9}  {best:>7}  {_state(study)}")


def _listed(numbers: Sequence[int]) -> str:
    return first_of([str(number) for number in numbers], MOST_LISTED)


def _state(found: StudyStatus) -> str:
    if found.workers:
        return f"running, workers {found.workers}"
    if not found.is_ours or found.n_trials is None:
        return "not known: distune tune never worked on it"
    return ENDS.get(found.ended, str(found.ended))


def _best(counts: TrialCounts) -> str:
    return (
        f"{score(counts.best[1])}, trial {counts.best[0]}"
        if counts.best
        else "no complete trial with a score"
    )


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
    if counts.foreign:
        say(f"          {counts.foreign} more ended that another program added: they do not count")
    say(f"best      {_best(counts)}")
    if found.teachers:
        say(
            f"teachers  {found.teachers.finished} finished before: {found.teachers.complete} complete, "
            f"{found.teachers.pruned} pruned; {found.teachers.failed} failed; best {_best(found.teachers)}"
        )
    if found.teacher_warning:
        say(f"warning   {found.teacher_warning}")
    say(f"workers   {found.workers}")
    for trial in found.running:
        reached = "" if trial.score is None else f", score {score(trial.score)}"
        done = (
            f"epoch {trial.epoch}"
            if found.folds is None
            else f"{trial.epoch} of {counted(found.folds, 'fold')}"
        )
        at = f"; {trial.progress}" if trial.progress else ""
        say(f"          trial {trial.number} on {trial.worker or trial.host}: {done}{reached}{at}")
    if found.interrupted:
        how = "are resumed with the study" if found.is_ours else "of another program have not ended"
        say(f"waiting   trials {_listed(found.interrupted)} {how}")
    if found.ends:
        say(f"ends      about {found.ends:%Y-%m-%d %H:%M}")
    elif not found.workers:
        say(f"ended     {_state(found)}")
