"""Messages between coordinator and workers: plain data that JSON can hold, and how they pass a pipe."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from distune.plugins import loaded_plugins
from distune.training.cost import Cost

FOLD = "fold"
"""Stage of the reports of a trial with folds: (this, folds done, mean of their scores)."""
Report = Callable[[str, int, float], bool]
"""Called with (stage, epoch from 1, score); True means continue, False means stop here."""


@dataclass(frozen=True)
class TrialTask:
    """One trial as a worker gets it.

    Args:
        number: the trial's number in its study.
        config: the complete config as plain values.
        folder: the trial's run folder; a trial that was started before is resumed from it.
        device: "auto", "cpu", "cuda:0", ...
        threads: CPU threads that the worker may use.
        attempt: 1 for the first time that this trial is given to a worker.
        dataset: fingerprint that the data set must have; empty takes any.
        plugins: modules that the worker imports first, with the hashes of their sources; those of this process.
    """

    number: int
    config: Mapping[str, Any]
    folder: str
    device: str = "cpu"
    threads: int = 1
    attempt: int = 1
    dataset: str | None = None
    plugins: Mapping[str, str] = field(default_factory=loaded_plugins)

    @property
    def path(self) -> Path:
        """The run folder as a path."""
        return Path(self.folder)

    def as_dict(self) -> dict[str, Any]:
        """The task as plain values."""
        return {**asdict(self), "config": dict(self.config)}


@dataclass(frozen=True)
class TrialOutcome:
    """How a trial ended that did not fail.

    Args:
        state: "complete", or "pruned" or "stopped" where a report was answered with False.
        score: the trial's score if complete; otherwise the last one, if any.
        best_epoch: student epoch of the best score.
        cost: what this attempt took.
        extra: further JSON values worth keeping; each becomes a user attribute of the trial.
    """

    state: Literal["complete", "pruned", "stopped"]
    score: float | None = None
    best_epoch: int | None = None
    cost: Cost = field(default_factory=Cost)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(values: Mapping[str, Any]) -> TrialOutcome:
        """An outcome from its plain values, which `dataclasses.asdict` gives."""
        return TrialOutcome(**{**values, "cost": Cost(**values["cost"])})


@dataclass(frozen=True)
class Failure:
    """Why a trial failed.

    Args:
        kind: crash, out_of_memory, not_finite, preempted, disk_full, machine_fault, no_access, data or config.
        message: the reason in one line.
        output: the tail of what the worker printed, traceback included.
        cost: what this attempt took, as far as it was measured.
    """

    kind: str
    message: str
    output: str = ""
    cost: Cost = field(default_factory=Cost)

    @staticmethod
    def of(values: Mapping[str, Any]) -> Failure:
        """A failure from its plain values, which `dataclasses.asdict` gives."""
        return Failure(**{**values, "cost": Cost(**values["cost"])})


TrialFunction = Callable[[TrialTask, Report], TrialOutcome]
"""Runs one trial and raises on failure; the exception carries what it spent until then (`training.cost.carried`).

Called again with the same folder it reports once more the epochs that it finds there and continues after them, so that
no score is lost that was trained but not received."""


@dataclass(frozen=True)
class TrialStarted:
    """A worker has started a trial."""

    number: int
    worker: str


@dataclass(frozen=True)
class EpochReported:
    """A running trial finished an epoch and waits for `Executor.answer`."""

    number: int
    stage: str
    epoch: int
    score: float

    @property
    def label(self) -> str:
        """What was scored, for logs."""
        return (
            f"mean over folds 1 to {self.epoch}" if self.stage == FOLD else f"{self.stage} epoch {self.epoch}"
        )


@dataclass(frozen=True)
class TrialFinished:
    """A trial left its worker, with an outcome or with a failure."""

    number: int
    result: TrialOutcome | Failure


Event = TrialStarted | EpochReported | TrialFinished


def send(pipe: Connection, message: Mapping[str, Any]) -> None:
    """Sends plain values as JSON."""
    pipe.send_bytes(json.dumps(message).encode())


def receive(pipe: Connection) -> dict[str, Any]:
    """Waits for plain values.

    Raises:
        EOFError: the other side is gone.
    """
    message: dict[str, Any] = json.loads(pipe.recv_bytes())
    return message
