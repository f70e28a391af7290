"""What is recommended, decided on plain numbers."""

from __future__ import annotations

from typing import Any

import pytest

from distune.analysis.dev_noise import DevNoise
from distune.analysis.parameters.bounds import AtBound
from distune.analysis.parameters.importance import Importance, Share
from distune.analysis.parameters.space import Parameter
from distune.analysis.progress import RunningBest
from distune.analysis.recommendations import Recommendations, recommend
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown

X = Parameter("x", "float", low=0.0, high=1.0)
BEST = TrialRecord(1, "complete", 0.8, {})
UNKNOWN = Unknown("not asked")


def mattering(*named: str) -> Importance:
    return Importance(tuple(Share(name, 0.9) for name in named), 0.5, 40, 0.02, ())


def decided(**known: Any) -> Recommendations:
    trials = known.pop("trials", (BEST,))
    given: dict[str, Any] = {
        "progress": UNKNOWN,
        "bounds": (),
        "importance": UNKNOWN,
        "noise": UNKNOWN,
    }
    return recommend(StudyRecord("s", "maximize", trials, {"x": X}, "study"), **{**given, **known})


@pytest.mark.parametrize(
    ("importance", "widened"), [(mattering("x"), ["x"]), (mattering("y"), []), (UNKNOWN, [])]
)
def test_a_range_is_widened_where_the_parameter_matters(importance: Any, widened: list[str]) -> None:
    found = decided(bounds=(AtBound("x", "high"),), importance=importance)
    assert [one.parameter for one in found.widen] == widened


@pytest.mark.parametrize(("late_gain", "expected"), [(0.015, "still_improving"), (0.005, "flat")])
def test_a_rise_smaller_than_what_dev_moves_a_score_is_no_rise(late_gain: float, expected: str) -> None:
    trend = RunningBest(40, late_gain)
    noise = DevNoise(1, 100, 40, 0.8, 0.78, 0.82, 3, 9)
    assert decided(progress=trend, noise=noise).more_trials == expected
    assert decided(progress=trend).more_trials == "still_improving"
