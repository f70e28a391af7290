"""Importances: what matters stands above random numbers, what does not stands below, and gaps are named."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from distune.analysis.parameters.importance import Importance, importance
from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import Direction, StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown

pytestmark = pytest.mark.slow

SPACE = {
    "rate": Parameter("rate", "float", 1e-5, 1e-1, log=True),
    "idle": Parameter("idle", "float", 0.0, 1.0),
    "dim": Parameter("dim", "categorical", choices=(256, 384)),
    "layers": Parameter("layers", "int", 1, 3),
}


def study(count: int, direction: Direction = "maximize", **extra: Any) -> StudyRecord:
    """The score is the rate's place on its logarithmic scale, and a little noise."""
    rng = np.random.default_rng(0)
    sign = 1 if direction == "maximize" else -1
    trials = []
    for number in range(count):
        place = rng.random()
        params = {
            "rate": 1e-5 * 1e4**place,
            "idle": rng.random(),
            "dim": int(rng.choice([256, 384])),
            "layers": int(rng.integers(1, 4)),
        }
        trials.append(TrialRecord(number, "complete", sign * (place + rng.normal(0, 0.05)), params))
    return StudyRecord(
        "s", direction, (*trials, *extra.get("more", ())), {**SPACE, **extra.get("space", {})}, "study"
    )


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_parameter_that_matters_comes_first(direction: Direction) -> None:
    found = importance(study(60, direction))
    assert isinstance(found, Importance)
    assert [share.parameter for share in found.above_noise] == ["rate"]
    assert found.shares[0].parameter == "rate" and (found.shares[0].fanova or 0) > 0.8
    assert found.trials == 60 and found.best == 6


def test_a_logarithmic_range_is_weighed_by_its_decades() -> None:
    """The score steps up in the middle decade, below which lies a hundredth of the range by its length."""
    stepped = tuple(
        TrialRecord(t.number, "complete", float(t.params["rate"] > 1e-3) + 0.5 * t.params["idle"], t.params)
        for t in study(60).trials
    )
    shares = []
    for rate in (SPACE["rate"], Parameter("rate", "float", 1e-5, 1e-1)):
        found = importance(StudyRecord("s", "maximize", stepped, {**SPACE, "rate": rate}, "study"))
        assert isinstance(found, Importance)
        shares.append({share.parameter: share.fanova or 0.0 for share in found.shares}["rate"])
    assert shares[0] > 0.85 and shares[1] < 0.75


def test_small_studies_have_none() -> None:
    found = importance(study(9))
    assert isinstance(found, Unknown) and "this study has 9." in found.reason


def test_what_is_left_out_is_named(caplog: pytest.LogCaptureFixture) -> None:
    more = [
        TrialRecord(100, "pruned", None, {"rate": 1e-3}),
        TrialRecord(101, "failed", None, {}),
        TrialRecord(102, "complete", 0.5, {"rate": 9.0, "idle": 0.5, "dim": 256, "layers": 1, "T": 2.0}),
        TrialRecord(
            103, "complete", 0.5, {"rate": 1e-3, "idle": 0.5, "dim": 256, "layers": 1, "T": 2.0, "one": 1}
        ),
        TrialRecord(
            104, "complete", 0.6, {"rate": 1e-3, "idle": 0.5, "dim": 256, "layers": 1, "T": 3.0, "one": 1}
        ),
    ]
    space = {"T": Parameter("T", "float", 1.0, 4.0), "fixed": Parameter("fixed", "float", 0.0, 1.0)}
    with caplog.at_level(logging.INFO):
        found = importance(study(20, more=more, space=space))
    assert isinstance(found, Importance)
    said = " ".join(found.left_out)
    assert "1 pruned, 1 failed" in said
    assert "1 complete trials outside the search space" in said
    assert "one value in all complete trials have no importance: fixed" in said
    assert "fANOVA leaves out parameters that not every trial has: T" in said
    assert "22 trials for 5 parameters are few" in said
    assert next(share for share in found.shares if share.parameter == "T").fanova is None
    assert not caplog.records


def test_noise_is_not_important() -> None:
    rng = np.random.default_rng(4)
    trials = [
        TrialRecord(n, "complete", rng.random(), {"a": rng.random(), "b": rng.random()}) for n in range(60)
    ]
    space = {name: Parameter(name, "float", 0.0, 1.0) for name in "ab"}
    found = importance(StudyRecord("s", "maximize", tuple(trials), space, "study"))
    assert isinstance(found, Importance) and found.above_noise == []


def test_a_study_of_noise_names_a_parameter_in_one_of_twenty_at_most() -> None:
    """Twelve parameters and 17 trials; five columns of random numbers in all let two of five such studies name some."""
    named = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        space = {
            name: Parameter(name, "float", 0.0, 1.0)
            if number % 3
            else Parameter(name, "categorical", choices=(0, 1, 2))
            for number, name in enumerate("abcdefghijkl")
        }
        trials = tuple(
            TrialRecord(
                number,
                "complete",
                float(rng.normal()),
                {n: rng.random() if p.kind == "float" else int(rng.integers(3)) for n, p in space.items()},
            )
            for number in range(17)
        )
        found = importance(StudyRecord("s", "maximize", trials, space, "study"))
        assert isinstance(found, Importance)
        named += bool(found.above_noise)
    assert named <= 1


def test_what_the_sampler_s_concentration_explains_is_not_named() -> None:
    """The scores rise with time and the values drift with it, but within a quarter nothing depends on the values."""
    rng = np.random.default_rng(0)
    trials = tuple(
        TrialRecord(
            number,
            "complete",
            number // 15 + rng.normal(0, 0.3),
            {name: (number // 15 + rng.random()) / 4 for name in "ab"},
        )
        for number in range(60)
    )
    space = {name: Parameter(name, "float", 0.0, 1.0) for name in "ab"}
    found = importance(StudyRecord("s", "maximize", trials, space, "study"))
    assert isinstance(found, Importance) and found.above_noise == []
