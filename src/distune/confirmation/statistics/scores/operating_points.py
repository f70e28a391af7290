"""What a two-class task finds at a fixed specificity, evaluated on cases that its threshold was not chosen on.

Each training has thresholds of its own. With a test split they are chosen on dev and evaluated on test. Out-of-fold
answers serve as both: the threshold is that of all of them, and each case is evaluated with the one that all other
cases give.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.confirmation.statistics.inference.intervals import ratio_over_cases
from distune.confirmation.statistics.scores.case_scores import TaskAnswers
from distune.data.table import MISSING

SPECIFICITIES = (0.8, 0.9, 0.95)
ROUNDING = 1e-9

Floats = NDArray[np.float64]
Thresholds = Sequence[tuple[float, Floats]]
"""Of each seed the threshold to use, and those that evaluate the examples: one each, (N,), or one for all, (1,)."""


def operating_points(dev: TaskAnswers, test: TaskAnswers) -> list[dict[str, Any]] | None:
    """Sensitivity and specificity at thresholds of dev, for a task of two classes and each label of a multi-label one.

    Args:
        dev: of the same trainings as `test`.
        test: what is evaluated.

    Returns:
        One entry for each class that is looked for, see the text of `numbers`; None for a task of more classes.
    """

    def chosen(column: int, place: int, specificity: float) -> Thresholds | None:
        without = _lacks(dev, column)
        cuts = [
            above_rounding(threshold(rows[without, place], specificity), rows[:, place])
            for rows in dev.probabilities
        ]
        known = [(cut, np.array([cut])) for cut in cuts if cut is not None]
        return known if len(known) == len(cuts) else None

    return _of_each_class(test, chosen)


def operating_points_out_of_fold(answers: TaskAnswers) -> list[dict[str, Any]] | None:
    """The same where no other split chooses the threshold: each case is evaluated with that of all other cases.

    Args:
        answers: each example answered by a training that lacked its case.

    Returns:
        See `operating_points`.
    """
    cases = int(answers.cases.max()) + 1

    def chosen(column: int, place: int, specificity: float) -> Thresholds | None:
        without = _lacks(answers, column)
        found = []
        for rows in answers.probabilities:
            negatives, of = rows[without, place], answers.cases[without]
            cut = above_rounding(threshold(negatives, specificity), rows[:, place])
            others = thresholds_of_others(negatives, of, cases, specificity)
            if cut is None or others is None:
                return None
            found.append((cut, others[answers.cases]))
        return found

    return _of_each_class(answers, chosen)


def threshold(negatives: Floats, specificity: float) -> float | None:
    """The lowest of these probabilities above which no more than a share of 1 - specificity lies.

    Returns:
        None where one false alarm is already more than that share.
    """
    count = len(negatives)
    if count * (1 - specificity) < 1 - ROUNDING:
        return None
    return float(np.sort(negatives)[math.ceil(specificity * count - ROUNDING) - 1])


def above_rounding(cut: float | None, answers: Floats) -> float | None:
    """The middle between a threshold that is an answer itself and the next higher answer, which calls them the same.

    Records of six digits and later predictions differ by rounding, which must not lift that answer above it.

    Args:
        cut: the threshold; None where there is none.
        answers: probabilities of all examples, (N,).
    """
    return None if cut is None else float(cut + min(answers[answers > cut], default=1.0)) / 2


def thresholds_of_others(
    negatives: Floats, case_of: NDArray[np.int64], cases: int, specificity: float
) -> Floats | None:
    """For each case the threshold of the negatives of all other cases.

    Args:
        negatives: probabilities of the examples without the class, (N,).
        case_of: number of each one's case, (N,).
        cases: how many there are.
        specificity: that is kept among the others.

    Returns:
        One threshold a case, (cases,); None where the others of some case are too few for one.
    """
    others = len(negatives) - np.bincount(case_of, minlength=cases)
    if others.min() * (1 - specificity) < 1 - ROUNDING:
        return None
    order = np.argsort(negatives, kind="stable")
    place = np.ceil(specificity * others - ROUNDING).astype(np.int64) - 1
    # In the order of all negatives, a case's own that lie at or before its threshold are stepped over.
    for position, case in enumerate(case_of[order]):
        place[case] += position <= place[case]
    return np.asarray(negatives[order][place], dtype=np.float64)


def _lacks(answers: TaskAnswers, column: int) -> NDArray[np.bool_]:
    """The examples that are known to lack the class."""
    labels = answers.labels[:, column]
    return np.asarray((labels != 1) & (labels != MISSING))


def _of_each_class(
    scored: TaskAnswers, chosen: Callable[[int, int, float], Thresholds | None]
) -> list[dict[str, Any]] | None:
    """The points of every class that is looked for: the second of two, or each label.

    Args:
        scored: the answers that the points are of.
        chosen: the thresholds, by column of the labels, column of the probabilities and specificity.
    """
    classes = scored.task.classes
    if scored.task.kind == "multi_label":
        columns = [(place, place) for place in range(len(classes))]
    elif len(classes) == 2:
        columns = [(0, 1)]
    else:
        return None
    return [
        {"positive": classes[place], "points": list(_points(scored, column, place, chosen))}
        for column, place in columns
    ]


def _points(
    scored: TaskAnswers, column: int, place: int, chosen: Callable[[int, int, float], Thresholds | None]
) -> Iterator[dict[str, Any]]:
    for wanted in SPECIFICITIES:
        found: dict[str, Any] = {
            "wanted": wanted,
            "thresholds": None,
            "sensitivity": None,
            "specificity": None,
            "first_seed": None,
        }
        thresholds = chosen(column, place, wanted)
        if thresholds is not None:
            above = np.stack(
                [
                    rows[:, place] > cuts
                    for rows, (_, cuts) in zip(scored.probabilities, thresholds, strict=True)
                ]
            )
            found["thresholds"] = [cut for cut, _ in thresholds]
            found |= _shares(above, column, scored)
            found["first_seed"] = _shares(above[:1], column, scored)
        yield found


def _shares(above: NDArray[np.bool_], column: int, scored: TaskAnswers) -> dict[str, Any]:
    """Sensitivity and specificity where so many examples lie above the thresholds, (seeds, N)."""
    return {
        "sensitivity": _share(above, scored.labels[:, column] == 1, scored),
        "specificity": _share(~above, _lacks(scored, column), scored),
    }


def _share(right: NDArray[np.bool_], chosen: NDArray[np.bool_], scored: TaskAnswers) -> dict[str, Any] | None:
    """The share of the chosen examples that are right, (seeds, N), with its interval over the cases that hold any."""
    cases = int(scored.cases.max()) + 1
    of = np.bincount(scored.cases[chosen], minlength=cases).astype(np.float64)
    hits = np.stack(
        [np.bincount(scored.cases[chosen & row], minlength=cases) for row in right], axis=1
    ).astype(np.float64)
    found = ratio_over_cases(hits[:, :, None], of[:, None, None])
    return None if found is None else asdict(found)
