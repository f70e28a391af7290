"""The numbers of one contender: every metric with its mean and its 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.analysis.calibration import Recalibration, recalibrate
from distune.confirmation.statistics.answers import Answers, counts_of
from distune.confirmation.statistics.files import CONDITIONS, Judged
from distune.confirmation.statistics.forecast import forecast
from distune.confirmation.statistics.intervals import (
    accuracy,
    interval_over_cases,
    interval_over_seeds,
    of_class,
)
from distune.confirmation.statistics.pseudovalues import Counts, pseudovalues
from distune.confirmation.statistics.standard_errors import errors_of
from distune.data.table import MISSING, Task
from distune.training.metrics import evaluate

BY_SEED = ("calibration_error", "log_loss")
HIGHEST = {"log_loss": math.inf}
OF_A_CLASS = ("recall", "precision", "specificity", "f1")


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
    counts = counts_of(judged)
    scores = [table["score"] for table in tables]
    expected = forecast(counts, len(counts[0].hits))
    return {
        "score": asdict(interval_over_cases(counts)),
        "over_seeds": interval(scores),
        "scores": scores,
        "forecast": asdict(expected) if expected is not None else None,
        "tasks": {
            task.name: _task_numbers(
                counted,
                [table["tasks"][task.name] for table in tables],
                [by_task[task.name] for by_task in scaled if task.name in by_task],
            )
            for task, counted in zip(_judged_tasks(judged[0]), counts, strict=True)
        },
        "conditions": {
            condition: _condition_numbers(answers.by_condition[split, condition], counts)
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
    if found["low"] is None:
        return found
    if found["low"] <= lowest and found["high"] >= highest:  # all that can be says nothing
        return {**found, "low": None, "high": None}
    return found | {"low": max(found["low"], lowest), "high": min(found["high"], highest)}


def _table(judged: Judged) -> dict[str, Any]:
    return evaluate(judged.labels, judged.probabilities, judged.tasks)


def _recalibrated(dev: Judged, other: Judged) -> dict[str, Recalibration]:
    def known(judged: Judged, column: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        there = judged.labels[:, column] != MISSING
        return judged.labels[there, column], judged.probabilities[column][there]

    both = {task.name for task in _judged_tasks(dev)} & {task.name for task in _judged_tasks(other)}
    return {
        task.name: recalibrate(known(dev, column), known(other, column))
        for column, task in enumerate(dev.tasks)
        if task.name in both
    }


def _judged_tasks(judged: Judged) -> list[Task]:
    """The tasks of which a label is known."""
    return [
        task for task, labels in zip(judged.tasks, judged.labels.T, strict=True) if (labels != MISSING).any()
    ]


def _task_numbers(
    counts: Counts, tables: Sequence[Mapping[str, Any]], scaled: Sequence[Recalibration]
) -> dict[str, Any]:
    areas = [table["auc"] for table in tables]
    # The areas exist for all seeds or for none: they depend on the labels of the split alone.
    is_known = all(area is not None for area in areas)
    return {
        "macro_f1": asdict(interval_over_cases([counts])),
        "accuracy": asdict(interval_over_cases([counts], accuracy)),
        **{
            metric: interval((table[metric] for table in tables), highest=HIGHEST.get(metric, 1.0))
            for metric in BY_SEED
        },
        "auc": interval(areas) if is_known else None,
        "auc_missing": tables[0]["auc_missing"],
        **_calibration(scaled),
        "classes": {
            name: _class_numbers(counts, number, about["support"])
            for number, (name, about) in enumerate(tables[0]["classes"].items())
        },
    }


def _calibration(scaled: Sequence[Recalibration]) -> dict[str, Any]:
    """Calibration after scaling; null where dev knows no label to fit a temperature on."""
    if not scaled:
        return dict.fromkeys(("temperature", "calibration_error_scaled", "log_loss_scaled"))
    return {
        "temperature": interval((each.temperature for each in scaled), highest=math.inf),
        "calibration_error_scaled": interval(each.error_after for each in scaled),
        "log_loss_scaled": interval((each.log_loss_after for each in scaled), highest=math.inf),
    }


def _class_numbers(counts: Counts, number: int, support: int) -> dict[str, Any]:
    found = {name: of_class(counts, number, name) for name in OF_A_CLASS}
    return {
        **{name: None if each is None else asdict(each) for name, each in found.items()},
        "support": support,
        "cases": int((counts.occurred[:, 0, number] > 0).sum()),
    }


def _condition_numbers(judged: Sequence[Judged], full: Sequence[Counts]) -> dict[str, Any]:
    counts = counts_of(judged)
    return {
        "score": asdict(interval_over_cases(counts)),
        "change": _change(counts, full),
        "tasks": {
            task.name: {
                "macro_f1": asdict(interval_over_cases([each])),
                "accuracy": asdict(interval_over_cases([each], accuracy)),
            }
            for task, each in zip(_judged_tasks(judged[0]), counts, strict=True)
        },
    }


def _change(changed: Sequence[Counts], full: Sequence[Counts]) -> dict[str, Any]:
    """What the same models lose on the same cases: both tables answer seed by seed and case by case."""
    if len(full[0].hits) < 2:
        return {"mean": None, "low": None, "high": None, "seeds": 0, "cases": 1}
    (now, table), (before, whole) = pseudovalues(changed), pseudovalues(full)
    mean, errors = float(now.mean() - before.mean()), errors_of([table - whole])
    half = errors.quantile() * errors.standard_error
    return {
        "mean": mean,
        "low": max(-1.0, mean - half),
        "high": min(1.0, mean + half),
        "seeds": len(now),
        "cases": len(table),
    }
