"""One trial: a training run whose epochs are reported to the coordinator."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from distune.config import Config, laid_over, parse_config
from distune.training.callbacks import Callback, EpochRecord, StopTraining
from distune.training.teacher_check import teacher_score
from distune.tuning.trials.messages import Report, TrialOutcome, TrialTask

if TYPE_CHECKING:
    from distune.training.results import RunResult

TEACHER_SCORE = "teacher_score"
"""User attribute of a trial: its teacher's dev score, the mean over folds where it has them."""


class ReportEpochs(Callback):
    """Reports each epoch of a run, and stops the run where the answer says so.

    Args:
        report: called with (stage, epoch, dev score); answers whether to continue.
        prefix: in front of the stage's name.
    """

    def __init__(self, report: Report, prefix: str = ""):
        self._report = report
        self._prefix = prefix

    def on_epoch_end(self, record: EpochRecord) -> None:
        """Reports the epoch's dev score."""
        if not self._report(f"{self._prefix}{record.stage}", record.epoch, record.dev_score):
            raise StopTraining


def run_trial(task: TrialTask, report: Report) -> TrialOutcome:
    """Runs a trial in its folder; called again after an interruption, it resumes from its checkpoint.

    A run that is finished already, because its result was never received, reports its epochs again and trains nothing.
    The images are not checked again: the study has done that before its first trial.

    Args:
        task: the complete config, the folder, the device and the threads.
        report: called with (stage, epoch, dev score); answers whether to continue.

    Raises:
        FloatingPointError: a loss is not finite.
        UserError: config or data break a rule.
    """
    from distune.training.results import finished_run
    from distune.training.run import run
    from distune.training.student import WEIGHTS

    config, folder, callback = config_of(task), task.path, ReportEpochs(report)
    found = finished_run(config, folder, callback=callback) if (folder / WEIGHTS).is_file() else None
    return outcome_of(found or run(config, folder, callback=callback, check_images=False))


def run_teacher_trial(task: TrialTask, report: Report) -> TrialOutcome:
    """As `run_trial`, for the teacher alone; the score is the teacher's own."""
    from distune.training.run import run_teacher

    return outcome_of(
        run_teacher(
            config_of(task),
            task.path,
            callback=ReportEpochs(report),
            check_images=False,
        )
    )


def config_of(task: TrialTask) -> Config:
    """The config of a trial on its worker's device and threads."""
    where = {"training.device": task.device, "training.threads": task.threads}
    return parse_config(laid_over(copy.deepcopy(dict(task.config)), where), source=f"trial {task.number}")


def outcome_of(result: RunResult) -> TrialOutcome:
    """The result of a training run, as the coordinator gets it."""
    return TrialOutcome(
        state="stopped" if result.stopped else "complete",
        score=result.score,
        best_epoch=result.best_epoch,
        cost=result.cost,
        extra={
            "cache_hits": sum(result.cache["hits"].values()),
            "cache_misses": sum(result.cache["misses"].values()),
            "cache_seconds_saved": result.cache["seconds_saved"],
            **({} if (teacher := teacher_score(result.results)) is None else {TEACHER_SCORE: teacher}),
        },
    )
