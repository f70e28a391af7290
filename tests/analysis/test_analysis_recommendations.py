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


@pytest.mark.parametrize(
    ("ended", "parameters", "expected"),
    [(9, 1, "too_few"), (10, 1, "flat"), (19, 2, "too_few"), (20, 2, "flat"), (20, 0, "flat")],
)
def test_ten_trials_for_each_parameter_are_enough_to_say_that_nothing_rises(
    ended: int, parameters: int, expected: str
) -> None:
    space = {f"x{n}": X for n in range(parameters)}
    one = StudyRecord("s", "maximize", (BEST,), space, "study")
    for late_gain, more in ((0.0, expected), (0.001, "still_improving")):
        found = recommend(
            one, progress=RunningBest(ended, late_gain), bounds=(), importance=UNKNOWN, noise=UNKNOWN
        )
        assert found.more_trials == more
    assert decided().more_trials == "unknown"


@pytest.mark.parametrize(
    ("failed", "of", "many"), [(0, 20, False), (1, 20, False), (2, 20, True), (20, 20, True), (0, 0, False)]
)
def test_a_tenth_of_the_trials_that_failed_are_many(failed: int, of: int, many: bool) -> None:
    states = ["failed"] * failed + ["complete"] * (of - failed)
    trials = tuple(TrialRecord(n, state, 0.5) for n, state in enumerate(states))  # type: ignore[arg-type]
    assert decided(trials=trials).many_failures is many
