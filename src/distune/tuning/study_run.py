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
from distune.tuning.coordinator.proposals import FoldProposals, JointProposals, TeacherProposals
from distune.tuning.coordinator.retention import Retention
from distune.tuning.coordinator.takeover import Takeover
from distune.tuning.executors.make import described, make_executor
from distune.tuning.request import TuneRequest
from distune.tuning.search.pruners import is_too_short, make_pruner, make_pruner_of_folds
from distune.tuning.study.settings import StudySettings
from distune.tuning.study.storage_retry import StorageRetry
from distune.tuning.trials.messages import Failure

TITLES = {"teacher": "teachers", "staged": "students"}
"""What stands before the lines of progress of a staged search's two studies."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ending:
    """How a study run ended.

    Args:
        reason: why.
        failure: the last one, where the reason is "failed_alike"; it may be of what all trials need.
    """

    reason: EndReason
    failure: Failure | None = None


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

    def run(self, study: Study, settings: StudySettings, folder: Path, n_trials: int) -> Ending:
        """Runs a coordinator until its study has its trials or something ends it.

        Args:
            study: an open study.
            settings: what it is about.
            folder: of its workers' output and its run folders; teachers have theirs inside.
            n_trials: finished trials that it shall have.
        """
        request, asked = self._request, self._request.asked
        proposals, function = self._kind(settings)
        if settings.strategy == "teacher":
            folder = folder / "teacher"
        epochs = proposals.epochs(proposals.config({}))
        devices = request.worker_devices()
        lease = Lease.new(request.workers, devices, n_trials)
        ledger = Ledger(study, lease.coordinator, StorageRetry(interrupted=self._interrupted))
        study.pruner = (
            make_pruner_of_folds(settings.pruner, settings.warmup)
            if settings.folds
            else make_pruner(settings.pruner, epochs, settings.warmup)
        )
        _log.info("study %s: %d finished trials wanted", study.study_name, n_trials)
        if is_too_short(settings.pruner, epochs, settings.warmup):
            _log.warning("pruner %s: %d epochs are too few for it to stop a trial", settings.pruner, epochs)
        executor = make_executor(
            asked.executor,
            function,
            folder / "workers",
            workers=request.workers,
            devices=devices,
            threads=request.config.training.threads,
            ray_address=asked.ray_address,
            gpus_per_trial=asked.gpus_per_trial,
            interrupted=self._interrupted,
        )
        with StudyProgress(title=TITLES.get(settings.strategy, "")) as progress, executor:
            who = f"devices: {described(asked.executor, devices, asked.gpus_per_trial)}"
            _log.info(who)
            progress.say(who)
            coordinator = Coordinator(
                ledger,
                proposals,
                executor,
                Takeover(ledger, lease),
                Retention(folder / "trials", asked.keep_best),
                Limits(n_trials, self._seconds_left(), asked.on_oom, settings.prune_teacher),
                interrupted=self._interrupted,
                show=progress,
            )
            return Ending(coordinator.run(), coordinator.failure)

    def _kind(self, settings: StudySettings) -> tuple[JointProposals, str]:
        """What draws a study's trials, and the function that runs one."""
        functions = self._request.functions
        if settings.strategy == "teacher":
            return TeacherProposals(settings), functions.teacher
        if settings.folds:
            return FoldProposals(settings), functions.folds
        return JointProposals(settings), functions.joint

    def _seconds_left(self) -> float | None:
        timeout = self._request.asked.timeout
        return None if timeout is None else max(0.0, timeout - (time.monotonic() - self._started))
