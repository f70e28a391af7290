"""Where a study stands, read from its storage alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from distune.errors import UserError
from distune.tuning.coordinator.leases import Lease, leases
from distune.tuning.coordinator.ledger import OWNER, TrialCounts, count, count_kinds
from distune.tuning.staged import SUFFIX
from distune.tuning.study.names import name_in, studies_in
from distune.tuning.study.open_study import check_attributes, check_study_name, is_made_by_tune, load
from distune.tuning.study.read_only import reading
from distune.tuning.study.storage import default_url
from distune.tuning.study.storage_url import redacted
from distune.tuning.summary import best_trial, warning_of
from distune.tuning.trials.trial import read_progress
from distune.utils.files.default_folders import STUDIES


@dataclass(frozen=True)
class RunningTrial:
    """An active trial.

    Args:
        number: the trial's.
        worker: its name; empty before the worker began.
        host: of its coordinator.
        epoch: last reported student epoch, or fold, 0 before the first.
        score: the last reported.
        started: when its first attempt began.
        attempts: how often it was given to a worker.
        progress: what its worker is at between epochs, in words; empty where it trains, or runs on another host.
    """

    number: int
    worker: str
    host: str
    epoch: int
    score: float | None
    started: datetime | None
    attempts: int
    progress: str = ""


@dataclass(frozen=True)
class StudyStatus:
    """Where a study stands.

    Args:
        name: of the study.
        storage: its URL without secrets.
        counts: trials by state, best score included.
        n_trials: finished trials wanted by the last coordinator; None if there was none.
        running: trials in the hands of living coordinators.
        interrupted: numbers of trials that no worker runs and that are resumed with the study.
        failures: failed trials by kind.
        workers: of all living coordinators.
        ended: why the last coordinator ended; None while one lives or if it was killed.
        folds: a trial's score is the mean over so many folds; None if it is of the dev split.
        ends: when the study is expected to end; None if no coordinator works on it or no trial is finished.
        teacher_warning: that the best trial's teacher has little to teach; None where it has.
        is_ours: whether `tune` made the study; another program's is read, but never resumed.
        teachers: the trials of its teachers by state, of a staged search that is past them; they count as finished
            where `n_trials` is asked for, and not in `counts`.
    """

    name: str
    storage: str
    counts: TrialCounts
    n_trials: int | None
    running: tuple[RunningTrial, ...]
    interrupted: tuple[int, ...]
    failures: dict[str, int]
    workers: int
    ended: str | None
    folds: int | None
    ends: datetime | None
    teacher_warning: str | None = None
    is_ours: bool = True
    teachers: TrialCounts | None = None


@dataclass(frozen=True)
class UnreadableStudy:
    """A study, or a file in the folder of studies, whose status cannot be read.

    Args:
        name: of the study or the file.
        problem: what is wrong with it.
    """

    name: str
    problem: str


def read_status(name: str, *, logs: Path = STUDIES, storage: str | None = None) -> StudyStatus:
    """Reads a study's status; changes nothing. A staged search that is at its teachers shows their study.

    Args:
        name: of the study.
        logs: where studies live.
        storage: SQLAlchemy URL; empty is the study's SQLite file in `logs`.

    Raises:
        UserError: there is no such study.
    """
    if storage is None:
        check_study_name(name)
    url = storage or default_url(logs, name)
    with reading(url) as backend:
        return _status_in(backend, name, url)


def read_studies(*, logs: Path = STUDIES, storage: str | None = None) -> list[StudyStatus | UnreadableStudy]:
    """The status of every study, by name; changes nothing. The teachers' study of a staged search is part of its own.

    Args:
        logs: where studies with an SQLite file of their own live.
        storage: SQLAlchemy URL of a database that holds several studies; empty looks at the files in `logs`.

    Raises:
        UserError: the storage cannot be opened.
    """
    if storage is not None:
        with reading(storage) as backend:
            return [_listed(backend, name, storage) for name in studies_in(backend)]
    found: list[StudyStatus | UnreadableStudy] = []
    for file in sorted(logs.glob("[!.]*.db")):
        if file.name == "Thumbs.db":  # as the names that begin with a point: what systems leave in folders
            continue
        url = default_url(logs, file.stem)
        try:
            with reading(url) as backend:
                found += [_listed(backend, name, url) for name in studies_in(backend)]
        except UserError as error:
            found.append(UnreadableStudy(file.stem, str(error)))
    return found


def _listed(backend: BaseStorage, name: str, url: str) -> StudyStatus | UnreadableStudy:
    try:
        return _status_in(backend, name, url)
    except UserError as error:
        return UnreadableStudy(name, str(error))


def _status_in(backend: BaseStorage, name: str, url: str) -> StudyStatus:
    study = load(backend, name_in(backend, name, url))
    assert study is not None
    now, first = datetime.now().astimezone(), None
    if study.user_attrs.get("strategy") == "staged":
        first = load(backend, study.study_name + SUFFIX)
        if first is not None and "teachers" not in study.user_attrs:
            return status_of(first, redacted(url), now)  # still in its first stage
    teachers = None if first is None else count(first.get_trials(deepcopy=False))
    return replace(status_of(study, redacted(url), now), teachers=teachers)


def status_of(study: Study, storage: str, now: datetime) -> StudyStatus:
    """The status of an open study at a time.

    Raises:
        UserError: the study has several objectives, or is one of `tune` with an attribute that `tune` does not write.
    """
    check_attributes(study)
    if len(study.directions) != 1:
        raise UserError(
            f"study {study.study_name} has {len(study.directions)} objectives; status shows studies with one"
        )
    minimise = study.direction == StudyDirection.MINIMIZE
    is_ours = is_made_by_tune(study)
    trials = study.get_trials(deepcopy=not is_ours)
    for trial in () if is_ours else trials:  # what another program calls as we do may mean anything
        trial.user_attrs = {}
    known = leases(study.user_attrs)
    living = {name: lease for name, lease in known.items() if lease.looks_alive(now.timestamp())}
    last = max(known.values(), key=lambda lease: lease.started, default=None)
    held = [t for t in trials if t.state == TrialState.RUNNING and t.user_attrs.get(OWNER) in living]
    left = [t for t in trials if t.state in (TrialState.RUNNING, TrialState.WAITING) and t not in held]
    counts = count(trials, minimise=minimise, is_ours=is_ours)
    wanted = last.n_trials if last else None
    workers = sum(lease.workers for lease in living.values())
    return StudyStatus(
        study.study_name,
        storage,
        counts,
        wanted,
        tuple(_running(trial, living[trial.user_attrs[OWNER]]) for trial in held),
        tuple(trial.number for trial in left),
        count_kinds(trials, is_ours=is_ours),
        workers,
        None if living or last is None else last.ended,
        study.user_attrs.get("folds") if is_ours else None,
        _expected_end(trials, wanted, workers, now),
        None if (best := best_trial(trials)) is None else warning_of(best),
        is_ours,
    )


def _running(trial: FrozenTrial, lease: Lease) -> RunningTrial:
    known = trial.user_attrs
    epoch = max(trial.intermediate_values, default=0)
    started = known.get("started")
    return RunningTrial(
        trial.number,
        known.get("worker", ""),
        lease.host.partition("/")[0],
        epoch,
        trial.intermediate_values.get(epoch),
        datetime.fromisoformat(started) if started else None,
        known.get("attempts", 0),
        read_progress(Path(known["folder"])) if "folder" in known else "",
    )


def _expected_end(
    trials: list[FrozenTrial], wanted: int | None, workers: int, now: datetime
) -> datetime | None:
    seconds = [
        t.user_attrs["seconds"]
        for t in trials
        if t.state in (TrialState.COMPLETE, TrialState.PRUNED) and "seconds" in t.user_attrs
    ]
    if not workers or not seconds or wanted is None:
        return None
    left = max(0, wanted - count(trials).finished)
    return now + timedelta(seconds=sum(seconds) / len(seconds) * left / workers)
