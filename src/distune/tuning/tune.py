"""Tuning: from a config to a study, its best config and its summary. The one function that the CLI calls."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study

from distune.config import Config
from distune.errors import UserError
from distune.tuning.adoption import Adoption
from distune.tuning.coordinator import Coordinator, Limits, Reason
from distune.tuning.dataset import Inspection, inspect
from distune.tuning.executors import Executor
from distune.tuning.executors.making import check_executor, make_executor
from distune.tuning.fork import fork, open_old
from distune.tuning.groups import backbone_group, fields_without_effect, fusion_group, loss_group
from distune.tuning.interrupts import Interrupts, interrupts
from distune.tuning.leases import Lease
from distune.tuning.ledger import Ledger
from distune.tuning.messages import Failure
from distune.tuning.names import study_to_continue
from distune.tuning.progress import Progress, log_file
from distune.tuning.proposals import JointProposals
from distune.tuning.pruners import check_pruner, make_pruner
from distune.tuning.retention import Retention
from distune.tuning.samplers import check_sampler
from distune.tuning.space import Space, build_space
from distune.tuning.storage import Patience, default_url, opened, redacted
from distune.tuning.study import Setup, check_name, new_name, open_study
from distune.tuning.summary import BEST_CONFIG_NAME, write_summary

TRIAL_FUNCTION = "distune.tuning.trial:run_trial"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TuneRequest:
    """What a user asks for.

    Args:
        config: the base config, complete; trial 0.
        config_path: the file that it came from, for reports.
        n_trials: finished (complete or pruned) trials that the study shall have, over all restarts.
        study_name: empty goes on with the last unfinished study on the same question, or makes a new one.
        timeout: seconds.
        sampler: one of `SAMPLERS`; empty takes an existing study's, or tpe.
        pruner: one of `PRUNERS`; empty takes an existing study's, or median.
        storage: SQLAlchemy URL; empty is an SQLite file in `logs`.
        workers: trials at once.
        devices: of the workers, in turn; empty takes the config's `training.device`.
        executor: where workers live: "local" processes or "ray".
        ray_address: of the cluster, "HOST:PORT"; "local" starts a private one; empty finds the one of this machine.
        gpus_per_trial: GPUs that Ray sets aside for a trial, 0 to 1.
        tune_fusion: add the fusion modules to the search space.
        tune_loss: add the loss.
        tune_backbones: add the student's encoders.
        only: search these parameters alone.
        seed: of the sampler; empty takes the config's.
        on_oom: "fail", or "retry" once with half the batch in memory.
        fork: copy the trials of `study_name` that still count into a new study of this name.
        keep_best: how many of the best trials keep their weights.
        logs: where studies live.
        dataset: fingerprint of the examples; empty checks and audits the data set.
        accept_leaks: tune on data whose audit has severe findings.
        trial_function: runs one trial, as `package.module:function`.
    """

    config: Config
    config_path: str | None = None
    n_trials: int = 30
    study_name: str | None = None
    timeout: float | None = None
    sampler: str | None = None
    pruner: str | None = None
    storage: str | None = None
    workers: int = 1
    devices: tuple[str, ...] = ()
    executor: str = "local"
    ray_address: str | None = None
    gpus_per_trial: float = 0.0
    tune_fusion: bool = False
    tune_loss: bool = False
    tune_backbones: bool = False
    only: tuple[str, ...] = ()
    seed: int | None = None
    on_oom: str = "fail"
    fork: str | None = None
    keep_best: int = 3
    logs: Path = Path("logs/optuna")
    dataset: str | None = None
    accept_leaks: bool = False
    trial_function: str = TRIAL_FUNCTION


@dataclass(frozen=True)
class TuneResult:
    """What came of it.

    Args:
        study_name: of the study.
        folder: holds the summary, the best config, the log and the run folders.
        reason: why it ended.
        summary: what `study_summary.json` holds.
        best_config: the file, None without a complete trial.
        failure: why the study was given up, where the reason is "failed_alike".
    """

    study_name: str
    folder: Path
    reason: Reason
    summary: dict[str, Any] = field(default_factory=dict)
    best_config: Path | None = None
    failure: Failure | None = None


def tune(request: TuneRequest) -> TuneResult:
    """Runs a study, or goes on with one, and writes its summary and best config.

    Raises:
        UserError: something in the request, the config, the data or the storage is wrong.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    dataset = _dataset(request)
    setup = _setup(request, dataset.fingerprint)
    name = request.fork or request.study_name
    name = name or study_to_continue(request.logs, request.storage, setup, request.n_trials)
    name = name or new_name(request.config.name, datetime.now())
    check_name(name)
    folder = request.logs / name
    url = request.storage or default_url(request.logs, name)
    with log_file(folder / "study.log"), interrupts() as interrupted, opened(url) as storage:
        study, setup = _open(request, storage, name, setup)
        dataset.write(folder)
        _log.info("study %s in %s: %d finished trials wanted", name, redacted(url), request.n_trials)
        reason, failure = _run(request, study, setup, folder, interrupted)
        summary = write_summary(study, folder, storage=redacted(url), reason=reason)
        _log.info("study %s: %s", name, reason)
    best = folder / BEST_CONFIG_NAME if summary["best"] else None
    return TuneResult(name, folder, reason, summary, best, failure)


def search_space(request: TuneRequest) -> Space:
    """The search space that a request asks for."""
    groups = {
        **(fusion_group() if request.tune_fusion else {}),
        **(loss_group() if request.tune_loss else {}),
        **(backbone_group(request.config) if request.tune_backbones else {}),
    }
    ignored = fields_without_effect(request.config)
    return build_space(request.config, groups=groups, only=request.only, ignored=ignored)


def _setup(request: TuneRequest, dataset: str) -> Setup:
    if request.fork and not request.study_name:
        raise UserError("fork: name the study to copy from with --study-name")
    check_executor(request.executor)
    for name, check in ((request.sampler, check_sampler), (request.pruner, check_pruner)):
        if name is not None:
            check(name)
    return Setup(
        base=request.config,
        space=search_space(request),
        dataset=dataset,
        sampler=request.sampler or "tpe",
        pruner=request.pruner or "median",
        seed=request.config.seed if request.seed is None else request.seed,
        config_path=request.config_path,
    )


def _open(request: TuneRequest, storage: BaseStorage, name: str, setup: Setup) -> tuple[Study, Setup]:
    """Opens the study; a sampler or pruner that the request leaves open is the study's own."""
    patiently = Patience()
    if request.fork and request.study_name:
        old_url = request.storage or default_url(request.logs, request.study_name)
        with opened(old_url, create=False) as old_storage:
            old = open_old(old_storage, request.study_name)
            patiently(lambda: fork(old, storage, name, setup))
    study = patiently(lambda: open_study(storage, name, setup))
    known = study.user_attrs
    setup = replace(
        setup,
        sampler=request.sampler or known["sampler"],
        pruner=request.pruner or known["pruner"],
    )
    for key, value in (("sampler", setup.sampler), ("pruner", setup.pruner)):
        if value != known[key]:
            _log.info("%s: %s so far, %s from here on", key, known[key], value)
            patiently(lambda key=key, value=value: study.set_user_attr(key, value))  # type: ignore[misc]
    return study, setup


def _run(
    request: TuneRequest, study: Study, setup: Setup, folder: Path, interrupted: Interrupts
) -> tuple[Reason, Failure | None]:
    devices = request.devices or (request.config.training.device,)
    lease = Lease.new(request.workers, devices, request.n_trials)
    ledger = Ledger(study, lease.coordinator)
    study.pruner = make_pruner(setup.pruner, setup.base.student.epochs)
    with (
        Progress() as progress,
        _executor(request, folder / "workers", devices) as executor,
    ):
        coordinator = Coordinator(
            ledger,
            JointProposals(setup),
            executor,
            Adoption(ledger, lease),
            Retention(folder / "trials", request.keep_best),
            Limits(request.n_trials, request.timeout, request.on_oom),
            interrupted=interrupted,
            show=progress,
        )
        return coordinator.run(), coordinator.failure


def _executor(request: TuneRequest, folder: Path, devices: tuple[str, ...]) -> Executor:
    return make_executor(
        request.executor,
        request.trial_function,
        folder,
        workers=request.workers,
        devices=devices,
        threads=request.config.training.threads,
        ray_address=request.ray_address,
        gpus_per_trial=request.gpus_per_trial,
    )


def _dataset(request: TuneRequest) -> Inspection:
    if request.dataset is not None:
        return Inspection(request.dataset)
    source = request.config_path or "config"
    return inspect(request.config, source, accept_leaks=request.accept_leaks)
