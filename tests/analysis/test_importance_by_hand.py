"""How importances are found, on forests of a few trees and a few shuffled orders."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from distune.analysis.parameters import importance as module
from distune.analysis.parameters.importance import (
    HALF,
    QUARTERS,
    Importance,
    Share,
    _columns,
    _shuffled,
    _too_few,
    floor_of,
    importance,
)
from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown

SPACE = (
    Parameter("b", "float", 0.0, 1.0),
    Parameter("kind", "categorical", choices=("u", "v", "w")),
    Parameter("a", "float", 0.0, 1.0),
    Parameter("same", "float", 0.0, 1.0),
    Parameter("some", "float", 0.0, 1.0),
)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TREES", 4)
    monkeypatch.setattr(module, "SHUFFLES", 19)


def trials(count: int, **changed: Any) -> list[TrialRecord]:
    """`kind` decides the score, with a little from `a`; `some` is not in the first trial."""
    random = np.random.default_rng(0)
    made = []
    for number in range(count):
        params: dict[str, Any] = {
            "a": random.random(), "b": random.random(), "kind": "uvw"[number % 3], "same": 0.5, "some": random.random(),
        }  # fmt: skip
        if not number:
            del params["some"]
        score = 0.5 + 0.2 * (params["kind"] == "v") + 0.05 * params["a"]
        made.append(TrialRecord(number, "complete", score, params | changed))
    return made


def study(*found: TrialRecord, **known: Any) -> StudyRecord:
    return StudyRecord("s", "maximize", tuple(found), {each.name: each for each in SPACE}, "study", **known)


@pytest.mark.slow
def test_shares_are_of_the_parameters_that_every_trial_has_and_varies() -> None:
    found = importance(study(*trials(60)))
    assert isinstance(found, Importance)
    assert [each.parameter for each in found.shares] == ["kind", "a", "b"]
    shares = [each.share for each in found.shares]
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1.0)
    assert shares[0] > 0.9 and found.named == ["kind"] and shares[1] < found.floor < shares[0]
    assert (found.trials, found.left_out) == (60, ("same", "some"))


@pytest.mark.slow
def test_trials_outside_the_space_do_not_count() -> None:
    outside = [TrialRecord(100 + n, "complete", 99.0 * n, {"a": 7.0, "kind": "u"}) for n in range(9)]
    found = importance(study(*trials(HALF), *outside))
    assert isinstance(found, Importance) and found.trials == HALF
    assert found == importance(study(*trials(HALF)))
    assert isinstance(importance(study(*trials(HALF - 1), *outside)), Unknown)
    equal = [TrialRecord(each.number, "complete", 0.5, each.params) for each in trials(HALF)]
    assert isinstance(importance(study(*equal)), Unknown)


def test_trials_inside_the_space_are_enough_from_the_stated_number_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_shares", lambda columns, owners, scores: np.full(3, len(scores)))
    outside = TrialRecord(100, "complete", 9.0, {"a": 7.0})
    assert isinstance(importance(study(*trials(HALF - 1), outside)), Unknown)
    found = importance(study(*trials(HALF), outside))
    assert isinstance(found, Importance) and found.trials == found.shares[0].share == HALF


@pytest.mark.parametrize(
    ("params", "inside"),
    [({"a": 0.5, "kind": "u"}, True), ({"a": 7.0, "kind": "u"}, False), ({"a": 0.5, "gone": 9}, True)],
)
def test_a_trial_is_inside_where_each_of_its_values_is(params: dict[str, Any], inside: bool) -> None:
    assert module._inside(TrialRecord(0, "complete", 0.5, params), study()) is inside


def test_a_parameter_is_named_above_the_floor() -> None:
    found = Importance((Share("a", 0.5), Share("b", 0.3), Share("c", 0.2)), 0.3, 30, 0.1, ())
    assert found.named == ["a"]
    assert replace(found, shares=(Share("b", 0.6), Share("a", 0.4))).named == ["b", "a"], "the largest first"


def test_scores_are_shuffled_within_each_quarter() -> None:
    order = _shuffled(40, np.random.default_rng(0))
    for quarter, rows in enumerate(np.array_split(order, QUARTERS)):
        assert sorted(rows) == list(range(10 * quarter, 10 * quarter + 10))
    assert list(order) != list(range(40))


def test_the_floor_is_the_19th_of_20_orders_counted_with_the_real_one() -> None:
    assert floor_of([float(n) for n in range(19, 0, -1)]) == 19.0
    assert floor_of([float(n) for n in range(1, 40)]) == 38.0
    assert floor_of([float(n) for n in range(1, 21)]) == 20.0


def test_a_choice_is_a_column_and_true_is_not_one() -> None:
    mixed = Parameter("x", "categorical", choices=(1, True, "1"))
    assert _columns(mixed, [1, True, "1", True]).tolist() == [[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0]]
    assert _columns(Parameter("x", "int", 1, 9), [3, 5]).tolist() == [[3.0, 5.0]]


def test_few_trials_promise_a_size_of_effect_only_where_it_is_one() -> None:
    scores = np.array([0.5] * 19 + [0.9])
    assert "would stand out" in _too_few(scores, is_selection=False)
    for few_scores, is_selection in (
        (scores, True),
        (scores[-2:], False),
        (np.array([0.1, 0.2, 0.3]), False),
        (np.array([100.1, 100.2, 100.3]), False),
    ):
        said = _too_few(few_scores, is_selection=is_selection)
        assert "would stand out" not in said and f"{len(few_scores)} complete trials" in said
