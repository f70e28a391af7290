"""What a confirmation can be expected to show, before its hours are spent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distune.analysis.records.unknown import Unknown
from distune.analysis.runs import read_run
from distune.confirmation.statistics.power import needs, power
from distune.confirmation.statistics.significance import Contender, compare, family_level

PRIMARY_QUESTIONS = 2


@dataclass(frozen=True)
class Foresight:
    """The power to show the tuning gain, as well as it can be known beforehand.

    Attributes:
        power: the chance to show a true gain of `gain`, without the noise between seeds, which nobody knows yet.
        gain: the smallest one that matters.
        cases: that will judge it.
        cases_needed: for a power of 80 %.
    """

    power: float
    gain: float
    cases: int
    cases_needed: int | None

    def __str__(self) -> str:
        needed = f"; 80 % would take about {self.cases_needed:,} cases" if self.power < 0.8 else ""
        return (
            f"power: on {self.cases} cases a true gain of {self.gain:g} is shown with a chance of about "
            f"{self.power:.0%}, as far as the search tells; the noise between seeds, yet unknown, takes from it{needed}"
        )


def foresee(
    best: Path | None, base: Path | None, folds: int | None, *, cases: int, gain: float
) -> Foresight | None:
    """Judges the power from what one training of each of two configs answered in the search.

    Args:
        best: run folder of the best trial.
        base: run folder of the base config's trial.
        folds: of the study; None where its trials are judged on dev.
        cases: that the confirmation will judge.
        gain: the smallest one that matters.

    Returns:
        None where the predictions of the two, for the same cases, are not there any more.
    """
    found = [read_run(folder, folds) for folder in (best, base)]
    tables = [None if isinstance(run, Unknown) else run.predictions for run in found]
    ours, theirs = (None if isinstance(table, Unknown) else table for table in tables)
    if ours is None or theirs is None or cases < 2:
        return None
    labels, others = (np.stack([task.truth for task in table], axis=1) for table in (ours, theirs))
    groups = ours[0].groups
    if groups is None or groups != theirs[0].groups or not np.array_equal(labels, others):
        return None
    if len(set(groups)) < 2:
        return None
    pair = [
        Contender(name, np.stack([task.probabilities.argmax(1) for task in table], axis=1)[None], (0,))
        for name, table in (("best", ours), ("base", theirs))
    ]
    compared = compare(labels, groups, *pair)
    errors = compared.errors.with_more(cases=cases / compared.groups)
    level = family_level(PRIMARY_QUESTIONS)
    if not errors.standard_error:
        return None
    wanted = needs(errors, gain, level, seeds=1, cases=cases)["cases_needed"]
    return Foresight(power(errors, gain, level), gain, cases, wanted)
