"""Tuning: from a config to a study, its best config and its summary. The one function that the CLI calls."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study

from distune.errors import UserError
from distune.tuning.coordinator.interrupts import interrupts
from distune.tuning.coordinator.progress import log_file
from distune.tuning.coordinator.proposals import FoldProposals, JointProposals, TeacherProposals
from distune.tuning.dataset import Inspection, inspect
from distune.tuning.executors.make import check_executor
from distune.tuning.fork import fork, open_old
from distune.tuning.request import ON_OOM, TRIAL_FUNCTION, TuneRequest, TuneResult
from distune.tuning.search.pruners import WARMUP_EPOCHS, check_pruner, check_pruner_of_folds
from distune.tuning.search.samplers import check_sampler
from distune.tuning.space.groups import backbone_group, fields_without_effect, fusion_group, loss_group
from distune.tuning.space.space import Space, build_space
from distune.tuning.space.start import started_from, with_space
from distune.tuning.stage import Ending, Stage, Stages
from distune.tuning.staged import STRATEGIES, SUFFIX, best_teachers, outline, settle, split, stage_budgets
from distune.tuning.study.names import study_to_continue
from distune.tuning.study.read_only import reading
from distune.tuning.study.storage import Patience, default_url, opened
from distune.tuning.study.storage_url import redacted
from distune.tuning.study.study import Setup, check_name, new_name, open_study, warmup_of_folds
from distune.tuning.summary import BEST_CONFIG_NAME, write_summary
from distune.utils.text import nearest_hint

__all__ = ["TRIAL_FUNCTION", "TuneRequest", "TuneResult", "search_space", "tune"]
_log = logging.getLogger(__name__)


def tune(request: TuneRequest) -> TuneResult:
    """Runs a study, or goes on with one, and writes its summary and best config.

    Raises:
        UserError: something in the request, the config, the data or the storage is wrong.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    _check(request)
    request = _with_start(request)
    dataset = _dataset(request)
    setup, teacher = _setups(request, dataset.fingerprint)
    name = request.fork or request.study_name
    name = name or study_to_continue(request.logs, request.storage, setup, request.n_trials, teacher)
    name = name or new_name(request.config.name, datetime.now())
    check_name(name)
    folder = request.logs / name
    url = request.storage or default_url(request.logs, name)
    with log_file(folder / "study.log"), interrupts() as interrupted, opened(url) as storage:
        patiently = Patience(interrupted=interrupted)
        study, setup = _open(request, storage, name, setup, patiently)
        dataset.write(folder)
        _log.info("study %s in %s: %d finished trials wanted", name, redacted(url), request.n_trials)
        stages = Stages(request, interrupted)
        if teacher is None:
            ending = _run(request, study, setup, folder, stages)
        else:
            ending = _run_staged(request, storage, study, (setup, teacher), folder, stages, patiently)
        summary = patiently(lambda: write_summary(study, folder, storage=redacted(url), reason=ending.reason))
        _log.info("study %s: %s", name, ending.reason)
    best = folder / BEST_CONFIG_NAME if summary["best"] else None
    return TuneResult(name, folder, ending.reason, summary, best, ending.failure)


def search_space(request: TuneRequest) -> Space:
    """The search space that a request asks for."""
    groups = {
        **(fusion_group() if request.tune_fusion else {}),
        **(loss_group() if request.tune_loss else {}),
        **(backbone_group(request.config) if request.tune_backbones else {}),
    }
    ignored = fields_without_effect(request.config)
    return build_space(request.config, groups=groups, only=request.only, ignored=ignored)


def _check(request: TuneRequest) -> None:
    for name in (request.study_name, request.fork):
        if name is not None:
            check_name(name)
    if request.fork and not request.study_name:
        raise UserError("fork: name the study to copy from with --study-name")
    if request.strategy not in STRATEGIES:
        raise UserError(f"strategy: there is no {request.strategy!r}; known: {', '.join(STRATEGIES)}")
    if request.strategy == "staged" and (request.fork or request.prune_teacher):
        what = "fork copies the trials of" if request.fork else "prune-teacher is for"
        raise UserError(f"{what} a joint search; a staged one tunes and prunes its teachers by themselves")
    if request.folds is not None:
        _check_folds(request)
    if request.on_oom not in ON_OOM:
        hint = nearest_hint(request.on_oom, ON_OOM)
        raise UserError(f"on-oom: there is no {request.on_oom!r}; known: {', '.join(ON_OOM)}{hint}")
    check_executor(request.executor)
    for name, check in ((request.sampler, check_sampler), (request.pruner, check_pruner)):
        if name is not None:
            check(name)


def _check_folds(request: TuneRequest) -> None:
    if request.folds is None or request.folds < 2:
        raise UserError(f"folds: {request.folds} cannot be left out in turn; ask for 2 or more")
    if request.strategy != "joint":
        raise UserError("folds: a staged search judges its teachers on the dev split; use --strategy joint")
    if request.prune_teacher:
        raise UserError(
            "folds: every fold has a teacher of its own, which --prune-teacher cannot judge; leave it out"
        )
    if request.config.data.fold is not None:
        raise UserError("folds: the base config is one fold already; remove data.fold from it")
    if request.pruner is not None:
        check_pruner_of_folds(request.pruner)


def _with_start(request: TuneRequest) -> TuneRequest:
    config = request.config
    if request.start_from is not None:
        config = started_from(config, request.start_from)
    if request.space is not None:
        config = with_space(config, request.space)
    return replace(request, config=config)


def _setups(request: TuneRequest, dataset: str) -> tuple[Setup, Setup | None]:
    """What the study is about, and what that of the teachers is, in a staged search."""
    setup = Setup(
        base=request.config,
        space=search_space(request),
        dataset=dataset,
        sampler=request.sampler or "tpe",
        pruner=request.pruner or "median",
        seed=request.config.seed if request.seed is None else request.seed,
        config_path=request.config_path,
        prune_teacher=request.prune_teacher,
        folds=request.folds,
        warmup=WARMUP_EPOCHS if request.folds is None else warmup_of_folds(request.folds),
    )
    if request.strategy == "joint":
        return setup, None
    teacher, students = split(setup)
    return students, teacher


def _open(
    request: TuneRequest, storage: BaseStorage, name: str, setup: Setup, patiently: Patience
) -> tuple[Study, Setup]:
    """Opens the study; a sampler or pruner that the request leaves open is the study's own."""
    if request.fork and request.study_name:
        old_url = request.storage or default_url(request.logs, request.study_name)
        with reading(old_url) as old_storage:
            old = open_old(old_storage, request.study_name)
            patiently(lambda: fork(old, storage, name, setup))
    study = patiently(lambda: open_study(storage, name, setup))
    known = study.user_attrs
    setup = replace(
        setup,
        sampler=request.sampler or known["sampler"],
        pruner=request.pruner or known["pruner"],
    )
    for key in ("sampler", "pruner", "pruner_settings", "prune_teacher"):
        value = setup.as_attributes()[key]
        if value != known.get(key):
            _log.info("%s: %s so far, %s from here on", key, known.get(key), value)
            patiently(lambda key=key, value=value: study.set_user_attr(key, value))  # type: ignore[misc]
    return study, setup


def _run_staged(
    request: TuneRequest,
    storage: BaseStorage,
    study: Study,
    setups: tuple[Setup, Setup],
    folder: Path,
    stages: Stages,
    patiently: Patience,
) -> Ending:
    """Tunes the teacher by its own score, then the students with the best few teachers as a choice.

    Once that choice is made, no more teachers are tried: a sampler cannot learn about choices that change.
    """
    students, teacher = setups
    first, teacher = _open(request, storage, study.study_name + SUFFIX, teacher, patiently)
    if "teachers" not in study.user_attrs:
        wanted, _ = stage_budgets(request.n_trials)
        ending = _run_teachers(request, first, teacher, folder, stages, wanted) if wanted else None
        patiently(lambda: study.set_user_attr("teacher_study", outline(first)))
        if ending is not None and ending.reason != "finished":
            return ending
    students = patiently(lambda: settle(study, best_teachers(first), students))
    left = max(0, request.n_trials - outline(first)["finished"])
    return _run(request, study, students, folder, stages, left)


def _run_teachers(
    request: TuneRequest, study: Study, setup: Setup, folder: Path, stages: Stages, wanted: int
) -> Ending:
    stage = Stage(
        study,
        setup,
        TeacherProposals(setup),
        request.teacher_trial_function,
        folder / "teacher",
        wanted,
        setup.base.teacher.epochs,
        title="teachers",
    )
    return stages.run(stage)


def _run(
    request: TuneRequest, study: Study, setup: Setup, folder: Path, stages: Stages, wanted: int | None = None
) -> Ending:
    folds = setup.folds
    stage = Stage(
        study,
        setup,
        FoldProposals(setup) if folds else JointProposals(setup),
        request.folds_trial_function if folds else request.trial_function,
        folder,
        request.n_trials if wanted is None else wanted,
        folds or setup.base.student.epochs,
        title="students" if setup.strategy == "staged" else "",
    )
    return stages.run(stage)


def _dataset(request: TuneRequest) -> Inspection:
    if request.dataset is not None:
        return Inspection(request.dataset)
    source = request.config_path or "config"
    return inspect(request.config, source, accept_leaks=request.accept_leaks, folds=request.folds)
