"""Confirming a study: the one function that the CLI calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import filelock
import optuna
from optuna.study import Study

from distune.analysis.ranking import rank
from distune.analysis.records.from_optuna import from_optuna, run_folder_of
from distune.analysis.records.sources import database_file
from distune.analysis.records.study_files import of_another_study
from distune.analysis.trial_folder import other_run
from distune.config import with_values
from distune.confirmation.candidates import Candidate, confirmation_seeds, contenders
from distune.confirmation.course import Confirmation, Show
from distune.confirmation.opening import Opening, plan_name
from distune.confirmation.request import ConfirmRequest, ConfirmResult
from distune.confirmation.statistics.files import FOLDER, NUMBERS
from distune.data import Table, read_table
from distune.data.fingerprint import table_fingerprint
from distune.errors import UserError, is_of_the_machine
from distune.store import cache_folder
from distune.tuning.coordinator.interrupts import interrupts
from distune.tuning.coordinator.ledger import ranked
from distune.tuning.coordinator.progress import log_file
from distune.tuning.coordinator.retention import folder_name
from distune.tuning.executors.make import check_executor, devices_for
from distune.tuning.status import status_of
from distune.tuning.study.names import name_in
from distune.tuning.study.open_study import check_study_name, is_made_by_tune
from distune.tuning.study.read_only import reading
from distune.tuning.study.settings import NEUTRAL_KEYS
from distune.tuning.study.storage_url import redacted, sqlite_url
from distune.utils.files.default_folders import STUDIES
from distune.utils.files.sealed_files import read_sealed


def confirm(request: ConfirmRequest, show: Show = lambda line: None) -> ConfirmResult:
    """Trains the contenders of a study over seeds, evaluates them once on the test split and compares them.

    After any interruption the same request resumes where it was.

    Args:
        request: what to confirm.
        show: called with a line now and then.

    Raises:
        UserError: there is no such study, it still runs, its data have changed, or the test split was opened before.
    """
    check_executor(
        request.executor,
        devices=request.devices,
        ray_address=request.ray_address,
        gpus_per_trial=request.gpus_per_trial,
    )
    if request.devices:
        devices_for(request.executor, request.devices, request.workers)
    settings = _settings(request)
    cache_folder()  # each run would fail for it
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with _study(request) as (study, folder):
        candidates, notes = contenders(study, request.top, one_modality=request.one_modality)
        fingerprint = str(study.user_attrs["data_fingerprint"])
        seed = int(study.user_attrs["seed"])
        name, folds = study.study_name, study.user_attrs.get("folds")
        trials = study.get_trials(deepcopy=False)
        searched = len(ranked(trials))
        trial_folders = {
            trial.number: run_folder_of(trial, folder) or folder / "trials" / folder_name(trial.number)
            for trial in trials
        }
    if settings:
        candidates = [replace(each, config=with_values(each.config, settings)) for each in candidates]
    confirmation = folder / FOLDER
    confirmation.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(_alone(confirmation))
        stack.enter_context(log_file(folder / "confirmation.log"))
        interrupted = stack.enter_context(interrupts())
        seeds = confirmation_seeds(seed, request.seeds)
        opening = Opening(folder, plan_name(name, candidates, seeds, fingerprint), fingerprint, request.again)
        opening.check()  # before the data are read, which takes its time
        table = _table(candidates[0], fingerprint, request.subgroup_columns)
        work = Confirmation(
            request, name, folder, candidates, seeds, table, seed, opening, interrupted, show, folds, searched,
            trial_folders,
        )  # fmt: skip
        return work.run([*notes, *_about(table, folds)])


@contextmanager
def _study(request: ConfirmRequest) -> Iterator[tuple[Study, Path]]:
    """Opens the study and finds its folder."""
    if request.storage is not None:
        check_study_name(request.study)
        url, name, folder = request.storage, request.study, STUDIES / request.study
    else:
        file = database_file(request.study)
        url, name, folder = sqlite_url(file), file.stem, file.with_suffix("")
    with reading(url) as storage:
        name = name_in(storage, name, url, is_own_file=request.storage is None)
        study = optuna.load_study(study_name=name, storage=storage)
        if not is_made_by_tune(study):
            raise UserError(f"study {study.study_name} was not made by distune tune; it cannot be confirmed")
        _check_folder_is_of(study, folder)
        if status_of(study, redacted(url), datetime.now().astimezone()).workers:
            raise UserError(
                f"study {study.study_name} is still running: its best trials may change; "
                "let it finish or stop it, then confirm"
            )
        yield study, folder


def _check_folder_is_of(study: Study, folder: Path) -> None:
    """Refuses the folder of another study, and to replace the confirmation of another one that was copied here."""
    record = from_optuna(study, folder)
    best = rank(record).best
    if best is not None and (found := other_run(record, best)):
        raise UserError(f"study {study.study_name}: {found}")
    try:
        wrong = of_another_study(record, read_sealed(folder / NUMBERS))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:  # none, or a damaged one
        if is_of_the_machine(error):
            raise
        return
    if wrong:
        raise UserError(f"{folder}: {wrong}")


@contextmanager
def _alone(confirmation: Path) -> Iterator[None]:
    """Keeps a second confirmation of the same study away."""
    try:
        with filelock.FileLock(confirmation / ".lock", timeout=0):
            yield
    except filelock.Timeout:
        raise UserError(
            f"another process confirms this study already ({confirmation}); wait for it"
        ) from None


def _settings(request: ConfirmRequest) -> dict[str, Any]:
    """What lies over the study's configs, by dotted key: where the confirmation runs."""
    places = [key for key in NEUTRAL_KEYS if "." in key]
    if others := [key for key in request.settings if key not in places]:
        raise UserError(
            f"{others[0]} cannot be set: a confirmation trains the configs of the study as they are; "
            f"only {', '.join(places)} may be others. Tune again with another value"
        )
    moved = {} if request.data_root is None else {"data.root": str(request.data_root)}
    return {**request.settings, **moved}


def _table(candidate: Candidate, fingerprint: str, subgroups: tuple[str, ...]) -> Table:
    config = candidate.config
    if subgroups:
        config = with_values(config, {"data.subgroup_columns": list(subgroups)})
    table = read_table(config.data, check_images=False)
    if table_fingerprint(table) != fingerprint:
        raise UserError(
            f"{config.data.root}: the data set is not the one that the study was tuned on; "
            "name that one with --data-root, or tune again"
        )
    return table


def _about(table: Table, folds: int | None) -> list[str]:
    if len(table.rows("test")):
        return []
    evaluated = "dev" if folds is None else f"{folds} folds of train and dev"
    return [
        f"the data set has no test split: everything is evaluated on {evaluated}, which the search has seen"
    ]
