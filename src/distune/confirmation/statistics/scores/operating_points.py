"""What a two-class task finds at a fixed specificity: the threshold is chosen on dev, and judged on test."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.confirmation.statistics.inference.intervals import interval_over_seeds, ratio_over_cases
from distune.confirmation.statistics.scores.case_scores import TaskAnswers
from distune.data.table import MISSING

SPECIFICITIES = (0.8, 0.9, 0.95)

Floats = NDArray[np.float64]


def operating_points(dev: TaskAnswers, test: TaskAnswers) -> list[dict[str, Any]] | None:
    """Sensitivity and specificity at thresholds of dev, for a task of two classes and each label of a multi-label one.

    Args:
        dev: of the same trainings as `test`.
        test: what is judged.

    Returns:
        One entry for each class that is looked for, see the text of `numbers`; None for a task of more classes.
    """
    if dev.task.kind == "multi_label":
        columns = range(len(dev.task.classes))
        return [_points(dev, test, column, column, 1) for column in columns]
    return [_points(dev, test, 0, 1, 1)] if len(dev.task.classes) == 2 else None


def threshold(negatives: Floats, specificity: float) -> float | None:
    """The lowest of these probabilities above which no more than a share of 1 - specificity lies.

    Returns:
        None where one false alarm is already more than that share.
    """
    count = len(negatives)
    if count * (1 - specificity) < 1 - 1e-9:
        return None
    return float(np.sort(negatives)[math.ceil(specificity * count - 1e-9) - 1])


def _points(dev: TaskAnswers, test: TaskAnswers, column: int, place: int, positive: int) -> dict[str, Any]:
    """One class; `column` holds its labels, `place` its probabilities, and `positive` stands for it."""
    return {
        "positive": dev.task.classes[place],
        "points": list(_each(dev, test, column, place, positive)),
    }


def _each(
    dev: TaskAnswers, test: TaskAnswers, column: int, place: int, positive: int
) -> Iterator[dict[str, Any]]:
    known, judged = (answers.labels[:, column] for answers in (dev, test))
    without = (known != positive) & (known != MISSING)
    has, lacks = judged == positive, (judged != positive) & (judged != MISSING)
    for wanted in SPECIFICITIES:
        cuts = [threshold(rows[without, place], wanted) for rows in dev.probabilities]
        found: dict[str, Any] = {
            "wanted": wanted,
            "threshold": None,
            "sensitivity": None,
            "specificity": None,
        }
        given = [cut for cut in cuts if cut is not None]
        if len(given) == len(cuts):
            above = np.stack(
                [rows[:, place] > cut for rows, cut in zip(test.probabilities, given, strict=True)]
            )
            found["threshold"] = asdict(interval_over_seeds(given))
            found["sensitivity"] = _share(above, has, test)
            found["specificity"] = _share(~above, lacks, test)
        yield found


def _share(right: NDArray[np.bool_], chosen: NDArray[np.bool_], test: TaskAnswers) -> dict[str, Any] | None:
    """The share of the chosen examples that are right, (seeds, N), with its interval over the cases that hold any."""
    cases = int(test.cases.max()) + 1
    of = np.bincount(test.cases[chosen], minlength=cases).astype(np.float64)
    hits = np.stack([np.bincount(test.cases[chosen & row], minlength=cases) for row in right], axis=1).astype(
        np.float64
    )
    found = ratio_over_cases(hits[:, :, None], of[:, None, None])
    return None if found is None else asdict(found)
