"""How much each parameter mattered, beside what it gets where the scores are shuffled.

The importance is the mean decrease of impurity, as in Optuna: the share of a random forest's splits, weighed by the
variance that they take away. Shuffled scores have nothing to do with the parameters, so what these get then is noise.
Scores are shuffled within each quarter of the study: sampler and scores drift together over a study, and that drift is
no effect. A parameter is named where it gets more than the 95th percentile, over 99 shuffles, of the largest that any
gets.

What a study could name is known from simulation (`benchmarks/parameters.py`: eight parameters, one straight effect):
where values are tried evenly, n complete trials name, in four studies of five, a parameter that alone explains
HALF / (n + HALF) of the variance. TPE leaves bad values early, and then names such a parameter less often.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.utils.progress import report_progress

HALF = 24
"""Complete trials with which a parameter must explain half of the variance to be named; fewer name nothing."""
SHUFFLES, LEVEL = 99, 0.95
QUARTERS = 4
TREES, DEPTH = 16, 3


@dataclass(frozen=True)
class Share:
    """One parameter's importance; those of all parameters add up to one."""

    parameter: str
    share: float


@dataclass(frozen=True)
class Importance:
    """All parameters by importance, and what the numbers rest on.

    Attributes:
        shares: largest first.
        floor: what a share must exceed: the 95th percentile of the largest share with shuffled scores.
        trials: number of complete trials.
        detects: the effect from one end of a range to the other, in score, that four studies of five with evenly
            tried values name.
        left_out: parameters without an importance: one value everywhere, or not in every trial.
    """

    shares: tuple[Share, ...]
    floor: float
    trials: int
    detects: float
    left_out: tuple[str, ...]

    @property
    def named(self) -> list[str]:
        """Parameters above the floor, largest first."""
        return [share.parameter for share in self.shares if share.share > self.floor]


def importance(study: StudyRecord) -> Importance | Unknown:
    """Computes the importances; needs `HALF` complete trials inside the search space."""
    trials = [trial for trial in study.complete if _inside(trial, study)]
    scores = np.array([trial.value for trial in trials], dtype=float)
    names = sorted(name for name in study.space if _varies(name, trials))
    if len(trials) < HALF:
        return Unknown(_too_few(scores, is_selection=bool(study.absent)))
    if not names or not np.ptp(scores):
        return Unknown("All complete trials have the same parameters or the same score, so none can matter.")
    blocks = [_columns(study.space[name], [trial.params[name] for trial in trials]) for name in names]
    columns = np.concatenate(blocks).T
    owners = np.repeat(np.arange(len(names)), [len(block) for block in blocks])
    found = _shares(columns, owners, scores)
    rng = np.random.default_rng(0)
    largest = []
    for done in range(SHUFFLES):
        report_progress("importances", done, SHUFFLES)
        largest.append(_shares(columns, owners, scores[_shuffled(len(trials), rng)]).max())
    report_progress("importances", SHUFFLES, SHUFFLES)
    shares = [Share(name, float(share)) for name, share in zip(names, found, strict=True)]
    return Importance(
        shares=tuple(sorted(shares, key=lambda share: -share.share)),
        floor=floor_of(largest),
        trials=len(trials),
        detects=detectable(scores),
        left_out=tuple(name for name in study.space if name not in names),
    )


def floor_of(largest: Sequence[float]) -> float:
    """What the largest share of shuffled scores stays below in 19 of 20 orders, as these orders say."""
    return float(np.sort(largest)[math.ceil(LEVEL * (len(largest) + 1)) - 1])


def detectable(scores: Sequence[float] | NDArray[np.float64]) -> float:
    """The straight effect from end to end of a range that four studies of five with such scores name.

    A straight effect of size e adds e squared / 12 to the variance, where values are spread evenly.
    """
    needed = HALF / (len(scores) + HALF)
    return math.sqrt(12 * needed) * float(np.std(scores, ddof=1))


def _too_few(scores: NDArray[np.float64], *, is_selection: bool) -> str:
    said = f"{len(scores)} complete trials are too few to say which parameters matter: it takes {HALF}"
    if is_selection or len(scores) < 3 or detectable(scores) >= np.ptp(scores):
        return f"{said}."
    seen = f"{detectable(scores):.4f}"
    return f"{said}, and here only an effect of more than {seen} over a parameter's range would stand out."


def _inside(trial: TrialRecord, study: StudyRecord) -> bool:
    return all(study.space[name].holds(value) for name, value in trial.params.items() if name in study.space)


def _varies(name: str, trials: Sequence[TrialRecord]) -> bool:
    """Whether every trial has the parameter, and not all the same value; 1 and True are two."""
    return (
        all(name in trial.params for trial in trials)
        and len({(type(trial.params[name]), trial.params[name]) for trial in trials}) > 1
    )


def _shuffled(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """An order of the trials that is random within each quarter."""
    return np.concatenate([rng.permutation(rows) for rows in np.array_split(np.arange(count), QUARTERS)])


def _columns(parameter: Parameter, values: Sequence[Any]) -> NDArray[np.float32]:
    """What a forest splits: a number as it is, a categorical parameter as a column a choice; 1 and True are two."""
    if parameter.kind != "categorical":
        return np.array([values], dtype=np.float32)
    choices = [(type(choice), choice) for choice in parameter.choices]
    return np.array([[(type(value), value) == choice for value in values] for choice in choices], np.float32)


def _shares(
    columns: NDArray[np.float32], owners: NDArray[np.int64], scores: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Each parameter's share of the splits that a forest makes in its columns."""
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(TREES, max_depth=DEPTH, random_state=0).fit(columns, scores)
    return np.bincount(owners, forest.feature_importances_).astype(np.float64)
