"""The numbers of one contender: every metric with its mean and 95 % interval over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.analysis.calibration import Recalibration, recalibrate
from distune.confirmation.statistics.files import (
    CONDITIONS,
    JUDGED_SPLITS,
    Judged,
    baseline_folder,
    read_judged,
    run_folder,
)
from distune.confirmation.statistics.significance import Contender, interval_over_seeds
from distune.training.metrics import evaluate, score

METRICS = ("macro_f1", "accuracy", "calibration_error", "log_loss")
HIGHEST = {"log_loss": math.inf}


@dataclass(frozen=True)
class Answers:
    """The predictions of one contender.

    Attributes:
        name: of the contender.
        seeds: those whose run has predictions; a baseline has the one seed 0.
        by_split: for each split that was judged one entry a seed.
        by_condition: the same by split and condition; only conditions that all seeds have.
    """

    name: str
    seeds: tuple[int, ...]
    by_split: Mapping[str, tuple[Judged, ...]]
    by_condition: Mapping[tuple[str, str], tuple[Judged, ...]] = field(default_factory=dict)

    def contender(self, split: str, seeds: Sequence[int] | None = None) -> Contender:
        """The predicted classes for a split, of all seeds or of some."""
        chosen = self.seeds if seeds is None else tuple(seeds)
        judged = [self.by_split[split][self.seeds.index(seed)].predictions for seed in chosen]
        return Contender(self.name, np.stack(judged), chosen)


def read_contender(confirmation: Path, name: str, seeds: Sequence[int]) -> Answers | None:
    """The predictions of a trained contender; a seed counts once every split that others have is there.

    Returns:
        None where no seed has any.
    """
    folders = {seed: run_folder(confirmation, name, seed) for seed in seeds}
    splits = [
        s for s in JUDGED_SPLITS if any((f / f"predictions_{s}.csv").is_file() for f in folders.values())
    ]
    found = {seed: [read_judged(folder, split) for split in splits] for seed, folder in folders.items()}
    done = tuple(seed for seed in seeds if splits and all(found[seed]))
    if not done:
        return None
    by_split = {
        split: tuple(judged for seed in done if (judged := found[seed][column]) is not None)
        for column, split in enumerate(splits)
    }
    by_condition = {}
    for split in splits:
        for condition in CONDITIONS:
            changed = [read_judged(folders[seed], split, condition) for seed in done]
            known = tuple(judged for judged in changed if judged is not None)
            if len(known) == len(done):
                by_condition[split, condition] = known
    return Answers(name, done, by_split, by_condition)


def read_baseline(confirmation: Path, name: str) -> Answers | None:
    """The predictions of a baseline; None where it has none."""
    folder = baseline_folder(confirmation, name)
    by_split = {
        split: (judged,) for split in JUDGED_SPLITS if (judged := read_judged(folder, split)) is not None
    }
    return Answers(name, (0,), by_split) if by_split else None


def split_numbers(answers: Answers, split: str) -> dict[str, Any] | None:
    """Everything about a contender on one split, as plain values; None where it has no predictions for it.

    Temperatures are fitted on dev, one a seed and task; on dev itself the calibration after scaling therefore
    flatters.
    """
    judged = answers.by_split.get(split)
    if not judged:
        return None
    tables = [_table(one) for one in judged]
    scaled = [_recalibrated(dev, one) for dev, one in zip(answers.by_split["dev"], judged, strict=True)]
    return {
        "score": interval(table["score"] for table in tables),
        "scores": [table["score"] for table in tables],
        "tasks": {
            task.name: _task_numbers(
                [table["tasks"][task.name] for table in tables], [by_task[task.name] for by_task in scaled]
            )
            for task in judged[0].tasks
        },
        "conditions": {
            condition: _condition_numbers(answers.by_condition[split, condition], tables)
            for condition in CONDITIONS
            if (split, condition) in answers.by_condition
        },
    }


def interval(values: Iterable[float], lowest: float = 0.0, highest: float = 1.0) -> dict[str, Any]:
    """A mean over seeds with its 95 % interval, as plain values.

    Args:
        values: one a seed.
        lowest: no value can lie below it, so the interval does not either; that of a share by default.
        highest: no value can lie above it.
    """
    found = asdict(interval_over_seeds(list(values)))
    if found["low"] is not None:
        found |= {"low": max(found["low"], lowest), "high": min(found["high"], highest)}
    return found


def _table(judged: Judged) -> dict[str, Any]:
    return evaluate(judged.labels, judged.probabilities, judged.tasks)


def _recalibrated(dev: Judged, other: Judged) -> dict[str, Recalibration]:
    def task(judged: Judged, column: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        return judged.labels[:, column], judged.probabilities[column]

    return {
        each.name: recalibrate(task(dev, column), task(other, column))
        for column, each in enumerate(dev.tasks)
    }


def _task_numbers(tables: Sequence[Mapping[str, Any]], scaled: Sequence[Recalibration]) -> dict[str, Any]:
    areas = [table["auc"] for table in tables]
    # The areas exist for all seeds or for none: they depend on the labels of the split alone.
    is_known = all(area is not None for area in areas)
    numbers: dict[str, Any] = {
        metric: interval((table[metric] for table in tables), highest=HIGHEST.get(metric, 1.0))
        for metric in METRICS
    }
    numbers |= {
        "auc": interval(areas) if is_known else None,
        "auc_missing": tables[0]["auc_missing"],
        "temperature": interval((each.temperature for each in scaled), highest=math.inf),
        "calibration_error_scaled": interval(each.error_after for each in scaled),
        "log_loss_scaled": interval((each.log_loss_after for each in scaled), highest=math.inf),
        "classes": {
            name: {
                "recall": interval(table["classes"][name]["recall"] for table in tables)
                if about["support"]
                else None,
                "support": about["support"],
            }
            for name, about in tables[0]["classes"].items()
        },
    }
    return numbers


def _condition_numbers(judged: Sequence[Judged], full: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    scores = [score(one.labels, one.predictions) for one in judged]
    return {
        "score": interval(scores),
        "change": interval(
            (changed - whole["score"] for changed, whole in zip(scores, full, strict=True)), lowest=-1.0
        ),
        "tasks": {
            task.name: {
                "macro_f1": interval(_macro_f1(one, column) for one in judged),
                "accuracy": interval(
                    float((one.predictions[:, column] == one.labels[:, column]).mean()) for one in judged
                ),
            }
            for column, task in enumerate(judged[0].tasks)
        },
    }


def _macro_f1(judged: Judged, column: int) -> float:
    return score(judged.labels[:, [column]], judged.predictions[:, [column]])
