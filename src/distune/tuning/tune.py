"""Tuning: from a config to a study, its best config and its summary. The one function that the CLI calls."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study

from distune.config import Config, StudyConfig, with_values
from distune.config.revisions import pinned
from distune.errors import ConfigError, UserError
from distune.tuning.coordinator.interrupts import Interrupts, interrupts
from distune.tuning.coordinator.ledger import count
from distune.tuning.coordinator.progress import log_file
from distune.tuning.executors.make import check_executor
from distune.tuning.fork_study import check_is_fork, fork, study_to_copy
from distune.tuning.request import TrialFunctions, TuneRequest, TuneResult
from distune.tuning.search.pruners import WARMUP_EPOCHS, check_pruner_of_folds
from distune.tuning.search.samplers import check_sampler
from distune.tuning.space.build import build_space
from distune.tuning.space.groups import asked_groups
from distune.tuning.space.impossible import impossible
from distune.tuning.space.inert import without_effect
from distune.tuning.space.out_of_range import outside
from distune.tuning.space.space import Space
from distune.tuning.space.starting_point import narrowed, started_from, with_space
from distune.tuning.space.without_effect import Ignored, fields_without_effect
from distune.tuning.staged import (
    SUFFIX,
    best_teachers,
    describe_budget,
    is_small,
    outline,
    settle,
    split_settings,
    stage_budgets,
)
from distune.tuning.study.hub_commits import with_study_commits
from distune.tuning.study.names import check_before_opening, commits_so_far, study_to_continue
from distune.tuning.study.open_study import check_resumable, check_study_name, new_name, open_study
from distune.tuning.study.settings import COMMITS, StudySettings, warmup_of_folds
from distune.tuning.study.storage import default_url, opened, parse_url
from distune.tuning.study.storage_retry import OPENING_LIMIT, StorageRetry
from distune.tuning.study.storage_url import redacted
from distune.tuning.study_dataset import Inspection, check_folds, inspect
from distune.tuning.study_run import Ending, StudyRunner
from distune.tuning.summary import BEST_CONFIG_NAME, LOG_NAME, write_summary
from distune.utils.files.atomic import check_outputs
from distune.utils.files.paths import check_appendable

__all__ = [
    "TrialFunctions",
    "TuneRequest",
    "TuneResult",
    "base_of",
    "refused",
    "search_space",
    "tune",
    "values_outside",
]
_DATABASE_FILE = re.compile(r"\.db(-wal|-shm|-journal)?$", re.I)
_log = logging.getLogger(__name__)


def tune(request: TuneRequest) -> TuneResult:
    """Runs a study, or resumes one, and writes its summary and best config.

    Raises:
        UserError: something in the request, the config, the data or the storage is wrong.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    _check(request)
    base = base_of(request.config, request.source)
    dataset = _dataset(request, base)
    asked = request.asked
    space = _searched(base, asked, dataset)
    settings, teacher = _study_settings(request, base, space, dataset.fingerprint)
    name = request.fork or asked.name
    name = name or study_to_continue(request.logs, asked.storage, settings, asked.n_trials, teacher)
    name = name or new_name(request.config.name, datetime.now())
    check_study_name(name)
    folder = request.logs / name
    url = asked.storage or default_url(request.logs, name)
    if not _check_study(request, folder, url, name, settings):
        _check_new(request, name)
    check_outputs(folder)
    if folder.exists():
        check_appendable(folder / LOG_NAME)
    # The storage first: where there is none, no folder of the study is left.
    with interrupts() as interrupted, opened(url) as storage, log_file(folder / LOG_NAME):
        retrying = StorageRetry(interrupted=interrupted)
        opening = StorageRetry(OPENING_LIMIT, interrupted=interrupted)
        study, settings = _open(request, storage, name, settings, opening)
        dataset.write(folder)
        _log.info("study %s in %s: %d finished trials wanted", name, redacted(url), asked.n_trials)
        runner = StudyRunner(request, interrupted)
        try:
            settings, teacher = _with_encoders(request, study, settings, teacher, retrying, interrupted)
        except KeyboardInterrupt:
            ending = Ending("interrupted")
        else:
            if teacher is None:
                ending = runner.run(study, settings, folder, asked.n_trials)
            else:
                ending = _run_staged(request, storage, study, (settings, teacher), folder, runner, retrying)
        summary = retrying(lambda: write_summary(study, folder, storage=redacted(url), reason=ending.reason))
        _log.info("study %s: %s", name, ending.reason)
    best = folder / BEST_CONFIG_NAME if summary["best"] else None
    return TuneResult(name, folder, ending.reason, summary, best, ending.failure)


def base_of(config: Config, source: str = "config") -> Config:
    """What trial 0 of a study runs; the `study` section, which says only how to search, is no part of it."""
    asked = config.study
    epochs = {"teacher.epochs": asked.teacher_epochs, "student.epochs": asked.student_epochs}
    given = {key: value for key, value in epochs.items() if value is not None}
    base = with_values(config, {**given, "study": {}}, source=source)
    if asked.start_from is not None:
        base = started_from(base, asked.start_from)
    return base if asked.space is None else with_space(base, asked.space)


def search_space(base: Config, asked: StudyConfig, ignored: Sequence[Ignored] = ()) -> Space:
    """The search space around a base config that a `study` section asks for.

    Args:
        base: the base config.
        asked: the `study` section.
        ignored: what the data set leaves without effect.
    """
    groups = {name: each for group in asked_groups(asked, base).values() for name, each in group.items()}
    return build_space(base, groups=groups, only=asked.only, ignored=[*fields_without_effect(base), *ignored])


def values_outside(config: Config) -> list[str]:
    """What a new study of a config would be refused for: base values outside of their ranges, values of no trial."""
    base, asked = base_of(config), config.study
    space = search_space(base, asked)
    return outside(space, base, narrowed(asked.space)) + impossible(space, base)


def refused(config: Config) -> list[str]:
    """Why `tune` would refuse what a config's `study` section asks for, on this machine; nothing where it would not.

    The config and its data are sound; the leaks of an audit are none of these.
    """
    request, base = TuneRequest(config=config), base_of(config)
    try:
        _check(request)
        _check_new_name(request.asked.name or "")
        _study_settings(request, base, search_space(base, request.asked), "")
        check_folds(base, request.asked.folds)
    except UserError as error:
        return [str(error)]
    return []


def _check_new(request: TuneRequest, name: str) -> None:
    """Refuses a new study whose folder would lie where SQLite has a file, or whose base outside of its own ranges."""
    _check_new_name(name)
    if lines := values_outside(request.config):
        raise ConfigError(request.source, lines)


def _check_new_name(name: str) -> None:
    if ending := _DATABASE_FILE.search(name):
        raise UserError(
            f"study name: {name} is how a study's database file is called; leave {ending.group()} out"
        )


def _check_study(request: TuneRequest, folder: Path, url: str, name: str, settings: StudySettings) -> bool:
    """Refuses the study of a name, and one to copy from, before anything is written; see `check_before_opening`."""
    asked = request.asked
    is_own_file = asked.storage is None
    if not (request.fork and asked.name):
        return check_before_opening(
            folder, url, name, lambda study: check_resumable(study, settings), is_own_file=is_own_file
        )
    with study_to_copy(asked.storage or default_url(request.logs, asked.name), asked.name) as old:

        def check(study: Study) -> None:
            check_is_fork(study, old)
            check_resumable(study, settings)

        return check_before_opening(folder, url, name, check, is_own_file=is_own_file)


def _check(request: TuneRequest) -> None:
    asked = request.asked
    for name in (asked.name, request.fork):
        if name is not None:
            check_study_name(name)
    if asked.storage is not None:
        parse_url(asked.storage)
    if request.fork and not asked.name:
        raise UserError("fork: name the study to copy from with --study-name")
    if request.fork and request.fork == asked.name:
        raise UserError(f"fork: {request.fork} is the study to copy from; choose another name for its fork")
    if asked.strategy == "staged" and (request.fork or asked.prune_teacher):
        what = "fork copies the trials of" if request.fork else "prune-teacher is for"
        raise UserError(f"{what} a joint search; a staged one tunes and prunes its teachers by themselves")
    if asked.folds is not None:
        _check_folds(request.config)
    check_executor(
        asked.executor,
        devices=asked.gpus,
        ray_address=asked.ray_address,
        gpus_per_trial=asked.gpus_per_trial,
    )
    request.worker_devices()


def _check_folds(config: Config) -> None:
    if config.study.strategy != "joint":
        raise UserError("folds: a staged search scores its teachers on the dev split; use --strategy joint")
    if config.study.prune_teacher:
        raise UserError(
            "folds: every fold has a teacher of its own, which --prune-teacher cannot compare; leave it out"
        )
    if config.data.fold is not None:
        raise UserError("folds: the base config is one fold already; remove data.fold from it")
    if config.study.pruner is not None:
        check_pruner_of_folds(config.study.pruner)


def _searched(base: Config, asked: StudyConfig, dataset: Inspection) -> Space:
    """The search space, after what has no effect is said."""
    space = search_space(base, asked, dataset.ignored)
    for line in without_effect(space, base, asked):
        _log.warning("%s", line)
    return space


def _study_settings(
    request: TuneRequest, base: Config, space: Space, dataset: str
) -> tuple[StudySettings, StudySettings | None]:
    """What the study is about, and what that of the teachers is, in a staged search."""
    asked = request.asked
    settings = StudySettings(
        base=base,
        space=space,
        dataset=dataset,
        sampler=asked.sampler or "tpe",
        pruner=asked.pruner or "median",
        seed=base.seed,
        config_path=request.config_path,
        prune_teacher=asked.prune_teacher,
        folds=asked.folds,
        warmup=WARMUP_EPOCHS if asked.folds is None else warmup_of_folds(asked.folds),
    )
    if asked.strategy == "joint":
        return settings, None
    teacher, students = split_settings(settings)
    return students, teacher


def _open(
    request: TuneRequest, storage: BaseStorage, name: str, settings: StudySettings, retrying: StorageRetry
) -> tuple[Study, StudySettings]:
    """Opens the study; a sampler or pruner that the request leaves open is the study's own."""
    asked = request.asked
    if request.fork and asked.name:
        with study_to_copy(asked.storage or default_url(request.logs, asked.name), asked.name) as old:
            commits = old.user_attrs.get(COMMITS, {})
            retrying(lambda: fork(old, storage, name, replace(settings, commits=commits)))
    study = retrying(lambda: open_study(storage, name, settings))
    known = study.user_attrs
    settings = replace(
        settings, sampler=asked.sampler or known["sampler"], pruner=asked.pruner or known["pruner"]
    )
    check_sampler(settings.sampler)
    if settings.commits and settings.commits != known.get(COMMITS):
        retrying(lambda: study.set_user_attr(COMMITS, dict(settings.commits)))
    ended = count(study.get_trials(deepcopy=False)).finished
    for key in ("sampler", "pruner", "pruner_settings", "prune_teacher"):
        value, before = settings.as_attributes()[key], known.get(key)
        if value == before:
            continue
        if ended >= asked.n_trials:  # the record says what its trials ran with
            _log.warning("%s: %s has no effect: all %d trials ran with %s", key, value, ended, before)
            continue
        _log.warning("%s: %s so far, %s from here on", key, before, value)
        retrying(lambda key=key, value=value: study.set_user_attr(key, value))  # type: ignore[misc]
    return study, settings


def _with_encoders(
    request: TuneRequest,
    study: Study,
    settings: StudySettings,
    teacher: StudySettings | None,
    retrying: StorageRetry,
    interrupted: Interrupts,
) -> tuple[StudySettings, StudySettings | None]:
    """The set-ups with the commits of their encoders, which are fetched; left out where the caller checks inputs."""
    if request.dataset is not None:
        return settings, teacher
    found = with_study_commits(
        study, [s for s in (settings, teacher) if s is not None], retrying, interrupted
    )
    return found[0], found[1] if teacher is not None else None


def _run_staged(
    request: TuneRequest,
    storage: BaseStorage,
    study: Study,
    settings_of_both: tuple[StudySettings, StudySettings],
    folder: Path,
    runner: StudyRunner,
    retrying: StorageRetry,
) -> Ending:
    """Tunes the teacher by its own score, then the students with the best few teachers as a choice.

    Once that choice is made, no more teachers are tried: a sampler cannot learn about choices that change.
    """
    students, teacher = settings_of_both
    n_trials = request.asked.n_trials
    _log.log(logging.WARNING if is_small(n_trials) else logging.INFO, "%s", describe_budget(n_trials))
    first, teacher = _open(request, storage, study.study_name + SUFFIX, teacher, retrying)
    if "teachers" not in study.user_attrs:
        wanted, _ = stage_budgets(n_trials)
        ending = runner.run(first, teacher, folder, wanted) if wanted else None
        retrying(lambda: study.set_user_attr("teacher_study", outline(first)))
        if ending is not None and ending.reason != "finished":
            return ending
    students = retrying(lambda: settle(study, best_teachers(first), students))
    left = max(0, n_trials - outline(first)["finished"])
    return runner.run(study, students, folder, left)


def _dataset(request: TuneRequest, base: Config) -> Inspection:
    if request.dataset is not None:
        return Inspection(request.dataset)
    asked = request.asked
    # A study that is resumed keeps its commits, wherever the hub's `main` is by now.
    base = pinned(base, commits_so_far(request.logs, asked.storage, asked.name, base))
    return inspect(base, request.source, accept_leaks=asked.accept_leaks, folds=asked.folds)
