"""One trial by folds: as many training runs as there are folds, and their mean score."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from distune.config import Config
from distune.training.cost import Cost, carried
from distune.training.files.run_folder import drop_weights
from distune.tuning.trials.messages import FOLD, Report, TrialOutcome, TrialTask
from distune.tuning.trials.trial import (
    REGRESSION_SCORE,
    TEACHER_SCORE,
    ReportEpochs,
    config_of_task,
    outcome_of,
)

FOLD_SCORES = "fold_scores"
"""User attribute of a trial: the scores of its folds, in their order."""


def fold_folder(folder: Path, number: int) -> Path:
    """The run folder of a fold, counted from 1, inside that of its trial."""
    return folder / f"fold_{number}"


def run_folds_trial(task: TrialTask, report: Report) -> TrialOutcome:
    """Runs a trial fold by fold; the mean of the folds so far is reported after each, and is the score in the end.

    Resumed after an interruption, it keeps the folds that are done and resumes the one that is not. A fold leaves no
    weights behind: a model of a part of the training data has no use.

    Args:
        task: the complete config, whose `data.fold` says how many folds there are; the folder, the device and the
            threads.
        report: called with (stage, epoch, dev score) of each fold, and then ("fold", number, mean so far); answers
            whether to continue.

    Raises:
        FloatingPointError: a loss is not finite.
        UserError: config or data break a rule.
    """
    done, config = _Done(), config_of_task(task)
    assert config.data.fold is not None
    folds = config.data.fold.of
    if task.dataset is not None:
        _check_unchanged(config, task.dataset)
    for number in range(1, folds + 1):
        with carried(lambda: done.cost):
            own = _of_fold(config, number)
            outcome = _found(own, task, number) or _train(own, task, number, report)
        done.count(outcome)
        if outcome.state != "complete" or outcome.score is None:
            return done.outcome("stopped")
        drop_weights(fold_folder(task.path, number))
        done.scores.append(outcome.score)
        if not report(FOLD, number, done.mean) and number < folds:
            return done.outcome("stopped")
    return done.outcome("complete")


def _check_unchanged(config: Config, dataset: str) -> None:
    """The fingerprint is that of the data set as it is split for everybody; each fold has another."""
    from distune.data import read_table
    from distune.data.fingerprint import check_unchanged, table_fingerprint

    whole = config.data.model_copy(update={"fold": None})
    table = read_table(whole, check_images=False)
    check_unchanged(config.data.root, table_fingerprint(table), dataset)


def _found(config: Config, task: TrialTask, number: int) -> TrialOutcome | None:
    """A fold that an earlier attempt has done; its seconds were reported by that attempt."""
    from distune.training.files.results import finished_run

    found = finished_run(config, fold_folder(task.path, number))
    return outcome_of(replace(found, cost=found.cost.without_seconds)) if found else None


def _train(config: Config, task: TrialTask, number: int, report: Report) -> TrialOutcome:
    from distune.training.run import run

    folder, callback = fold_folder(task.path, number), ReportEpochs(report, task.path, f"fold {number} ")
    return outcome_of(run(config, folder, callback=callback, check_images=False))


def _of_fold(config: Config, number: int) -> Config:
    """The config of one fold: valid because the first one's is, so it is not validated again."""
    assert config.data.fold is not None
    fold = config.data.fold.model_copy(update={"number": number})
    return config.model_copy(update={"data": config.data.model_copy(update={"fold": fold})})


@dataclass
class _Done:
    """The result of the folds of one attempt."""

    scores: list[float] = field(default_factory=list)
    cost: Cost = field(default_factory=Cost)
    cache: dict[str, float] = field(default_factory=dict)
    of_teachers: dict[str, list[float]] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        return sum(self.scores) / len(self.scores)

    @property
    def teacher(self) -> dict[str, float]:
        return {name: sum(scores) / len(scores) for name, scores in self.of_teachers.items()}

    def count(self, outcome: TrialOutcome) -> None:
        self.cost += outcome.cost
        for name, value in outcome.extra.items():
            if name in (TEACHER_SCORE, REGRESSION_SCORE):
                self.of_teachers.setdefault(name, []).append(value)
            else:
                self.cache[name] = self.cache.get(name, 0.0) + value

    def outcome(self, state: Any) -> TrialOutcome:
        return TrialOutcome(
            state=state,
            score=self.mean if self.scores else None,
            cost=self.cost,
            extra={FOLD_SCORES: self.scores, **self.teacher, **self.cache},
        )
