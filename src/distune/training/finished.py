"""A run that ended before: told once more from its folder instead of trained again."""

from __future__ import annotations

from pathlib import Path

from distune.config import Config
from distune.data import read_table
from distune.data.fingerprint import table_fingerprint
from distune.store import key_of
from distune.training.cost import Cost
from distune.training.devices import compute_for
from distune.training.keys import student_key
from distune.training.records import EpochRecord, OnEpoch, RunResult, best_epoch
from distune.training.run_folder import read_metrics, read_results


def finished_run(
    config: Config, folder: Path, *, on_epoch: OnEpoch = lambda record: True
) -> RunResult | None:
    """What a run came to, and cost, that is done.

    Args:
        config: the experiment.
        folder: of the run.
        on_epoch: told each epoch once more; where it asks to stop, the run is a stopped one as it would have been.

    Returns:
        None where the folder holds no finished run, or one of another config, data set or version.
    """
    results, history = read_results(folder), read_metrics(folder)
    students = [record for record in history if record.stage == "student"]
    if results is None or "cost" not in results or not students or results.get("key") != _key(config):
        return None
    cost, cache = Cost(**results["cost"]), results["cache"]
    for record in history:
        if not on_epoch(record) and not _is_last(record, config):
            judged = record if record.stage == "student" else None
            # Told once more, perhaps: its seconds count where it is told to the end.
            return RunResult.of(judged, {}, cost.without_seconds, cache)
    return RunResult.of(best_epoch(students), results, cost, cache)


def _key(config: Config) -> str:
    table = read_table(config.data, config.seed, check_images=False)
    return key_of(student_key(config, table_fingerprint(table), compute_for(config.training)))


def _is_last(record: EpochRecord, config: Config) -> bool:
    """Whether nothing is left to stop after an epoch."""
    return record.stage == "student" and record.epoch == config.student.epochs
