"""The base config against the best trial, both as measured inside the study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from distune.analysis.ranking import Ranking
from distune.analysis.records import StudyRecord, TrialRecord
from distune.analysis.unknown import Unknown


@dataclass(frozen=True)
class Change:
    """A parameter of the best trial beside its base value.

    Attributes:
        parameter: the parameter's name.
        best: value in the best trial.
        base: value in the base config; None where unknown.
    """

    parameter: str
    best: Any
    base: Any


@dataclass(frozen=True)
class Baseline:
    """Base and best.

    Attributes:
        base: the trial that ran the base config, or why there is none.
        best: the best complete trial.
        gain: best value - base value in the direction that is better; Unknown where the base has no value.
        changes: the parameters of the best trial, in the order of the search space.
    """

    base: TrialRecord | Unknown
    best: TrialRecord
    gain: float | Unknown
    changes: tuple[Change, ...]

    @property
    def is_base_best(self) -> bool:
        """Whether the search found nothing better than the base config."""
        return not isinstance(self.base, Unknown) and self.base.number == self.best.number


def compare(study: StudyRecord, ranking: Ranking) -> Baseline | Unknown:
    """Sets the best trial beside the base config."""
    best = ranking.best
    if best is None:
        return Unknown("No trial is complete, so there is no best one.")
    base = study.baseline or Unknown(
        "No trial of this study is marked as the base config, so the gain over it was not measured."
    )
    return Baseline(base=base, best=best, gain=_gain(study, base, best), changes=_changes(study, best))


def _gain(study: StudyRecord, base: TrialRecord | Unknown, best: TrialRecord) -> float | Unknown:
    if isinstance(base, Unknown):
        return base
    if base.value is None or best.value is None:
        said = (
            f"The base config (trial {base.number}) is {base.state}, so it has no final score to compare with"
        )
        if base.intermediate:
            step, score = list(base.intermediate.items())[-1]
            return Unknown(f"{said}; its last score is {score:.4f} at step {step}.")
        return Unknown(f"{said}.")
    return study.sign * (best.value - base.value)


def _changes(study: StudyRecord, best: TrialRecord) -> tuple[Change, ...]:
    return tuple(
        Change(name, best.params[name], study.base_value(name)) for name in in_order(study, list(best.params))
    )


def in_order(study: StudyRecord, names: Sequence[str]) -> list[str]:
    """Parameter names in the order of the search space, unknown ones last."""
    order = {name: index for index, name in enumerate(study.space)}
    return sorted(names, key=lambda name: (order.get(name, len(order)), name))
