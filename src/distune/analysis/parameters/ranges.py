"""The ranges that the best trials of a study used: where a next study may start."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from distune.analysis.parameters.space import TEACHER, Parameter
from distune.analysis.ranking import Ranking
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown

BEST_SHARE = 0.25
FEWEST = 5
MARGIN = 0.05


@dataclass(frozen=True)
class Ranges:
    """A narrower space.

    Attributes:
        parameters: each parameter with the range of the best trials, widened by 5 % of the old range on
            both sides and cut at its ends; or with the choices that occur among them.
        trials: the best trials: a quarter of the complete ones, and at least five.
        complete: number of complete trials.
    """

    parameters: Mapping[str, Parameter]
    trials: tuple[TrialRecord, ...]
    complete: int


def best_ranges(study: StudyRecord, ranking: Ranking) -> Ranges | Unknown:
    """Narrows the search space to where the best trials are."""
    if len(ranking.trials) < FEWEST:
        return Unknown(
            f"Recommended ranges need {FEWEST} complete trials; this study has {len(ranking.trials)}."
        )
    top = ranking.top(max(FEWEST, math.ceil(BEST_SHARE * len(ranking.trials))))
    narrowed = {
        name: found
        for name, parameter in study.space.items()
        if name != TEACHER
        and (
            found := _narrowed(
                parameter,
                [trial.params[name] for trial in top if name in trial.params],
                is_table=study.is_table,
            )
        )
    }
    if not narrowed:
        return Unknown("The trials record no parameters, so no ranges can be recommended.")
    return Ranges(parameters=narrowed, trials=top, complete=len(ranking.trials))


def _narrowed(parameter: Parameter, values: Sequence[Any], *, is_table: bool) -> Parameter | None:
    if parameter.kind == "categorical":
        chosen = tuple(choice for choice in parameter.choices if choice in values)
        return replace(parameter, choices=chosen) if chosen else None
    positions = [place for value in values if (place := parameter.position(value)) is not None]
    if not positions:
        return None
    if parameter.kind == "int" or parameter.step is not None:
        inside = [value for value in values if parameter.holds(value)]
        return replace(parameter, low=min(inside), high=max(inside)) if inside else None
    low, high = max(min(positions) - MARGIN, 0.0), min(max(positions) + MARGIN, 1.0)
    if low > high or parameter.low is None or parameter.high is None:
        return None
    first, last = _rounded(parameter.at(low), math.floor), _rounded(parameter.at(high), math.ceil)
    if is_table:  # its ends are of the values that it holds: nothing says that a search may not go beyond
        return replace(parameter, low=first, high=last)
    return replace(parameter, low=max(first, float(parameter.low)), high=min(last, float(parameter.high)))


def _rounded(value: float, towards: Callable[[float], int]) -> float:
    """Three significant digits: a range is no measurement. Outwards: no trial of the span may be left out."""
    if value == 0:
        return 0.0
    unit = 2 - math.floor(math.log10(abs(value)))
    scaled = value * 10.0**unit
    # Where three digits hold it already, the error of the scaling is no reason for another one.
    whole = round(scaled) if math.isclose(scaled, round(scaled), rel_tol=1e-9) else towards(scaled)
    return float(f"{whole}e{-unit}")


def as_search_space(ranges: Ranges) -> dict[str, dict[str, Any]]:
    """The ranges in the form of a config's `search_space:` section."""
    return as_entries(ranges.parameters)


def as_entries(parameters: Mapping[str, Parameter]) -> dict[str, dict[str, Any]]:
    """Parameters in the form of a config's `search_space:` section."""
    return {name: _entry(parameter) for name, parameter in parameters.items()}


def _entry(parameter: Parameter) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": parameter.kind}
    if parameter.kind == "categorical":
        entry["choices"] = list(parameter.choices)
    else:
        assert parameter.low is not None and parameter.high is not None
        whole = parameter.kind == "int"
        entry["low"] = int(parameter.low) if whole else float(parameter.low)
        entry["high"] = int(parameter.high) if whole else float(parameter.high)
        if parameter.log:
            entry["log"] = True
        if parameter.step is not None:
            entry["step"] = int(parameter.step) if whole else float(parameter.step)
    if parameter.when:
        entry["when"] = {name: list(values) for name, values in parameter.when.items()}
    if parameter.key:
        entry["key"] = parameter.key
    return entry
