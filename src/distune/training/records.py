"""What goes into training, a stage or a whole run, and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.config import TrainingConfig
from distune.data.batches import ModelInputs
from distune.data.table import Task
from distune.training.cost import Cost

OnEpoch = Callable[["EpochRecord"], bool]
"""Told each finished epoch; answers whether to go on."""


@dataclass(frozen=True)
class EpochRecord:
    """One line of `metrics.jsonl`.

    Attributes:
        stage: teacher or student.
        epoch: from 1.
        train_loss: mean over the steps of the whole objective.
        cross_entropy: mean over the steps of its part from the labels.
        distillation: mean over the steps of its part from the teacher.
        dev_score: mean over tasks of the macro F1 on dev.
        macro_f1: the same by task.
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


@dataclass(frozen=True)
class Examples:
    """What a model is trained and judged on.

    Attributes:
        inputs: for all examples of the table.
        labels: int64 (N, tasks).
        tasks: the label columns.
        train: rows to learn from.
        dev: rows to judge each epoch on.
    """

    inputs: ModelInputs
    labels: NDArray[np.int64]
    tasks: Sequence[Task]
    train: NDArray[np.int64]
    dev: NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """How long and how a stage trains.

    Attributes:
        stage: teacher or student; part of every seed.
        epochs: passes over the train rows.
        lr: peak learning rate.
        training: what both stages share.
        seed: of the run.
    """

    stage: str
    epochs: int
    lr: float
    training: TrainingConfig
    seed: int


@dataclass(frozen=True)
class Fitted:
    """The end of a stage; the model holds the weights of its best epoch.

    Attributes:
        history: every epoch, also those of an interrupted first attempt.
        stopped: whether `on_epoch` asked to stop before the end.
    """

    history: list[EpochRecord]
    stopped: bool

    @property
    def best(self) -> EpochRecord:
        """The epoch with the highest dev score, the first of equals."""
        return best_epoch(self.history)


@dataclass(frozen=True)
class RunResult:
    """What a run came to.

    Attributes:
        score: dev score of the student's best epoch, of its last one where it was stopped; None if stopped before.
        best_epoch: the student's epoch with that score, from 1; None if stopped before.
        stopped: whether `on_epoch` ended the run early; there are no results then.
        results: the content of `results.json`; empty where stopped.
        cost: what it took.
        cache: `{"hits", "misses", "seconds_saved"}` of the store.
    """

    score: float | None
    best_epoch: int | None
    stopped: bool
    results: dict[str, Any]
    cost: Cost
    cache: dict[str, Any]

    @staticmethod
    def of(
        judged: EpochRecord | None, results: dict[str, Any], cost: Cost, cache: dict[str, Any]
    ) -> RunResult:
        """The result of a run that is judged by one of its epochs; one without results was stopped."""
        score, epoch = (judged.dev_score, judged.epoch) if judged else (None, None)
        return RunResult(score, epoch, not results, results, cost, cache)


def best_epoch(history: Sequence[EpochRecord]) -> EpochRecord:
    """The epoch with the highest dev score, the first of equals."""
    return max(history, key=lambda record: (record.dev_score, -record.epoch))
