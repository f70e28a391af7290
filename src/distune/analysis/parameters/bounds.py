"""The ends of the search space that the best trials lie at."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Any, Literal

from distune.analysis.parameters.space import Parameter
from distune.analysis.ranking import Ranking
from distune.analysis.records.study_record import StudyRecord
from distune.utils.numbers import is_number

EDGE, EDGE_OF_MOST = 0.05, 0.15
FEWEST_TRIALS, FEWEST_LEVELS = 3, 3


@dataclass(frozen=True)
class AtBound:
    """A parameter whose best trials lie at an end of its range."""

    parameter: str
    bound: Literal["low", "high"]


def at_bounds(study: StudyRecord, ranking: Ranking) -> tuple[AtBound, ...]:
    """The ends at which the best trial lies, and close to which the median of the best quarter lies too.

    Returns:
        In the order of the search space; nothing for a table of trials, whose ranges are not known.
    """
    if study.is_table:
        return ()
    top = ranking.top(max(FEWEST_TRIALS, math.ceil(len(ranking.trials) / 4)))
    found = []
    for parameter in study.space.values():
        places = [_place(parameter, trial.params.get(parameter.name)) for trial in top]
        known = [place for place in places if place is not None]
        if len(known) < FEWEST_TRIALS or places[0] is None:
            continue
        middle = statistics.median(known)
        if places[0] <= EDGE and middle <= EDGE_OF_MOST:
            found.append(AtBound(parameter.name, "low"))
        elif places[0] >= 1 - EDGE and middle >= 1 - EDGE_OF_MOST:
            found.append(AtBound(parameter.name, "high"))
    return tuple(found)


def _place(parameter: Parameter, value: Any) -> float | None:
    """The position between the ends; choices have ends where all are numbers. Of two values, each is an end."""
    if parameter.levels is not None and len(parameter.levels) < FEWEST_LEVELS:
        return None
    if parameter.kind != "categorical":
        return parameter.position(value) if parameter.low != parameter.high else None
    numbers = [choice for choice in parameter.choices if is_number(choice)]
    if len(numbers) < 2 or len(numbers) < len(parameter.choices) or value not in numbers:
        return None
    return float((value - min(numbers)) / (max(numbers) - min(numbers)))
