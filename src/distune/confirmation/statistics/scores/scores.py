"""The numbers of one contender: every metric with its mean and its 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from distune.confirmation.statistics.files import CONDITIONS, OUT_OF_FOLD
from distune.confirmation.statistics.forecast import forecast
from distune.confirmation.statistics.inference.intervals import accuracy, interval_over_seeds, of_class
from distune.confirmation.statistics.inference.pseudovalues import Counts
from distune.confirmation.statistics.inference.standard_errors import errors_of
from distune.confirmation.statistics.scores.answers import ContenderAnswers
from distune.confirmation.statistics.scores.case_scores import CaseScores, TaskAnswers, overall, task_answers
from distune.confirmation.statistics.scores.operating_points import (
    operating_points,
    operating_points_out_of_fold,
)
from distune.confirmation.statistics.scores.probabilities import area_under_curve, calibration
from distune.data.table import label_columns
from distune.training.files.prediction_files import SplitPredictions
from distune.training.scoring.evaluation import evaluate
from distune.training.scoring.temperature_scaling import calibrated, task_temperature

OF_A_CLASS = ("recall", "precision", "specificity", "f1")


def split_numbers(
    answers: ContenderAnswers, split: str, new_cases: int | None = None
) -> dict[str, Any] | None:
    """Everything about a contender on one split, as plain values; None where it has no predictions for it.

    Temperatures are fitted on dev, one a seed and task, as `distune predict` does; on dev itself the calibration after
    scaling therefore flatters.

    Args:
        answers: of the contender.
        split: dev, test or folds.
        new_cases: cases of the set that is forecast; empty takes as many as the split has, of folds as many as dev.
    """
    scored = answers.by_split.get(split)
    if not scored:
        return None
    table = evaluate(scored[0].labels, scored[0].probabilities, scored[0].tasks)
    fitted = [_temperatures(dev) for dev in answers.by_split["dev"]]
    by_task = task_answers(scored)
    on_dev = {each.task.name: each for each in task_answers(answers.by_split["dev"])}
    score = overall(by_task)
    like = answers.by_split["dev" if split == OUT_OF_FOLD else split][0]
    expected = None
    if not score.rests_on_one_case:
        expected = forecast(
            score.values, score.pseudovalues, new_cases or len(set(like.groups)), score.lowest
        )
    return {
        "score": asdict(score.interval()),
        "over_seeds": interval(score.values, score.lowest),
        "scores": score.values.tolist(),
        "forecast": asdict(expected) if expected is not None else None,
        "tasks": {
            name: _task_numbers(of_task, table["tasks"][name])
            | _calibrated_numbers(
                split, on_dev.get(name), of_task, [found[name] for found in fitted if name in found]
            )
            for of_task in by_task
            for name in (of_task.task.name,)
        },
        "apart": {
            kind: _numbers_of([one.only(chosen) for one in scored])
            for kind, chosen in scored[0].kinds.items()
        },
        "conditions": {
            condition: _condition_numbers(answers.by_condition[split, condition], score)
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


def _numbers_of(scored: Sequence[SplitPredictions]) -> dict[str, Any]:
    """The score of some examples; null where these do not define it, as where all are of one class."""
    by_task = task_answers(scored)
    score = overall(by_task) if len(by_task) == len(scored[0].tasks) else None
    return {
        "examples": len(scored[0].ids),
        "cases": len(set(scored[0].groups)),
        "score": asdict(score.interval()) if score is not None and np.isfinite(score.values).all() else None,
    }


def _temperatures(dev: SplitPredictions) -> dict[str, float]:
    """By task; those of which dev knows no label have none."""
    columns = zip(dev.tasks, label_columns(dev.tasks), dev.probabilities, strict=True)
    fitted = {task.name: task_temperature(task, dev.labels[:, place], rows) for task, place, rows in columns}
    return {name: temperature for name, temperature in fitted.items() if temperature is not None}


def _task_numbers(answers: TaskAnswers, table: Mapping[str, Any]) -> dict[str, Any]:
    # The area exists for all seeds or for none: that depends on the labels of the split alone.
    has_area = table["auc"] is not None
    return {
        **_scores_of(answers),
        **calibration(answers),
        "auc": area_under_curve(answers) if has_area else None,
        "auc_missing": table["auc_missing"],
        "classes": {
            name: _class_numbers(*answers.of_class(number), table["classes"][name]["support"])
            for number, name in enumerate(answers.task.classes)
            if name in table["classes"]  # a label that no example knows is not evaluated
        },
    }


def _scores_of(answers: TaskAnswers) -> dict[str, Any]:
    """Macro F1, accuracy, and what the task counts with where that is another score."""
    scores = {"macro_f1": answers.macro_f1(), "accuracy": answers.counted(accuracy)}
    found = {name: asdict(score.interval()) for name, score in scores.items()}
    if answers.task.score != "macro_f1":
        found["score"] = {"name": answers.task.score, **asdict(answers.score().interval())}
    return found


def _calibrated_numbers(
    split: str, on_dev: TaskAnswers | None, answers: TaskAnswers, temperatures: Sequence[float]
) -> dict[str, Any]:
    """Calibration and operating points of the probabilities that `distune predict` gives.

    Args:
        split: that is evaluated; no operating points on dev, which chooses thresholds.
        on_dev: answers of the same trainings; None where dev knows no label to fit or to choose anything by.
        answers: as the models give them.
        temperatures: one a seed, fitted on dev; none where that knows no label, and predict then scales nothing.
    """
    scaled = _scaled(answers, temperatures)
    points = None
    if split == OUT_OF_FOLD:
        points = operating_points_out_of_fold(scaled)
    elif split == "test" and on_dev is not None:
        points = operating_points(_scaled(on_dev, temperatures), scaled)
    found = calibration(scaled) if temperatures else {}
    return {
        "temperature": interval(temperatures, highest=math.inf) if temperatures else None,
        **{f"{name}_scaled": found.get(name) for name in ("calibration_error", "log_loss")},
        "operating_points": points,
    }


def _scaled(answers: TaskAnswers, temperatures: Sequence[float]) -> TaskAnswers:
    if not temperatures:
        return answers
    by_seed = zip(answers.probabilities, temperatures, strict=True)
    return replace(
        answers, probabilities=[calibrated(answers.task, rows, warmth) for rows, warmth in by_seed]
    )


def _class_numbers(counts: Counts, number: int, support: int) -> dict[str, Any]:
    found = {name: of_class(counts, number, name) for name in OF_A_CLASS}
    return {
        **{name: None if each is None else asdict(each) for name, each in found.items()},
        "support": support,
        "cases": int((counts.occurred[:, 0, number] > 0).sum()),
    }


def _condition_numbers(scored: Sequence[SplitPredictions], full: CaseScores) -> dict[str, Any]:
    by_task = task_answers(scored)
    score = overall(by_task)
    return {
        "score": asdict(score.interval()),
        "change": _change(score, full),
        "tasks": {each.task.name: _scores_of(each) for each in by_task},
    }


def _change(changed: CaseScores, full: CaseScores) -> dict[str, Any]:
    """What the same models lose on the same cases: both tables answer seed by seed and case by case."""
    if len(full.without) < 2:
        return {"mean": None, "low": None, "high": None, "seeds": 0, "cases": 1}
    table = changed.pseudovalues - full.pseudovalues
    mean, errors = float(changed.values.mean() - full.values.mean()), errors_of([table])
    half, widest = errors.half_width(len(table)), 1.0 - full.lowest
    has_ends = not (changed.rests_on_one_case or full.rests_on_one_case)
    return {
        "mean": mean,
        "low": max(-widest, mean - half) if has_ends else None,
        "high": min(widest, mean + half) if has_ends else None,
        "seeds": len(changed.values),
        "cases": len(table),
    }
