"""What is said of a decision, of the luck of a search, and of a plan that is no plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from distune.confirmation.statistics import numbers
from distune.confirmation.statistics.decision import CandidateGain, Decision
from distune.confirmation.statistics.plan_form import PlanForm
from distune.confirmation.statistics.scores.scores import interval
from distune.utils.forms import fault

GAIN = CandidateGain(0.02, 0.015, 0.01, 0.7, 0.9, 100)
BASE = CandidateGain(0.0, 0.0, 0.0, 0.995, None, 100)


@pytest.mark.parametrize(
    ("reason", "contender_", "candidates", "parts"),
    [
        ("base_is_missing", "t", {}, ("could not be trained",)),
        ("one_case_decides", "t", {}, ("single case",)),
        (
            "base_is_best",
            "base",
            {"base": BASE, "t": GAIN},
            ("is the best trial", "best of the 2 is over 99%"),
        ),
        (
            "smallest_of_equals",
            "t",
            {"base": BASE, "t": GAIN},
            ("a tenth of the gain", "best of the 2 is 70%"),
        ),
        (
            "highest_expected",
            "base",
            {"base": replace(BASE, probability_best=0.99)},
            ("base config has", "is 99%"),
        ),
        ("highest_expected", "t", {"t": GAIN}, ("+0.0150 over the base config", "12 configs", "is 70%")),
    ],
)
def test_a_recommendation_in_words(
    reason: Any, contender_: str, candidates: Mapping[str, CandidateGain], parts: tuple[str, ...]
) -> None:
    said = numbers._in_words(Decision(contender_, reason, False, candidates, 12, 0.1))
    assert all(part in said for part in parts) and "over 99%" not in said.replace(parts[-1], "")


@pytest.mark.parametrize(
    ("searched", "again", "expected"),
    [
        (
            0.9,
            {"mean": 0.75, "low": 0.7, "high": 0.85},
            {"mean": 0.15, "low": 0.05, "high": 0.2, "on": "dev"},
        ),
        (None, {"mean": 0.75, "low": 0.7, "high": 0.85}, None),
        (0.9, {"mean": 0.75, "low": None, "high": None}, None),
        (0.9, None, None),
    ],
)
def test_what_of_the_searchs_score_was_luck(searched: Any, again: Any, expected: Any) -> None:
    found = numbers._loss(searched, again, "dev")
    assert found == (
        None if expected is None else {k: pytest.approx(v) if k != "on" else v for k, v in expected.items()}
    )


def test_the_optimism_without_folds_is_that_of_dev() -> None:
    dev, test = interval([0.5, 0.6]), {"mean": 0.4}
    plan = {"contenders": [{"name": "b", "rank": None}, {"name": "x", "rank": 1, "search_score": 0.9}]}
    splits = {"dev": {"over_seeds": dev}, "test": {"score": test}}
    found = numbers._optimism(plan, {"x": {"splits": splits, "seeds": [1]}}, Path("nowhere"))
    assert found == {
        "contender": "x", "search_score": 0.9, "folds": None, "dev": dev, "again": dev, "test": test,
        "loss": numbers._loss(0.9, dev, "dev"),
    }  # fmt: skip
    none = {"dev": None, "test": None}
    assert numbers._optimism(plan, {"x": {"splits": none, "seeds": []}}, Path("nowhere")) is None
    folded = numbers._optimism({**plan, "folds": 2}, {"x": {"splits": splits, "seeds": [1]}}, Path("nowhere"))
    assert folded is not None and folded["again"] is folded["loss"] is None


PLAN: dict[str, Any] = {
    "study": "s", "created": "t", "distune_version": "0", "top": 1, "seeds": [1], "data_fingerprint": "f",
    "opening": None, "failures": [], "notes": [], "baselines": [{"name": "majority", "settings": None}],
    "contenders": [
        {
            "name": name, "kind": "trial", "trial": None, "rank": rank, "is_base": False, "search_score": None,
            "parameters": None, "missing": [],
        }
        for name, rank in (("a", 1), ("b", 2))
    ],
}  # fmt: skip


def with_contender(place: int, **changed: Any) -> dict[str, Any]:
    contenders = [{**each, **(changed if n == place else {})} for n, each in enumerate(PLAN["contenders"])]
    return {"contenders": contenders}


@pytest.mark.parametrize(
    ("changed", "token"),
    [
        ({}, None),
        (with_contender(1, name="a"), "twice"),
        (with_contender(1, name="majority"), "twice"),
        (with_contender(1, name=".."), "folder"),
        (with_contender(1, rank=1), "best of the search"),
        (with_contender(0, rank=None), "best of the search"),
        ({"asked": [["t", ["a", "b"]]]}, None),
        ({"asked": [["t", ["a", 1]]]}, "no text"),
        ({"asked": [[1, ["a", "b"]]]}, "no text"),
        ({"asked": [["t", ["a", "b"], {"other": 1}]]}, "asked"),
    ],
)
def test_a_plan_whose_contenders_and_tasks_can_be_told_apart(
    changed: dict[str, Any], token: str | None
) -> None:
    found = fault({**PLAN, **changed}, PlanForm)
    assert found is None if token is None else token in str(found)
