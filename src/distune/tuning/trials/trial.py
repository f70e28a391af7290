"""One trial: a training run whose epochs are reported to the coordinator."""

from __future__ import annotations

import copy
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from distune.config import Config, laid_over, parse_config
from distune.training.callbacks import Callback, EpochRecord, StopTraining
from distune.training.teacher.check import regression_score, teacher_score
from distune.tuning.trials.messages import Report, TrialOutcome, TrialTask
from distune.utils.files.atomic import write_text
from distune.utils.files.paths import check_no_link, read_file
from distune.utils.progress import ProgressLines

if TYPE_CHECKING:
    from distune.training.files.results import RunResult

PROGRESS = "progress.txt"
"""What a trial is at between its epochs, in words; there only while it is."""
TEACHER_SCORE, REGRESSION_SCORE = "teacher_score", "regression_score"
"""User attribute of a trial: its teacher's dev score, the mean over folds where it has them."""


class ReportEpochs(Callback):
    """Reports each epoch of a run, and stops the run where the answer says so.

    What takes long between epochs is kept in a file of the trial's folder, which `status` and the coordinator read.

    Args:
        report: called with (stage, epoch, dev score); answers whether to continue.
        folder: of the trial.
        prefix: in front of the stage's name.
    """

    def __init__(self, report: Report, folder: Path, prefix: str = ""):
        self._report = report
        self._prefix = prefix
        self._file = folder / PROGRESS
        self._lines = ProgressLines(self._write)

    def on_stage_start(self, stage: str) -> None:
        """Removes what an attempt that was killed has left."""
        self._remove()

    def on_progress(self, step: str, done: int, total: int) -> None:
        """Keeps what is done, how fast and when it ends, until it is."""
        self._lines(f"{self._prefix}{step}", done, total)
        if done >= total:
            self._remove()

    def on_stage_end(self, stage: str) -> None:
        """Removes what a stage that failed has left."""
        self._remove()

    def _write(self, line: str) -> None:
        with suppress(OSError):  # a full disk is for the training to say
            write_text(self._file, line)

    def _remove(self) -> None:
        with suppress(OSError):
            self._file.unlink()

    def on_epoch_end(self, record: EpochRecord) -> None:
        """Reports the epoch's dev score."""
        if not self._report(f"{self._prefix}{record.stage}", record.epoch, record.dev_score):
            raise StopTraining


def read_progress(folder: Path) -> str:
    """What a trial's worker is at between its epochs; empty where it trains, or no worker has it."""
    try:
        return read_file(folder / PROGRESS).decode("utf-8")
    except (OSError, ValueError):
        return ""


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
    from distune.training.files.results import finished_run
    from distune.training.files.run_folder import WEIGHTS
    from distune.training.run import run

    config, folder = config_of_task(task), task.path
    callback = ReportEpochs(report, folder)
    found = finished_run(config, folder, callback=callback) if (folder / WEIGHTS).is_file() else None
    return outcome_of(
        found or run(config, folder, callback=callback, check_images=False, dataset=task.dataset)
    )


def run_teacher_trial(task: TrialTask, report: Report) -> TrialOutcome:
    """As `run_trial`, for the teacher alone; the score is the teacher's own."""
    from distune.training.run import run_teacher

    return outcome_of(
        run_teacher(
            config_of_task(task),
            task.path,
            callback=ReportEpochs(report, task.path),
            check_images=False,
            dataset=task.dataset,
        )
    )


def config_of_task(task: TrialTask) -> Config:
    """The config of a trial on its worker's device and threads."""
    check_no_link(task.path)
    where = {"training.device": task.device, "training.threads": task.threads}
    return parse_config(laid_over(copy.deepcopy(dict(task.config)), where), source=f"trial {task.number}")


def outcome_of(result: RunResult) -> TrialOutcome:
    """The result of a training run, as the coordinator gets it."""
    of_teacher = {
        TEACHER_SCORE: teacher_score(result.results),
        REGRESSION_SCORE: regression_score(result.results),
    }
    return TrialOutcome(
        state="stopped" if result.stopped else "complete",
        score=result.score,
        best_epoch=result.best_epoch,
        cost=result.cost,
        extra={
            "cache_hits": sum(result.cache["hits"].values()),
            "cache_misses": sum(result.cache["misses"].values()),
            "cache_seconds_saved": result.cache["seconds_saved"],
            **{name: score for name, score in of_teacher.items() if score is not None},
        },
    )
