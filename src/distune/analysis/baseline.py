"""The base config against the best trial, both as measured inside the study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from distune.analysis.parameters.space import TEACHER, Parameter
from distune.analysis.ranking import Ranking
from distune.analysis.records.attributes import mapping
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown


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
    """

    base: TrialRecord | Unknown
    best: TrialRecord
    gain: float | Unknown

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
        "No trial of this study is marked as the base config, so the gain over it is not known."
    )
    return Baseline(base=base, best=best, gain=_gain(study, base, best))


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


def changes(study: StudyRecord, best: TrialRecord) -> tuple[Change, ...]:
    """A trial's parameters beside their base values, in the order of the space; after a chosen teacher come its own."""
    found = []
    for name in in_order(study, list(best.params)):
        found.append(Change(name, best.params[name], study.base_value(name)))
        if name == TEACHER:
            found += _of_teacher(study, best.params[name])
    return tuple(found)


def _of_teacher(study: StudyRecord, choice: Any) -> list[Change]:
    """The values that a chosen teacher stands for, of a staged search."""
    described = mapping((study.teachers or {}).get(choice)) or {}
    params = mapping(described.get("params")) or {}
    return [
        Change(name, value, study.config_value(Parameter(name, "categorical").config_key))
        for name, value in params.items()
    ]


def in_order(study: StudyRecord, names: Sequence[str]) -> list[str]:
    """Parameter names in the order of the search space, unknown ones last."""
    order = {name: index for index, name in enumerate(study.space)}
    return sorted(names, key=lambda name: (order.get(name, len(order)), name))
