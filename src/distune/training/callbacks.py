"""Callbacks: what a run calls while it trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class EpochRecord:
    """One line of `metrics.jsonl`.

    Attributes:
        stage: teacher or student.
        epoch: from 1.
        train_loss: mean over the steps of the whole objective.
        cross_entropy: mean over the steps of its part from the labels.
        distillation: mean over the steps of its part from the teacher.
        dev_score: the score on dev: mean over tasks of the macro F1, or what `data.tasks` makes it.
        macro_f1: macro F1 by task.
        lr: learning rate after the last step.
        seconds: wall time of the epoch.
    """

    stage: str
    epoch: int
    train_loss: float
    cross_entropy: float
    distillation: float
    dev_score: float
    macro_f1: dict[str, float]
    lr: float
    seconds: float


class StopTraining(Exception):
    """Raised by `Callback.on_epoch_end` to end the run after this epoch; it can be resumed later."""


class Callback:
    """Hooks of a run; override those that you need.

    A resumed run calls `on_epoch_end` for the epochs before the interruption too, so a callback sees every epoch; as
    for those of a teacher that an earlier run trained, `on_replay` says so before.

    Example:
        >>> class StopAtGoal(Callback):
        ...     def on_epoch_end(self, record):
        ...         if record.dev_score >= 0.9:
        ...             raise StopTraining
    """

    def on_stage_start(self, stage: str) -> None:
        """Called before a stage of the run: data, teacher, targets, student, evaluation."""

    def on_progress(self, step: str, done: int, total: int) -> None:
        """Called now and then within a stage that can take long, such as "encoding images"; `done` of `total` items."""

    def on_replay(self, stage: str, epochs: int) -> None:
        """Called where the next so many epochs of a stage were trained before, and are only reported again."""

    def on_epoch_end(self, record: EpochRecord) -> None:
        """Called after each epoch of the teacher and the student.

        Raises:
            StopTraining: to end the run here.
        """

    def on_stage_end(self, stage: str) -> None:
        """Called after a stage of the run, also where it failed."""


def asks_to_stop(callback: Callback, record: EpochRecord) -> bool:
    """Calls `on_epoch_end`; true where it raised `StopTraining`."""
    try:
        callback.on_epoch_end(record)
    except StopTraining:
        return True
    return False


def best_epoch(history: Sequence[EpochRecord]) -> EpochRecord:
    """The epoch with the highest dev score, the first of equals."""
    return max(history, key=lambda record: (record.dev_score, -record.epoch))
