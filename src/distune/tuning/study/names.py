"""Finding a study in a database, and the one that the same command began before."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study

from distune.config import Config, as_dict
from distune.errors import UserError
from distune.training.files.claim import LOCK
from distune.tuning.coordinator.leases import leases
from distune.tuning.coordinator.ledger import count
from distune.tuning.coordinator.retention import folder_name
from distune.tuning.staged import SUFFIX
from distune.tuning.study.open_study import is_draft, is_made_by_tune, load
from distune.tuning.study.read_only import ChangesTooFastError, NoStudiesError, reading
from distune.tuning.study.settings import COMMITS, StudySettings, comparable, differing
from distune.tuning.study.storage import default_url
from distune.tuning.study.storage_url import redacted
from distune.utils.files.new_folder import OF_THE_DESKTOP
from distune.utils.files.paths import check_no_link

LOOK_BACK = 20
"""Newest studies that are looked at."""
_IGNORED = {LOCK, *OF_THE_DESKTOP}
"""Files beside which a folder counts as empty."""
_log = logging.getLogger(__name__)


def study_to_continue(
    logs: Path,
    storage_url: str | None,
    settings: StudySettings,
    n_trials: int,
    teacher: StudySettings | None = None,
) -> str | None:
    """The newest study on the same question that no coordinator works on and that lacks trials; None if there is none.

    Args:
        logs: where studies with an SQLite file of their own live.
        storage_url: a storage that holds many studies; empty looks at the files in `logs`.
        settings: the question.
        n_trials: finished trials that the study shall have.
        teacher: the question of the teacher's study, whose trials count too, in a staged search.
    """
    for name in _newest(logs, storage_url, settings.base.name):
        try:
            with reading(storage_url or default_url(logs, name)) as storage:
                if _can_resume(name, storage, settings, n_trials, teacher):
                    return name
        except UserError as error:  # a file of that name that is no study, or a damaged one
            _log.warning("not looked at while searching for a study to resume: %s", error)
    return None


def studies_in(storage: BaseStorage) -> list[str]:
    """The names of the studies in a storage; the teachers' study of a staged search is part of its own."""
    names = {study.study_name for study in storage.get_all_studies()}
    return sorted(name for name in names if name.removesuffix(SUFFIX) not in names - {name})


def name_in(storage: BaseStorage, name: str, url: str, *, is_own_file: bool = False) -> str:
    """The name of a study that a storage holds.

    Args:
        storage: that holds it.
        name: that is looked for.
        url: of the storage, for the message.
        is_own_file: the name is that of the study's file, which may have been renamed: then its only study is meant.

    Raises:
        UserError: there is no such study; those that are there are named.
    """
    if name in optuna.get_all_study_names(storage=storage):
        return name
    names = studies_in(storage)
    if is_own_file and len(names) == 1:
        return names[0]
    raise UserError(f"{redacted(url)} holds no study {name}; it holds {', '.join(names) or 'none'}")


def check_before_opening(
    folder: Path, url: str, name: str, check: Callable[[Study], None], *, is_own_file: bool
) -> bool:
    """Refuses to work on a study, or to begin one, before its database is opened for writing, which changes its bytes.

    Args:
        folder: of the study's files.
        url: of the storage.
        name: of the study.
        check: called with the study of that name, where there is one; raises a `UserError` to refuse it.
        is_own_file: a study of this name has the storage's file for itself.

    Returns:
        Whether the study is there; False where it has to be made, or its making was not finished.

    Raises:
        UserError: of the check; or a run lies where the next trials will; or the study's folder lies in a folder above
            the working one; or the storage is damaged or another program's; or it holds no study of that name, though
            the folder holds trials, as where its database is lost, or though its own file holds others, as where it
            was renamed.
    """
    # Looked at first: a command that makes the study right now makes these folders after it.
    has_trials = any((folder / kind).is_dir() for kind in ("trials", "teacher"))
    runs, of_teachers = _runs(folder), _runs(folder / "teacher")
    try:
        with reading(url) as storage:
            study = load(storage, name)
            if study is not None:
                if is_draft(study):
                    return False
                check(study)
                _check_is_here(name, folder)
                _check_no_other_runs(study, runs)
                if (teachers := load(storage, name + SUFFIX)) is not None:
                    _check_no_other_runs(teachers, of_teachers)
                return True
            others = ", ".join(studies_in(storage))
        missing = f"{redacted(url)} holds no study {name}; it holds {others or 'none'}"
        if is_own_file and others:
            raise UserError(
                f"{missing}. Rename the file and its folder back, use another --study-name, or name the file with "
                "--storage to add a study to it"
            )
    except NoStudiesError as error:
        missing = str(error)
    except ChangesTooFastError:  # others work on it; opening it checks
        return True
    if has_trials:
        raise UserError(
            f"{folder} holds the trials of a study, but {missing}. Put its database back, move the folder away, or "
            "use another --study-name"
        )
    return False


def _check_is_here(name: str, folder: Path) -> None:
    """Refuses to begin a second folder of a study below the place of its first."""
    for place in () if folder.exists() else Path.cwd().parents:
        if (place / folder).is_dir():
            raise UserError(
                f"study {name}: its folder is {place / folder}; give the command in {place}, as before"
            )


def _runs(folder: Path) -> list[Path]:
    """What lies where trials have their run folders; a desktop's copy, "trial_0001 (1)", takes no trial's place."""
    return [run for run in sorted((folder / "trials").glob("trial_*")) if run.name[len("trial_") :].isdigit()]


def _check_no_other_runs(study: Study, runs: Sequence[Path]) -> None:
    trials = study.get_trials(deepcopy=False)
    known = {folder_name(trial.number) for trial in trials}
    ended = {folder_name(trial.number) for trial in trials if trial.state.is_finished()}
    for run in runs:
        if run.name not in ended:
            check_no_link(run)
        if run.name not in known and not (run.is_dir() and {path.name for path in run.iterdir()} <= _IGNORED):
            raise UserError(
                f"{run} holds what study {study.study_name} does not know, such as a run; its next trials would "
                "replace it. Move it away, or put back the database that knows it"
            )


def commits_so_far(logs: Path, storage_url: str | None, name: str | None, base: Config) -> dict[str, str]:
    """The commits of hub models that the study which will be resumed uses; none where it is new, or cannot be read.

    Args:
        logs: where studies with an SQLite file of their own live.
        storage_url: a storage that holds many studies; empty looks at the files in `logs`.
        name: of the study; None takes the newest one on this base config, as the data set is not known yet.
        base: the base config.
    """
    names = [name] if name else _newest(logs, storage_url, base.name)
    for each in names:
        url = storage_url or default_url(logs, each)
        try:
            with reading(url) as storage:
                found = load(storage, each)
                known = found.user_attrs if found and is_made_by_tune(found) else {}
            if known and (name or comparable(known["base_config"]) == comparable(as_dict(base))):
                return dict(known.get(COMMITS, {}))
        except UserError:  # no study, or one of another version: opening it will say so
            continue
    return {}


def _newest(logs: Path, storage_url: str | None, config: str) -> list[str]:
    """The newest studies of a config's name, the newest first; nothing is written."""
    if storage_url is None:
        names = [path.stem for path in logs.glob(f"{config}_tuning_*.db")]
    else:
        try:
            with reading(storage_url) as storage:
                names = optuna.get_all_study_names(storage)
        except NoStudiesError:
            names = []
        except ChangesTooFastError as error:
            _log.warning("not looked at while searching for a study to resume: %s", error)
            names = []
    return sorted((name for name in names if name.startswith(f"{config}_tuning_")), reverse=True)[:LOOK_BACK]


def _can_resume(
    name: str, storage: BaseStorage, settings: StudySettings, n_trials: int, teacher: StudySettings | None
) -> bool:
    study = load(storage, name)
    if study is None or not is_made_by_tune(study) or differing(study.user_attrs, settings):
        return False
    studies = [study]
    first = load(storage, name + SUFFIX) if teacher else None
    if teacher and first and is_made_by_tune(first):
        if differing(first.user_attrs, teacher):
            return False
        studies.append(first)
    return sum(count(one.get_trials(deepcopy=False)).finished for one in studies) < n_trials and not any(
        _is_worked_on(name, one) for one in studies
    )


def _is_worked_on(name: str, study: Study) -> bool:
    """Whether a coordinator works on a study, as far as one look tells; logs how to join it anyway."""
    now = time.time()
    for lease in leases(study.user_attrs).values():
        if lease.looks_alive(now):
            _log.warning(
                "study %s asks the same and lacks trials, but process %d on %s was at work on it %.0f s ago: it is "
                "left alone; to resume it, or to work on it too, add --study-name %s",
                name, lease.pid, lease.host.partition("/")[0], now - lease.seen, name,
            )  # fmt: skip
            return True
    return False
