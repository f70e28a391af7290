"""What the best trials have in common, and whether the sampler's own concentration could explain it.

The yardstick is what the sampler tried: random groups as large as the best one are drawn from all complete and
pruned trials, with as many members from each quarter of the study as the best group has. p is the share of them
that are at least as uniform. A sampler that tried one value nearly always, or in the end only, gives p near 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.analysis.parameters.holm import holm
from distune.analysis.parameters.space import Parameter
from distune.analysis.ranking import TOP, Ranking
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown

FEWEST = 12
DRAWS = 4000
QUARTERS = 4
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Pattern:
    """What the best trials have in common in one parameter.

    Attributes:
        parameter: the parameter's name.
        value: the most frequent value; None for a range.
        low: smallest value among the best; None for a single value.
        high: largest value among the best.
        top_share: share of the best trials that have the value.
        all_share: share of all tried trials that have the value, or lie in the range.
        p: share of random groups that are at least as uniform.
        p_holm: p after Holm's correction over the parameters.
    """

    parameter: str
    value: Any
    low: Any
    high: Any
    top_share: float
    all_share: float
    p: float
    p_holm: float

    @property
    def is_beyond_sampler(self) -> bool:
        """Whether the sampler's concentration is an unlikely explanation."""
        return self.p_holm < SIGNIFICANT


@dataclass(frozen=True)
class Patterns:
    """All patterns.

    Attributes:
        patterns: in the order of the search space.
        top: number of best trials.
        tried: number of complete and pruned trials that they are compared with.
    """

    patterns: tuple[Pattern, ...]
    top: int
    tried: int


def patterns(study: StudyRecord, ranking: Ranking) -> Patterns | Unknown:
    """Compares the best ten (at most a third) with everything that was tried."""
    tried = [trial for trial in study.trials if trial.state in ("complete", "pruned") and trial.params]
    size = min(TOP, len(tried) // 3, len(ranking.trials))
    if len(tried) < FEWEST or size < 3:
        return Unknown(
            f"Patterns need {FEWEST} complete and pruned trials with parameters; this study has {len(tried)}."
        )
    best = {trial.number for trial in ranking.top(size)}
    if len(tried) == len(best):
        return Unknown("There are no other trials to compare the best ones with.")
    groups = _random_groups(tried, best, np.random.default_rng(study.seed or 0))
    found = [
        pattern
        for parameter in study.space.values()
        if (pattern := _pattern(parameter, tried, best, groups)) is not None
    ]
    corrected = holm([pattern.p for pattern in found])
    return Patterns(
        patterns=tuple(
            Pattern(**{**pattern.__dict__, "p_holm": p}) for pattern, p in zip(found, corrected, strict=True)
        ),
        top=size,
        tried=len(tried),
    )


def _random_groups(
    tried: Sequence[TrialRecord], best: set[int], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Indices into `tried`, (draws, size): as many from each quarter as the best group has there."""
    draws = DRAWS if len(tried) <= 1000 else DRAWS // 4
    parts = []
    for rows in np.array_split(np.arange(len(tried)), QUARTERS):
        members = sum(tried[row].number in best for row in rows)
        if members:
            order = rng.random((draws, len(rows))).argsort(axis=1)[:, :members]
            parts.append(rows[order])
    return np.concatenate(parts, axis=1)


def _pattern(
    parameter: Parameter, tried: Sequence[TrialRecord], best: set[int], groups: NDArray[np.int64]
) -> Pattern | None:
    values = [trial.params.get(parameter.name) for trial in tried]
    if any(value is None for value in values) or len({str(value) for value in values}) < 2:
        return None
    is_best = np.array([trial.number in best for trial in tried])
    levels = parameter.levels
    if levels is not None:
        top = [value for value, inside in zip(values, is_best, strict=True) if inside]
        common, count = Counter(top).most_common(1)[0]
        has = np.array([value == common for value in values])
        # Each random group by its own most frequent value: a group is as uniform in any of them.
        drawn = np.max([rows[groups].sum(axis=1) for rows in _by_value(values)], axis=0)
        p = _share_at_least(drawn, count)
        return Pattern(parameter.name, common, None, None, count / len(top), float(has.mean()), p, 1.0)
    places = np.array([parameter.position(value) for value in values], dtype=float)
    if np.isnan(places).any():
        return None
    low, high = float(places[is_best].min()), float(places[is_best].max())
    drawn = places[groups]
    p = _share_at_least(-(drawn.max(axis=1) - drawn.min(axis=1)), -(high - low) - 1e-12)
    inside = float(((places >= low) & (places <= high)).mean())
    return Pattern(parameter.name, None, parameter.at(low), parameter.at(high), 1.0, inside, p, 1.0)


def _by_value(values: Sequence[Any]) -> list[NDArray[np.bool_]]:
    """For each value, which trials have it."""
    return [np.array([other == value for other in values]) for value in dict.fromkeys(values)]


def _share_at_least(drawn: NDArray[Any], observed: float) -> float:
    """The p-value of a Monte Carlo test; the observed group counts as one of the draws."""
    return float((1 + (drawn >= observed).sum()) / (1 + len(drawn)))
