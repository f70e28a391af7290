"""Decisions on hand-made predictions: who is taken, and with which probability."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from distune.confirmation.statistics.decision import (
    Decision,
    _covariance,
    _deviations,
    candidates_of,
    decide,
    expected_maximum,
    prior_deviation,
)
from distune.confirmation.statistics.scores.answers import ContenderAnswers
from distune.data.table import Task
from distune.training.files.prediction_files import SplitPredictions

CLASSES = ("a", "b", "c")
CASES = 120


def contender(name: str, rank: int | None, **values: Any) -> dict[str, Any]:
    kind = "base" if name == "base" else "student_alone" if name == "alone" else "trial"
    about = {"name": name, "kind": kind, "rank": rank, "is_base": kind == "base"}
    return {**about, "search_score": 0.9 - 0.1 * (kind == "base"), "parameters": {"total": 100}, **values}


def answering(name: str, rate: float, seeds: int = 5) -> ContenderAnswers:
    """Right with a chance, on the same examples as all others."""
    labels = np.random.default_rng(0).integers(0, 3, (CASES, 1))
    generator = np.random.default_rng(sum(map(ord, name)))
    scored = []
    for _ in range(seeds):
        wrong = (labels[:, 0] + generator.integers(1, 3, CASES)) % 3
        chosen = np.where(generator.random(CASES) < rate, labels[:, 0], wrong)
        names = tuple(map(str, range(CASES)))
        scored.append(SplitPredictions(names, names, (Task("kind", CLASSES),), labels, (np.eye(3)[chosen],)))
    return ContenderAnswers(name, tuple(range(seeds)), {"test": tuple(scored)})


def decided(rates: dict[str, float], *contenders: dict[str, Any], searched: int = 30) -> Decision:
    answers = {name: answering(name, rate) for name, rate in rates.items()}
    return decide(contenders, answers, "test", searched=searched, relevant_gain=0.01)


def test_the_highest_expected_score_is_taken_whether_or_not_it_is_significant() -> None:
    found = decided({"a": 0.84, "base": 0.8}, contender("a", 1), contender("base", None))
    assert (found.contender, found.reason, found.best_holds_up) == ("a", "highest_expected", True)
    about = found.candidates["a"]
    assert 0 < about.expected_gain < about.observed_gain
    assert about.probability_best == about.probability_better is not None and about.probability_best > 0.5


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({"a": 0.6, "base": 0.8}, ("base", "highest_expected")),
        ({"a": 0.7, "b": 0.9, "base": 0.7}, ("b", "highest_expected")),
        ({"a": 0.7, "alone": 0.9, "base": 0.6}, ("alone", "highest_expected")),
        ({"a": 0.7, "b": 0.9}, ("b", "base_is_missing")),
        ({"base": 0.7}, ("base", "highest_expected")),
    ],
)
def test_who_is_taken(rates: dict[str, float], expected: tuple[str, str]) -> None:
    everyone = (contender("a", 1), contender("b", 2), contender("base", None), contender("alone", None))
    found = decided(rates, *everyone)
    assert (found.contender, found.reason) == expected
    if found.candidates:
        assert sum(each.probability_best for each in found.candidates.values()) == pytest.approx(1)


@pytest.mark.parametrize(("of_base", "promised"), [(0.8, 0.1), (None, 0.01), (0.95, 0.01)])
def test_what_the_search_promised_is_the_gain_of_its_best(of_base: float | None, promised: float) -> None:
    """The relevant gain, which is 0.01 here, where a score is not known or the best is below the base."""
    base = contender("base", None, search_score=of_base)
    found = decided({"a": 0.84, "base": 0.8}, contender("a", 1), base, searched=30)
    assert found.searched == 30
    assert found.prior_deviation == pytest.approx(promised / expected_maximum(30))


def test_what_was_not_evaluated_on_the_split_is_no_candidate_and_neither_is_a_teacher() -> None:
    everyone = [contender("a", 1), contender("b", 2), contender("base", None)]
    everyone.append(contender("teacher", None, kind="teacher"))
    answers = {name: answering(name, 0.9) for name in ("a", "b", "base", "teacher")}
    answers["b"] = replace(answers["b"], by_split={"dev": answers["b"].by_split["test"]})
    found = decide(everyone, answers, "test", searched=30, relevant_gain=0.01)
    assert set(found.candidates) == {"base", "a"}


def test_among_equals_the_smallest_is_taken_and_the_base_before_others_of_its_size() -> None:
    same = {"base": {"total": 100}, "a": {"total": 100}, "b": {"total": 50}}
    answers = {name: answering("same", 0.8) for name in same}
    for names, expected in ((("base", "a"), "base"), (("base", "a", "b"), "b")):
        contenders = [contender(name, {"a": 1, "b": 2}.get(name), parameters=same[name]) for name in names]
        found = decide(contenders, answers, "test", searched=30, relevant_gain=0.01)
        assert (found.contender, found.reason) == (expected, "smallest_of_equals")
        for each in found.candidates.values():  # with the same answers nothing says which is better
            assert each.probability_best == pytest.approx(1 / len(names))
            assert each.probability_better in (None, 0.5)
    best = [contender("base", 1), contender("b", 2, parameters=same["b"])]
    found = decide(best, answers, "test", searched=30, relevant_gain=0.01)
    assert (found.contender, found.reason, found.best_holds_up) == ("b", "smallest_of_equals", False)


@pytest.mark.parametrize(
    ("score", "cases"), [("auroc", "abcdef"), ("macro_f1", "aaaaaa")], ids=["of a class", "of all"]
)
def test_where_a_single_case_decides_the_score_no_chance_is_claimed(score: Any, cases: str) -> None:
    task, names = Task("kind", ("no", "yes"), score=score), tuple("123456")
    labels = np.array([[1], [0], [0], [0], [0], [0]])
    answers = {}
    for name, yes in (("base", 0.1), ("a", 0.8)):
        chance = np.array([yes, 0.5, 0.2, 0.2, 0.2, 0.2])
        rows = SplitPredictions(
            names, tuple(cases), (task,), labels, (np.stack([1 - chance, chance], axis=1),)
        )
        answers[name] = ContenderAnswers(name, (0, 1), {"test": (rows, rows)})
    everyone = [contender("a", 1), contender("base", None)]
    found = decide(everyone, answers, "test", searched=30, relevant_gain=0.01)
    assert (found.contender, found.reason, found.candidates) == ("a", "one_case_decides", {})


def test_a_gain_far_below_the_relevant_one_does_not_make_a_config_better() -> None:
    answers = {name: answering(name, rate) for name, rate in (("a", 0.84), ("base", 0.8))}
    contenders = [contender("a", 1), contender("base", None)]
    taken = [
        decide(contenders, answers, "test", searched=30, relevant_gain=gain).contender for gain in (0.01, 1.0)
    ]
    assert taken == ["a", "base"]


def test_a_base_that_the_search_could_not_beat_says_so() -> None:
    found = decided({"base": 0.9, "a": 0.7}, contender("base", 1), contender("a", 2))
    assert (found.contender, found.reason, found.best_holds_up) == ("base", "base_is_best", True)


def test_the_more_were_searched_the_more_a_gain_is_shrunk() -> None:
    gains = [
        decided({"a": 0.84, "base": 0.8}, contender("a", 1), contender("base", None), searched=n)
        .candidates["a"]
        .expected_gain
        for n in (2, 30, 1000)
    ]
    assert gains[0] > gains[1] > gains[2] > 0


def test_one_gain_is_shrunk_as_the_conjugate_normal_says() -> None:
    generator = np.random.default_rng(3)
    tables = [generator.normal(0, 1, (50, 1)), generator.normal(0, 1, (50, 1))]
    found = candidates_of(["base", "a"], {"base": 0.5, "a": 0.6}, tables, 0.1, {"base": 1, "a": 1})["a"]
    variance = (tables[1] - tables[0]).var(ddof=1) / 50
    weight = 0.1**2 / (0.1**2 + variance)
    assert found.expected_gain == pytest.approx(weight * 0.1)
    assert found.expected_error == pytest.approx(np.sqrt(weight * variance))
    chance = stats.t.cdf(found.expected_gain / found.expected_error, 49)
    assert found.probability_better == pytest.approx(chance, abs=0.02)


def test_a_gain_over_two_seeds_is_no_more_certain_than_its_interval() -> None:
    """Only the trial's two seeds differ: one degree of freedom, whose t is Cauchy's, 0.84 where a normal says 0.96."""
    base, trial = np.full((50, 2), 0.5), np.tile([0.55, 0.65], (50, 1))
    about = candidates_of(["base", "a"], {"base": 0.5, "a": 0.6}, [base, trial], 0.1, {"base": 1, "a": 1})[
        "a"
    ]
    assert (about.expected_gain, about.expected_error) == pytest.approx((0.08, np.sqrt(0.002)))
    assert about.probability_better == pytest.approx(0.5 + np.arctan(0.08 / np.sqrt(0.002)) / np.pi, abs=0.02)


def test_the_luck_of_the_best_of_many() -> None:
    drawn = np.random.default_rng(0).normal(size=(10_000, 30)).max(axis=1).mean()
    assert expected_maximum(30) == pytest.approx(drawn, abs=0.02)
    assert prior_deviation(0.05, 30, 0.01) == pytest.approx(0.05 / drawn, rel=0.01)
    assert prior_deviation(-0.2, 30, 0.01) == prior_deviation(0.01, 30, 0.01)


def test_the_interaction_counts_once_in_the_errors_of_a_decision_by_hand() -> None:
    """Four cases, two seeds: 1/6 / 4 by cases, 1/8 / 2 by seeds, of which 1/48 is the interaction that cases hold."""
    table = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    alone = np.array([[1.0], [1.0], [0.0], [0.0]])
    found = _covariance([table, alone])
    assert found[0, 0] == pytest.approx(1 / 24 + 1 / 16 - 1 / 48)
    assert found[1, 1] == pytest.approx(1 / 12)
    assert found[0, 1] == found[1, 0] == pytest.approx(1 / 24)


def test_gains_that_vary_together_are_drawn_with_the_base_at_one_rank() -> None:
    """Two gains that are the same have the same draws, whatever the spread of the base's seeds was."""
    tables = [np.random.default_rng(seed).random((12, 3)) for seed in (0, 1)]
    draws = _deviations(np.ones((2, 2)) * 1e-4, [tables[0], tables[1], tables[1]])
    assert draws[:, 0] == pytest.approx(draws[:, 1], abs=1e-6)
