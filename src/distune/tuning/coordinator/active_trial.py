"""A trial that a coordinator runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.trial import Trial

from distune.training.cost import Cost
from distune.tuning.coordinator.ledger import timestamp
from distune.tuning.search.teacher_pruner import TEACHER_SCORES, teacher_scores
from distune.tuning.study.attributes import OVERRIDES
from distune.tuning.trials.messages import EpochReported, TrialOutcome, TrialTask

MICRO_BATCHES_KEY = "training.accumulation"
SMALLER = "smaller"
"""User attribute of a trial that was retried with smaller micro-batches."""
SEEN = ("peak_memory_mb", "peak_device_mb", "device")
"""What a trial's cost and its user attributes call by the same name."""
TAKEN_OVER = "taken over"
"""Why a trial is stopped that another coordinator has taken over."""


@dataclass
class ActiveTrial:
    """One trial from `ask` to `tell`.

    Args:
        trial: Optuna's handle.
        params: the trial's parameters by name.
        overrides: what differs from the base config, by config key.
        path: the run folder.
        scores: reported scores by epoch, those of earlier attempts included.
        attempt: how often the trial was given to a worker.
        config: the complete config as plain values.
        dataset: fingerprint that its data set must have; None where its config reads others of it.
        stalled: attempts in a row that ended without a new epoch.
        is_smaller: it already runs with smaller micro-batches.
        stop_reason: why a report was answered with False; empty while the trial may continue.
        seconds: of all attempts, from a worker's beginning to its end by the executor's clock.
        cost: of all attempts, as far as workers reported or executors measured it.
        began: when the current attempt began, by the executor's clock.
        teacher_scores: the teacher's scores by epoch, where teachers are pruned.
    """

    trial: Trial
    params: Mapping[str, Any]
    overrides: dict[str, Any]
    path: Path
    scores: dict[int, float]
    attempt: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)
    dataset: str | None = None
    stalled: int = 0
    is_smaller: bool = False
    stop_reason: str = ""
    seconds: float = 0.0
    cost: Cost = field(default_factory=Cost)
    began: float | None = None
    teacher_scores: dict[int, float] = field(default_factory=dict)
    _seen: set[tuple[str, int]] = field(default_factory=set)

    @staticmethod
    def of(
        trial: Trial,
        params: Mapping[str, Any],
        overrides: Mapping[str, Any],
        path: Path,
        scores: Mapping[int, float],
    ) -> ActiveTrial:
        """The active trial of a draw; one that was interrupted keeps its attempts, scores and micro-batches."""
        known = trial.user_attrs
        return ActiveTrial(
            trial,
            params,
            {**overrides, **known.get(OVERRIDES, {})},
            path,
            dict(scores),
            attempt=known.get("attempts", 0),
            is_smaller=known.get(SMALLER, False),
            seconds=known.get("seconds", 0.0),
            cost=Cost(known.get("stage_seconds", {}), *(known.get(name) for name in SEEN)),
            teacher_scores=teacher_scores(known),
        )

    @property
    def is_taken_over(self) -> bool:
        """Whether another coordinator has taken it over."""
        return self.stop_reason == TAKEN_OVER

    def opening(self) -> dict[str, Any]:
        """User attributes of a trial that was drawn."""
        is_base = self.trial.number == 0
        return {
            OVERRIDES: self.overrides,
            "folder": str(self.path),
            **({"baseline": True, "fixed_params": dict(self.params)} if is_base else {}),
        }

    def begin(self) -> None:
        """Counts an attempt."""
        self.attempt += 1
        self.stop_reason = ""
        self.began = None

    def task(self) -> TrialTask:
        """What a worker gets."""
        number, folder = self.trial.number, str(self.path)
        return TrialTask(number, self.config, folder, attempt=self.attempt, dataset=self.dataset)

    def started(self, worker: str) -> dict[str, Any]:
        """User attributes of a trial that a worker began with."""
        first = self.trial.user_attrs.get("started") or timestamp()
        return {"worker": worker, "attempts": self.attempt, "started": first}

    def progressed(self, event: EpochReported) -> None:
        """Notes that an epoch was done; only one that was never done before counts as progress."""
        if (event.stage, event.epoch) not in self._seen:
            self._seen.add((event.stage, event.epoch))
            self.stalled = 0

    def with_teacher_score(self, event: EpochReported) -> dict[str, Any]:
        """User attributes of a trial whose teacher finished an epoch."""
        self.teacher_scores[event.epoch] = event.score
        return {TEACHER_SCORES: {str(epoch): score for epoch, score in self.teacher_scores.items()}}

    def end_attempt(self, now: float, cost: Cost) -> None:
        """Adds up what an attempt cost; until a new epoch comes, it counts as stalled."""
        self.seconds += now - self.began if self.began is not None else 0.0
        self.began = None
        self.cost += cost
        self.stalled += 1

    def shrink_micro_batches(self) -> dict[str, Any]:
        """Splits each batch into twice as many micro-batches: another run, without the scores of this one.

        Returns:
            User attributes of the trial.
        """
        self.overrides[MICRO_BATCHES_KEY] = 2 * int(self.config["training"]["accumulation"])
        self.stalled, self.is_smaller = 0, True
        # The batch is the same, its rounding is not: scores of both would be one curve of two runs.
        for known in (self.scores, self.teacher_scores, self._seen):
            known.clear()
        return {OVERRIDES: self.overrides, SMALLER: True, TEACHER_SCORES: {}}

    def spending(self) -> dict[str, Any]:
        """User attributes of a trial: what its attempts cost so far; what was not measured is left out."""
        seen = {name: getattr(self.cost, name) for name in SEEN}
        return {
            # The clock of a killed coordinator is lost; the stages' seconds come from the run folder and are not.
            "seconds": max(self.seconds, sum(self.cost.seconds.values())),
            **({"stage_seconds": dict(self.cost.seconds)} if self.cost.seconds else {}),
            **{name: value for name, value in seen.items() if value is not None},
        }

    def ending(self) -> dict[str, Any]:
        """User attributes of a trial that ended, if only in a failure."""
        return {**self.spending(), "finished": timestamp()}

    def closing(self, outcome: TrialOutcome) -> dict[str, Any]:
        """User attributes of a finished trial: what it cost and what else it says."""
        return {
            **self.ending(),
            "best_epoch": outcome.best_epoch,
            "epochs_done": max(self.scores, default=0),
            **outcome.extra,
        }
