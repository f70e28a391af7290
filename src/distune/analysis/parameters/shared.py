"""What the best trials share, beside how often it was tried: a fact about the study, not an effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from distune.analysis.parameters.importance import HALF
from distune.analysis.parameters.space import Parameter
from distune.analysis.ranking import TOP, Ranking
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown


@dataclass(frozen=True)
class Shared:
    """What the best trials have in common in one parameter.

    Attributes:
        parameter: the parameter's name.
        value: their most frequent value; None for a range.
        low: smallest value among them; None for a single value.
        high: largest value among them.
        of_best: share of the best trials that have the value; 1 for a range.
        of_tried: share of all tried trials that have it, or lie in the range.
    """

    parameter: str
    value: Any
    low: Any
    high: Any
    of_best: float
    of_tried: float


@dataclass(frozen=True)
class SharedByBest:
    """One row a parameter.

    Attributes:
        rows: in the order of the search space; parameters that not every trial has are left out.
        best: number of best trials: a quarter of the complete ones, and ten at most.
        tried: number of complete and pruned trials.
    """

    rows: tuple[Shared, ...]
    best: int
    tried: int


def shared_by_best(study: StudyRecord, ranking: Ranking) -> SharedByBest | Unknown:
    """Counts values among the best trials and among all that were tried."""
    if len(ranking.trials) < HALF:
        return Unknown(
            f"What the best trials share is shown from {HALF} complete trials on; this study has {len(ranking.trials)}."
        )
    tried = [trial for trial in study.trials if trial.state in ("complete", "pruned") and trial.params]
    best = ranking.top(min(TOP, len(ranking.trials) // 4))
    rows = (_shared(parameter, best, tried) for parameter in study.space.values())
    return SharedByBest(tuple(row for row in rows if row is not None), len(best), len(tried))


def _shared(parameter: Parameter, best: Sequence[TrialRecord], tried: Sequence[TrialRecord]) -> Shared | None:
    name = parameter.name
    if not all(name in trial.params and parameter.holds(trial.params[name]) for trial in (*best, *tried)):
        return None
    top, values = ([trial.params[name] for trial in trials] for trials in (best, tried))
    if len(set(values)) < 2:
        return None
    if parameter.levels is not None:
        common, count = Counter(top).most_common(1)[0]
        return Shared(name, common, None, None, count / len(top), values.count(common) / len(values))
    low, high = min(top), max(top)
    return Shared(name, None, low, high, 1.0, sum(low <= value <= high for value in values) / len(values))
