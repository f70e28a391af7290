"""The result of a run: of one that ended just now, or read from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distune.config import Config
from distune.data import read_table
from distune.data.fingerprint import table_fingerprint
from distune.store import key_of
from distune.training.callbacks import Callback, EpochRecord, asks_to_stop, best_epoch
from distune.training.cost import Cost
from distune.training.devices import compute_for
from distune.training.files.run_folder import read_metrics, read_results
from distune.training.keys import student_key


@dataclass(frozen=True)
class RunResult:
    """The result of a run.

    Attributes:
        score: dev score of the student's best epoch, of its last one where it was stopped; None if stopped before.
        best_epoch: the student's epoch with that score, from 1; None if stopped before.
        stopped: whether a callback ended the run early; there are no results then.
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
        epoch: EpochRecord | None, results: dict[str, Any], cost: Cost, cache: dict[str, Any]
    ) -> RunResult:
        """The result of a run that is scored by one of its epochs; one without results was stopped."""
        score, number = (epoch.dev_score, epoch.epoch) if epoch else (None, None)
        return RunResult(score, number, not results, results, cost, cache)


def finished_run(config: Config, folder: Path, *, callback: Callback | None = None) -> RunResult | None:
    """The result and the cost of a finished run.

    Args:
        config: the experiment.
        folder: of the run.
        callback: sees each epoch again; where it stops the run, the result is that of a stopped run.

    Returns:
        None where the folder holds no finished run, or one of another config, data set or version.
    """
    results, history = read_results(folder), read_metrics(folder)
    students = [record for record in history if record.stage == "student"]
    if results is None or "cost" not in results or not students or results.get("key") != _key(config):
        return None
    cost, cache = Cost(**results["cost"]), results["cache"]
    for record in history:
        if asks_to_stop(callback or Callback(), record) and not _is_last(record, config):
            last = record if record.stage == "student" else None
            # It may be read again: its seconds count where it is read to the end.
            return RunResult.of(last, {}, cost.without_seconds, cache)
    return RunResult.of(best_epoch(students), results, cost, cache)


def _key(config: Config) -> str:
    table = read_table(config.data, check_images=False)
    return key_of(student_key(config, table_fingerprint(table), compute_for(config.training)))


def _is_last(record: EpochRecord, config: Config) -> bool:
    """Whether nothing is left to stop after an epoch."""
    return record.stage == "student" and record.epoch == config.student.epochs
