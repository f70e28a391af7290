"""What a confirmation can be expected to show, before its hours are spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distune.confirmation.statistics.inference.power import needs, power
from distune.confirmation.statistics.inference.significance import compare_scores, family_level
from distune.confirmation.statistics.scores.case_scores import overall, task_answers
from distune.data.table import Table, Task
from distune.errors import UserError
from distune.training.files.prediction_files import SplitPredictions, by_task, read_predictions
from distune.tuning.trials.folds import fold_folder
from distune.utils.text import counted

PRIMARY_QUESTIONS = 2


@dataclass(frozen=True)
class ExpectedPower:
    """The power to show the tuning gain, as well as it can be known beforehand.

    Attributes:
        power: the chance to show a true gain of `gain`, as if single trainings were compared: several seeds average
            part of their noise out and show how far trainings differ, and neither is known yet.
        gain: the smallest one that matters.
        cases: that will be evaluated.
        cases_needed: for a power of 80 %; None where no number is enough.
    """

    power: float
    gain: float
    cases: int
    cases_needed: int | None

    def __str__(self) -> str:
        needed = ""
        if self.power < 0.8 and self.cases_needed is not None:
            needed = f"; 80 % would take about {counted(self.cases_needed, 'case')}"
        return (
            f"power: on {counted(self.cases, 'case')} a true gain of {self.gain:g} is shown with a chance of about "
            f"{self.power:.0%}, as far as the search's single trainings tell: several seeds average part of their "
            f"noise out, and the noise between seeds, yet unknown, takes from it{needed}"
        )


def foresee(
    best: Path | None,
    base: Path | None,
    folds: int | None,
    tasks: Sequence[Task],
    *,
    cases: int,
    gain: float,
) -> ExpectedPower | None:
    """Estimates the power from what one training of each of two configs answered in the search.

    Args:
        best: run folder of the best trial.
        base: run folder of the base config's trial.
        folds: of the study; None where its trials are evaluated on dev.
        tasks: of the study.
        cases: that the confirmation will evaluate.
        gain: the smallest one that matters.

    Returns:
        None where the predictions of the two, for the same cases, are not there any more, and where a single case
        decides the score.
    """
    ours, theirs = (_answered(folder, folds, tasks) for folder in (best, base))
    if ours is None or theirs is None or cases < 2:
        return None
    if ours.groups != theirs.groups or not np.array_equal(ours.labels, theirs.labels):
        return None
    if len(set(ours.groups)) < 2:
        return None
    scores = [overall(task_answers([scored])) for scored in (ours, theirs)]
    if any(score.rests_on_one_case for score in scores):
        return None
    compared = compare_scores(
        *(
            (name, score.values, score.pseudovalues)
            for name, score in zip(("best", "base"), scores, strict=True)
        ),
        examples=len(ours.labels),
    )
    errors = compared.errors.with_more(cases=cases / compared.groups)
    level = family_level(PRIMARY_QUESTIONS)
    if not errors.standard_error:
        return None
    wanted = needs(errors, gain, level, seeds=1, cases=cases)["cases_needed"]
    return ExpectedPower(power(errors, gain, level), gain, cases, wanted)


def cases_to_evaluate(table: Table, folds: int | None) -> int:
    """How many cases the comparisons of a confirmation will be made on.

    Args:
        table: of the study.
        folds: of the study; without a test split its trainings together answer all of train and dev.
    """
    rows = table.rows("test")
    if not len(rows):
        parts = [table.rows("dev")] if folds is None else [table.rows("train"), table.rows("dev")]
        rows = np.concatenate(parts)
    return len({table.groups[row] for row in rows})


def _answered(folder: Path | None, folds: int | None, tasks: Sequence[Task]) -> SplitPredictions | None:
    """What a trial of the search answered; None where that is not there, or names no cases."""
    if folder is None:
        return None
    runs = [folder] if folds is None else [fold_folder(folder, number) for number in range(1, folds + 1)]
    try:
        parts = [read_predictions(run) for run in runs]
        columns = [by_task(part, tasks) for part in parts]
    except (UserError, ValueError):  # deleted, cut off, or of other tasks
        return None
    if any(part[0].groups is None for part in parts):
        return None
    groups = tuple(group for part in parts for group in part[0].groups or ())
    labels = [np.concatenate([truth for truth, _ in each], axis=1) for each in columns]
    answers = (np.concatenate([rows for _, rows in of_task]) for of_task in zip(*columns, strict=True))
    return SplitPredictions((), groups, tuple(tasks), np.concatenate(labels), tuple(answers))
