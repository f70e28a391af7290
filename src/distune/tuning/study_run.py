"""One run of a coordinator on one study: a joint search has one, a staged search one for each of its stages."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from optuna.study import Study

from distune.tuning.coordinator.coordinator import Coordinator, EndReason, Limits
from distune.tuning.coordinator.leases import Lease
from distune.tuning.coordinator.ledger import Ledger
from distune.tuning.coordinator.progress import StudyProgress
from distune.tuning.coordinator.proposals import JointProposals
from distune.tuning.coordinator.retention import Retention
from distune.tuning.coordinator.takeover import Takeover
from distune.tuning.executors.make import described, make_executor
from distune.tuning.request import TuneRequest
from distune.tuning.search.pruners import is_too_short, make_pruner, make_pruner_of_folds
from distune.tuning.study.settings import StudySettings
from distune.tuning.study.storage import StorageRetry
from distune.tuning.trials.messages import Failure

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ending:
    """How a study run ended.

    Args:
        reason: why.
        failure: the last one, where the reason is "failed_alike".
    """

    reason: EndReason
    failure: Failure | None = None


@dataclass(frozen=True)
class StudyRun:
    """What is run.

    Args:
        study: an open study.
        settings: what it is about.
        proposals: draws its trials' parameters.
        function: runs one trial, as `package.module:function`.
        folder: of its workers' output and its run folders.
        n_trials: finished trials that it shall have.
        epochs: reported epochs of a complete trial; with folds, their number.
        title: stands before its lines of progress.
    """

    study: Study
    settings: StudySettings
    proposals: JointProposals
    function: str
    folder: Path
    n_trials: int
    epochs: int
    title: str = ""


class StudyRunner:
    """Does the study runs of one request; its time limit holds for all of them together.

    Args:
        request: what the user asks for.
        interrupted: called in every round: 0 continue, 1 stop at the next epoch, 2 stop now.
    """

    def __init__(self, request: TuneRequest, interrupted: Callable[[], int]):
        self._request = request
        self._interrupted = interrupted
        self._started = time.monotonic()

    def run(self, run: StudyRun) -> Ending:
        """Runs a coordinator until its study has its trials or something ends it."""
        request, asked = self._request, self._request.asked
        devices = request.worker_devices()
        lease = Lease.new(request.workers, devices, run.n_trials)
        ledger = Ledger(run.study, lease.coordinator, StorageRetry(interrupted=self._interrupted))
        run.study.pruner = (
            make_pruner_of_folds(run.settings.pruner, run.settings.warmup)
            if run.settings.folds
            else make_pruner(run.settings.pruner, run.epochs, run.settings.warmup)
        )
        _log.info("study %s: %d finished trials wanted", run.study.study_name, run.n_trials)
        if is_too_short(run.settings.pruner, run.epochs, run.settings.warmup):
            _log.warning(
                "pruner %s: %d epochs are too few for it to stop a trial", run.settings.pruner, run.epochs
            )
        executor = make_executor(
            asked.executor,
            run.function,
            run.folder / "workers",
            workers=request.workers,
            devices=devices,
            threads=request.config.training.threads,
            ray_address=asked.ray_address,
            gpus_per_trial=asked.gpus_per_trial,
            interrupted=self._interrupted,
        )
        with StudyProgress(title=run.title) as progress, executor:
            who = f"devices: {described(asked.executor, devices, asked.gpus_per_trial)}"
            _log.info(who)
            progress.say(who)
            coordinator = Coordinator(
                ledger,
                run.proposals,
                executor,
                Takeover(ledger, lease),
                Retention(run.folder / "trials", asked.keep_best),
                Limits(run.n_trials, self._seconds_left(), asked.on_oom, run.settings.prune_teacher),
                interrupted=self._interrupted,
                show=progress,
            )
            return Ending(coordinator.run(), coordinator.failure)

    def _seconds_left(self) -> float | None:
        timeout = self._request.asked.timeout
        return None if timeout is None else max(0.0, timeout - (time.monotonic() - self._started))
