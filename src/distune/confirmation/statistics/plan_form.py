"""The form that the plan of a confirmation must have to be read."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from distune.confirmation.request import RELEVANT_GAIN
from distune.data.table import Task
from distune.utils.files.paths import is_file_name
from distune.utils.forms import Form


class _Opened(Form):
    time: str
    by: str


class _OpenedElsewhere(_Opened):
    file: str


class OpeningForm(Form):
    """The openings of the test split, as a confirmation records them."""

    number: int
    openings: list[_Opened]
    elsewhere: list[_OpenedElsewhere]


class _Trained(Form):
    name: str
    kind: str
    trial: int | None
    rank: int | None
    is_base: bool
    search_score: float | None
    parameters: dict[str, int] | None
    missing: list[dict[str, Any]]


class _Baseline(Form):
    name: str
    settings: dict[str, Any] | None


class PlanForm(Form):
    """What is read of `plan.json`, which `distune confirm` writes."""

    study: str
    created: str
    distune_version: str
    top: int
    seeds: list[int]
    data_fingerprint: str
    asked: list[list[Any]] | None = None
    may_lack: bool = False
    opening: OpeningForm | None
    contenders: list[_Trained]
    baselines: list[_Baseline]
    failures: list[dict[str, Any]]
    notes: list[str]
    searched: int | None = None
    relevant_gain: float = RELEVANT_GAIN
    gains_before: list[float] = Field(default_factory=list)
    new_cases: int | None = None
    power_before: dict[str, Any] | None = None
    folds: int | None = None

    @model_validator(mode="after")
    def _can_be_told_apart(self) -> PlanForm:
        names = [about.name for about in self.contenders] + [about.name for about in self.baselines]
        if len(set(names)) < len(names) or not all(map(is_file_name, names)):
            raise ValueError("a contender's name stands twice, or is none of a folder")
        if [about.rank for about in self.contenders].count(1) != 1:
            raise ValueError("no contender is the best of the search, or several are")
        return self

    @model_validator(mode="after")
    def _asks_of_tasks(self) -> PlanForm:
        try:
            tasks = [Task.from_plain(each) for each in self.asked or ()]
        except TypeError as error:
            raise ValueError(f"asked: {error}") from None
        if not all(isinstance(each, str) for task in tasks for each in (task.name, *task.classes)):
            raise ValueError("asked: a name that is no text")
        return self
