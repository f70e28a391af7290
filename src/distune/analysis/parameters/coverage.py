"""The part of the search space that was really explored, and where the sampler went to."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from distune.analysis.parameters.space import Parameter, is_number
from distune.analysis.ranking import Ranking
from distune.analysis.records.study_record import StudyRecord, TrialRecord

BINS = 10
NEAR = 0.1
EDGE = 0.05
EDGE_OF_MOST = 0.15
THIRDS = 3
FEWEST = 9
FEWEST_LEVELS = 3
RISE = 0.25

Bound = Literal["low", "high"]


@dataclass(frozen=True)
class ParameterCoverage:
    """What was tried of one parameter.

    Attributes:
        parameter: the parameter's name.
        tried: tenths of the range (or values) in which there is a trial.
        parts: tenths of the range, or number of values.
        early: share of the first third of the trials that lie near the best trial's value.
        late: the same of the last third.
        expected: that share, had the trials been spread evenly.
        bound: the end of the range that the best trials lie at, if any.
    """

    parameter: str
    tried: int
    parts: int
    early: float | None
    late: float | None
    expected: float
    bound: Bound | None

    @property
    def is_concentrated(self) -> bool:
        """Whether the sampler came to try mostly values near the best one."""
        if self.early is None or self.late is None:
            return False
        return self.late >= max(0.5, 1.5 * self.expected) and self.late - self.early >= RISE


@dataclass(frozen=True)
class Coverage:
    """What was tried of the space.

    Attributes:
        parameters: in the order of the search space.
        trials: number of trials with parameters.
        combinations: how many combinations of the discrete parameters exist; None without any.
        combinations_tried: how many of them were tried.
    """

    parameters: tuple[ParameterCoverage, ...]
    trials: int
    combinations: int | None
    combinations_tried: int

    @property
    def bounds_hit(self) -> list[ParameterCoverage]:
        """Parameters whose best trials lie at an end of the range."""
        return [parameter for parameter in self.parameters if parameter.bound]

    @property
    def concentrated(self) -> list[ParameterCoverage]:
        """Parameters that the sampler concentrated on."""
        return [parameter for parameter in self.parameters if parameter.is_concentrated]


def coverage(study: StudyRecord, ranking: Ranking) -> Coverage:
    """Counts what was tried; trials outside the space are not counted."""
    trials = [trial for trial in study.trials if trial.params]
    discrete = {name: levels for name, parameter in study.space.items() if (levels := parameter.levels)}
    tried = {
        tuple(_key(trial.params[name]) for name in discrete)
        for trial in trials
        if all(name in trial.params and study.space[name].holds(trial.params[name]) for name in discrete)
    }
    return Coverage(
        parameters=tuple(
            _of_parameter(parameter, trials, ranking, has_ends=not study.is_table)
            for parameter in study.space.values()
        ),
        trials=len(trials),
        combinations=math.prod(len(levels) for levels in discrete.values()) if discrete else None,
        combinations_tried=len(tried) if discrete else 0,
    )


def _of_parameter(
    parameter: Parameter, trials: Sequence[TrialRecord], ranking: Ranking, *, has_ends: bool
) -> ParameterCoverage:
    name, levels = parameter.name, parameter.levels
    values = [trial.params[name] for trial in trials if parameter.holds(trial.params.get(name))]
    if levels is not None:
        tried, parts = len({_key(value) for value in values}), len(levels)
        expected = 1 / max(len(levels), 1)
    else:
        places = [parameter.position(value) or 0.0 for value in values]
        tried, parts = len({min(int(place * BINS), BINS - 1) for place in places}), BINS
        expected = 2 * NEAR
    best = ranking.best.params.get(name) if ranking.best else None
    early = late = None
    if best is not None and len(values) >= FEWEST:
        third = len(values) // THIRDS
        near = [_is_near(parameter, value, best) for value in values]
        early, late = statistics.fmean(near[:third]), statistics.fmean(near[-third:])
    bound = _bound(parameter, ranking) if has_ends else None
    return ParameterCoverage(name, tried, parts, early, late, expected, bound)


def _is_near(parameter: Parameter, value: Any, best: Any) -> bool:
    if parameter.levels is not None:
        return _key(value) == _key(best)
    here, there = parameter.position(value), parameter.position(best)
    return here is not None and there is not None and abs(here - there) <= NEAR


def _bound(parameter: Parameter, ranking: Ranking) -> Bound | None:
    """The end at which the best trial lies, where the median of the best quarter lies close to it too."""
    top = ranking.top(max(3, math.ceil(len(ranking.trials) / 4)))
    places = [
        place for trial in top if (place := _place(parameter, trial.params.get(parameter.name))) is not None
    ]
    if len(places) < 3 or _place(parameter, ranking.trials[0].params.get(parameter.name)) is None:
        return None
    best, middle = places[0], statistics.median(places)
    if best <= EDGE and middle <= EDGE_OF_MOST:
        return "low"
    return "high" if best >= 1 - EDGE and middle >= 1 - EDGE_OF_MOST else None


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


def _key(value: Any) -> tuple[str, Any]:
    """Python takes 1, 1.0 and True for equal; as parameters they are not."""
    return type(value).__name__, value
