"""The form that a confirmation and an audit must have to be read: the keys that a report uses, each with its type."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from distune.config import ScoreName
from distune.confirmation.statistics.plan_form import OpeningForm
from distune.utils.files.paths import is_file_name
from distune.utils.forms import Form


class _Interval(Form):
    mean: float
    low: float | None
    high: float | None


class _NamedScore(_Interval):
    name: ScoreName


class _Support(Form):
    support: int
    recall: _Interval | None


class _FirstSeed(Form):
    sensitivity: _Interval | None
    specificity: _Interval | None


class _Point(Form):
    wanted: float
    threshold: _Interval | None = None
    thresholds: list[float] | None = Field(None, min_length=1)
    first_seed: _FirstSeed | None = None
    sensitivity: _Interval | None
    specificity: _Interval | None

    @model_validator(mode="after")
    def _has_one_of_each(self) -> _Point:
        if (self.thresholds is None) != (self.first_seed is None):
            raise ValueError("thresholds and what the first seed finds at them are not both there")
        return self


class _OperatingPoints(Form):
    positive: str
    points: list[_Point]


class _Task(Form):
    macro_f1: _Interval
    score: _NamedScore | None = None
    accuracy: _Interval
    auc: _Interval | None
    calibration_error: _Interval | None
    calibration_error_scaled: _Interval | None
    temperature: _Interval | None
    log_loss: _Interval | None
    log_loss_scaled: _Interval | None
    operating_points: list[_OperatingPoints] | None = None
    classes: dict[str, _Support]


class _TaskScores(Form):
    macro_f1: _Interval
    score: _NamedScore | None = None


class _Condition(Form):
    score: _Interval
    change: _Interval
    tasks: dict[str, _TaskScores] = Field(default_factory=dict)


class _Forecast(Form):
    low: float
    high: float
    cases: int
    seeds: int


class _Split(Form):
    score: _Interval
    scores: list[float] = Field(default_factory=list)
    forecast: _Forecast | None = None
    tasks: dict[str, _Task]
    conditions: dict[str, _Condition]


class _Contender(Form):
    kind: str
    trial: int | None
    rank: int | None
    is_base: bool
    search_score: float | None
    seeds: list[int]
    parameters: dict[str, Any] | None = None
    settings: dict[str, dict[str, Any]] | None = None
    splits: dict[str, _Split | None]


class _Mcnemar(Form):
    only_first: int
    only_second: int
    p_value: float


class _Comparison(Form):
    kind: str
    first: str
    second: str
    difference: float
    low: float
    high: float
    standard_error: float | None = None
    family_low: float
    family_high: float
    adjusted_p: float
    verdict: str
    power: float
    seeds_needed: int | None
    cases_needed: int | None
    mcnemar: dict[str, _Mcnemar]


class _LeftOut(Form):
    kind: str
    first: str
    second: str
    reason: str


class _Loss(_Interval):
    on: str


class _Optimism(Form):
    contender: str
    search_score: float | None
    dev: _Interval
    test: _Interval | None
    again: _Interval | None = None
    loss: _Loss | None


class _Candidate(Form):
    observed_gain: float
    expected_gain: float
    probability_better: float | None
    probability_best: float


class _Recommendation(Form):
    contender: str
    kind: str
    reason: str
    config: str
    searched: int | None = None
    candidates: dict[str, _Candidate] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _says_of_how_many(self) -> _Recommendation:
        if self.searched is None and (self.candidates or self.reason == "base_is_best"):
            raise ValueError("the number of trials searched is missing")
        return self


class _Size(Form):
    examples: int
    cases: int


class _Failure(Form):
    contender: str
    seed: int
    kind: str
    message: str


class _Difference(_Interval):
    verdict: str


class _Group(Form):
    name: Any
    examples: int
    cases: int
    score: _Interval | None
    accuracy: _Interval | None
    difference: _Difference | None
    small: bool


class _Subgroups(Form):
    groups: list[_Group]
    values: int
    unknown: int


class ConfirmationForm(Form):
    """What a report reads of `confirmation.json`; its schema is in `distune.confirmation.statistics.numbers`."""

    split: str
    optimistic: bool
    relevant_gain: float
    seeds: list[int]
    examples: dict[str, _Size]
    contenders: dict[str, _Contender]
    comparisons: list[_Comparison]
    comparisons_missing: list[_LeftOut] = Field(default_factory=list)
    optimism: _Optimism | None
    opening: OpeningForm | None
    recommendation: _Recommendation
    subgroups: dict[str, _Subgroups] | None = None
    failures: list[_Failure] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _names_exist(self) -> ConfirmationForm:
        if self.recommendation.contender not in self.contenders:
            raise ValueError("the recommended contender is not among the contenders")
        if not self.recommendation.candidates.keys() <= self.contenders.keys():
            raise ValueError("a candidate of the recommendation is not among the contenders")
        if not all(map(is_file_name, self.contenders)):
            raise ValueError("a contender's name is none of a folder")
        if self.split not in self.examples:
            raise ValueError("the split is not among the examples")
        if all(about.rank is None for about in self.contenders.values()):
            raise ValueError("no contender has a rank")
        return self


_Cell = str | int | float | None
"""What stands in a table of an audit."""


class _Finding(Form):
    severity: str
    title: str
    detail: str
    rows: list[dict[str, _Cell]]


class _Described(Form):
    title: str
    rows: list[dict[str, _Cell]]


class AuditForm(Form):
    """What a report reads of `audit.json`."""

    findings: list[_Finding]
    sections: list[_Described]
