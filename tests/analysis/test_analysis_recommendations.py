"""What is recommended, decided on plain numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from distune.analysis.baseline import Baseline
from distune.analysis.dev_noise import DevNoise
from distune.analysis.parameters.coverage import Coverage, ParameterCoverage
from distune.analysis.parameters.effects import Effect, Effects
from distune.analysis.parameters.patterns import Pattern, Patterns
from distune.analysis.parameters.space import Parameter
from distune.analysis.progress import Progress
from distune.analysis.recommendations import Recommendations, recommend
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown

X = Parameter("x", "float", low=0.0, high=1.0)
WANDERED = ParameterCoverage("x", 8, 10, early=0.3, late=0.3, expected=0.2, bound=None)
SETTLED = replace(WANDERED, late=0.9)
BEST = TrialRecord(1, "complete", 0.8, {})
UNKNOWN = Unknown("not asked")


def effect(low: float, high: float, p_holm: float, parameter: str = "x") -> Effect:
    return Effect(parameter, (0.0, 1.0), 1.0, (low + high) / 2, low, high, p_holm, p_holm)


def effects(*found: Effect, noise: float = 0.01) -> Effects:
    return Effects(found, 30, 10, noise, ())


def pattern(p_holm: float) -> Patterns:
    return Patterns((Pattern("x", None, 0.4, 0.5, 1.0, 0.3, p_holm, p_holm),), 10, 40)


def decided(**known: Any) -> Recommendations:
    trials = known.pop("trials", (BEST,))
    given: dict[str, Any] = {
        "progress": UNKNOWN,
        "coverage": Coverage((WANDERED,), 40, None, 0),
        "effects": UNKNOWN,
        "patterns": UNKNOWN,
        "baseline": UNKNOWN,
        "noise": UNKNOWN,
    }
    return recommend(StudyRecord("s", "maximize", trials, {"x": X}, "study"), **{**given, **known})


@pytest.mark.parametrize(
    ("found", "known", "settled"),
    [
        (SETTLED, {"effects": effects(effect(0.02, 0.04, 0.01))}, True),
        (SETTLED, {"patterns": pattern(0.01)}, True),
        (SETTLED, {"effects": effects(effect(-0.02, 0.04, 0.4)), "patterns": pattern(0.4)}, False),
        (SETTLED, {}, False),
        (WANDERED, {"effects": effects(effect(0.02, 0.04, 0.01))}, False),
        (replace(SETTLED, bound="high"), {"effects": effects(effect(0.02, 0.04, 0.01))}, False),
    ],
    ids=[
        "clear effect",
        "pattern",
        "sampler alone",
        "nothing known",
        "still spread",
        "at the end of its range",
    ],
)
def test_a_parameter_is_settled_where_more_than_the_sampler_says_so(
    found: ParameterCoverage, known: dict[str, Any], settled: bool
) -> None:
    recommended = decided(coverage=Coverage((found,), 40, None, 0), **known)
    assert recommended.settled == (("x",) if settled else ())
    assert [one.parameter for one in recommended.widen] == (["x"] if found.bound else [])


@pytest.mark.parametrize(
    ("known", "widened"),
    [
        ({"effects": effects(effect(0.02, 0.04, 0.01))}, ["x"]),
        ({"patterns": pattern(0.01)}, ["x"]),
        ({"effects": effects(effect(-0.02, 0.04, 0.4)), "patterns": pattern(0.4)}, []),
        ({}, []),
    ],
    ids=["clear effect", "pattern", "sampler alone", "nothing known"],
)
def test_a_range_is_widened_where_more_than_the_sampler_says_so(
    known: dict[str, Any], widened: list[str]
) -> None:
    at_its_end = Coverage((replace(SETTLED, bound="high"),), 40, None, 0)
    assert [one.parameter for one in decided(coverage=at_its_end, **known).widen] == widened


def test_a_parameter_is_negligible_where_all_its_contrasts_are_smaller_than_one_trial_s_scatter() -> None:
    small, wide = effect(-0.008, 0.009, 0.9), effect(-0.008, 0.02, 0.9)
    assert decided(effects=effects(small)).negligible == (small,)
    assert decided(effects=effects(wide)).negligible == ()
    assert decided(effects=effects(effect(-0.02, 0.008, 0.9))).negligible == ()
    assert decided(effects=effects(small, wide)).negligible == ()
    assert decided(effects=effects(small, replace(wide, parameter="y"))).negligible == (small,)


@pytest.mark.parametrize(("gain", "within"), [(0.02, True), (0.06, False)])
def test_a_gain_is_within_the_noise_of_dev_below_half_its_interval(gain: float, within: bool) -> None:
    noise = DevNoise(1, 100, 40, 0.8, 0.75, 0.85, 3, 9)
    baseline = Baseline(TrialRecord(0, "complete", 0.8 - gain, {}), BEST, gain, ())
    assert decided(baseline=baseline, noise=noise).gain_within_noise is within
    assert decided(baseline=baseline).gain_within_noise is None
    assert decided(baseline=replace(baseline, gain=UNKNOWN), noise=noise).gain_within_noise is None


@pytest.mark.parametrize(("late_gain", "expected"), [(0.02, "still_improving"), (0.005, "flat")])
def test_a_rise_smaller_than_the_scatter_of_a_trial_is_no_rise(late_gain: float, expected: str) -> None:
    trend = Progress(40, 5, late_gain)
    assert decided(progress=trend, effects=effects(noise=0.01)).more_trials == expected
    assert decided(progress=trend).more_trials == "still_improving"
