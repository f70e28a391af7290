"""A study as plain values: all that the analysis knows, with None wherever the study is silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from distune.analysis.parameters.space import Parameter
from distune.utils.short_repr import short_repr

State = Literal["complete", "pruned", "failed", "running"]
Direction = Literal["maximize", "minimize"]
STATES: Mapping[str, State] = {
    "COMPLETE": "complete",
    "PRUNED": "pruned",
    "FAIL": "failed",
    "RUNNING": "running",
    "WAITING": "running",
}
"""By the names that Optuna gives them."""
SpaceSource = Literal["study", "distributions", "observed"]


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    Attributes:
        number: its number in the study.
        state: complete, pruned, failed or running (running stands for waiting too).
        value: the score of a complete trial.
        params: parameter values by name.
        intermediate: score by reported step.
        started: when the trial started.
        finished: when it ended.
        seconds: time that it took, measured by the worker or else from start to finish.
        stage_seconds: seconds by stage.
        memory_mb: peak memory of the worker in megabytes.
        device_memory_mb: peak memory of the device in megabytes.
        device: name of the device.
        worker: name of the worker.
        folder: its run folder.
        failure_kind: why it failed, in one word.
        failure_message: what the failure said.
        baseline: whether this is the base config.
        cache: counts and seconds that the store reports.
        fold_scores: of a study with folds, the scores of the folds that it has done.
        teacher_score: its teacher's dev score; of a study with folds, their mean.
        regression_score: likewise of logistic regression on its teacher's frozen features.
        copied_from: name of the study in which it ran, where this one is a fork.
    """

    __repr__ = short_repr

    number: int
    state: State
    value: float | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    intermediate: Mapping[int, float] = field(default_factory=dict)
    started: datetime | None = None
    finished: datetime | None = None
    seconds: float | None = None
    stage_seconds: Mapping[str, float] | None = None
    memory_mb: float | None = None
    device_memory_mb: float | None = None
    device: str | None = None
    worker: str | None = None
    folder: Path | None = None
    failure_kind: str | None = None
    failure_message: str | None = None
    baseline: bool = False
    cache: Mapping[str, float] | None = None
    fold_scores: tuple[float, ...] | None = None
    teacher_score: float | None = None
    regression_score: float | None = None
    copied_from: str | None = None


@dataclass(frozen=True)
class Session:
    """One run of the tuning command on the study.

    Attributes:
        started: when it started.
        finished: when it ended, or was last seen alive; None where neither is known.
        workers: number of workers.
        devices: names of the devices.
        reason: why it ended; None where it was killed or still runs.
    """

    started: datetime | None
    finished: datetime | None
    workers: int | None
    devices: tuple[str, ...]
    reason: str | None


@dataclass(frozen=True)
class StudyRecord:
    """One study and its trials, without those that were surplus.

    Attributes:
        name: name of the study.
        direction: whether larger or smaller values are better.
        trials: all trials, by number.
        space: parameters by name.
        space_source: where the space was read: the study's own record, the trials' distributions,
            or only the values observed in a table of trials.
        prune_teacher: whether a trial could end because of its teacher.
        folds: a score is the mean over so many folds of train and dev; None is of the dev split.
        teacher_study: the study that tuned the teacher first, in numbers; of a staged search.
        teacher_record: that study itself, where it could be read.
        teachers: the kept teachers by choice, each with its `score` and `params`; of a staged search.
        missing: one sentence for each thing that the study does not record.
        source: the file or storage that it was read from, without credentials.
        folder: the study's folder, where one is known.
        says_what_ran: whether it records what its trials ran, as every study of `tune` does.
    """

    __repr__ = short_repr

    name: str | None
    direction: Direction
    trials: tuple[TrialRecord, ...]
    space: Mapping[str, Parameter]
    space_source: SpaceSource
    base_config: Mapping[str, Any] | None = None
    config_path: Path | None = None
    seed: int | None = None
    metric: str | None = None
    sampler: str | None = None
    pruner: str | None = None
    pruner_settings: Mapping[str, Any] | None = None
    strategy: str | None = None
    prune_teacher: bool = False
    folds: int | None = None
    teacher_study: Mapping[str, Any] | None = None
    teacher_record: StudyRecord | None = None
    teachers: Mapping[str, Any] | None = None
    teacher_epochs: int | None = None
    student_epochs: int | None = None
    data_fingerprint: str | None = None
    distune_version: str | None = None
    sessions: tuple[Session, ...] | None = None
    source: str | None = None
    folder: Path | None = None
    surplus: int = 0
    says_what_ran: bool = True
    missing: tuple[str, ...] = ()

    @property
    def is_table(self) -> bool:
        """Whether it is a table of trials that Distune did not run: what the table does not hold is not known."""
        return self.space_source == "observed"

    @property
    def is_foreign(self) -> bool:
        """Whether another program made it: nothing says what ran, on which examples, or what the scores are."""
        return self.is_table or not self.says_what_ran

    @property
    def called(self) -> str:
        """What a sentence calls it: a table, or a study."""
        return "table" if self.is_table else "study"

    @property
    def absent(self) -> tuple[int, ...]:
        """Numbers below the highest that a table of trials lacks: it may be a selection, such as the best trials."""
        held = {trial.number for trial in self.trials} if self.is_table else set()
        return tuple(number for number in range(max(held, default=0)) if number not in held)

    @property
    def scored_on(self) -> str | None:
        """What the scores were measured on, as a sentence says it; None where that is not known."""
        if self.is_foreign:
            return None
        return "dev" if self.folds is None else f"{self.folds} folds of train and dev"

    @property
    def on_what(self) -> str:
        """The same as the end of a phrase, such as ` on dev`; empty where it is not known."""
        return f" on {self.scored_on}" if self.scored_on else ""

    @property
    def scored_stage(self) -> str:
        """The stage of a trial whose epochs are evaluated: the student, or the teacher where it is tuned alone."""
        return "teacher" if self.strategy == "teacher" else "student"

    def of(self, state: State) -> list[TrialRecord]:
        """The trials in one state, by number."""
        return [trial for trial in self.trials if trial.state == state]

    @property
    def complete(self) -> list[TrialRecord]:
        """Complete trials that have a value, by number."""
        return [trial for trial in self.trials if trial.state == "complete" and trial.value is not None]

    @property
    def sign(self) -> float:
        """1 where larger values are better, -1 where smaller ones are."""
        return 1.0 if self.direction == "maximize" else -1.0

    @property
    def baseline(self) -> TrialRecord | None:
        """The trial that ran the base config, where the study marks one."""
        return next((trial for trial in self.trials if trial.baseline), None)

    def base_value(self, parameter: str) -> Any:
        """The value of a parameter in the base config; None where unknown.

        The base trial's own parameters come first; else the base config is read at the parameter's key.
        """
        if self.baseline is not None and parameter in self.baseline.params:
            return self.baseline.params[parameter]
        return self.config_value(self.space[parameter].config_key) if parameter in self.space else None

    def config_value(self, key: str) -> Any:
        """The base config's value at a dotted key; None where unknown."""
        return None if self.base_config is None else value_in(self.base_config, key)


def value_in(config: Mapping[str, Any], key: str) -> Any:
    """What a config as plain values holds at a dotted key, of an encoder its name; None where there is nothing."""
    value: Any = config
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value.get("name") if isinstance(value, Mapping) else value
