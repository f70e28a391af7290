"""Scores by sex, age and site: what is counted, which groups are too small for a claim, and when a claim is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score

from distune.confirmation.statistics.inference.significance import family_level
from distune.confirmation.statistics.scores.subgroups import (
    MOST,
    SMALL,
    groups_in,
    read_subgroups,
    subgroup_numbers,
)
from distune.data.table import MISSING, Task
from distune.training.files.prediction_files import SplitPredictions


def scored(
    truth: np.ndarray, right: np.ndarray, case_of: np.ndarray, seeds: int = 2
) -> list[SplitPredictions]:
    """One task of three classes, answered alike by all seeds."""
    answers = np.where(right, truth, (truth + 1) % 3)
    one = SplitPredictions(
        ids=tuple(f"e{n}" for n in range(len(truth))),
        groups=tuple(f"c{n}" for n in case_of),
        tasks=(Task("kind", ("a", "b", "c")),),
        labels=truth[:, None],
        probabilities=(np.eye(3)[answers],),
    )
    return [one] * seeds


def by_name(found: dict[str, Any], column: str) -> dict[str, dict[str, Any]]:
    return {group["name"]: group for group in found[column]["groups"]}


def test_a_group_is_scored_on_its_own_examples_and_cases() -> None:
    generator = np.random.default_rng(0)
    truth, case_of = generator.integers(0, 3, 200), np.arange(200) // 2
    right = generator.random(200) < 0.8
    sex = np.where(case_of % 3 == 0, "female", "male")
    values = {"sex": {f"e{n}": str(sex[n]) for n in range(200) if n != 8}}
    found = subgroup_numbers(scored(truth, right, case_of), values)
    assert found["sex"]["unknown"] == 1 and found["sex"]["values"] == 2
    female = by_name(found, "sex")["female"]
    inside = sex == "female"
    guess = np.where(right, truth, (truth + 1) % 3)
    assert (female["examples"], female["cases"]) == (inside.sum(), len(set(case_of[inside])))
    assert female["score"]["mean"] == pytest.approx(
        f1_score(truth[inside], guess[inside], average="macro"), abs=1e-12
    )
    assert female["accuracy"]["mean"] == pytest.approx(accuracy_score(truth[inside], guess[inside]))
    assert female["score"]["cases"] == female["cases"] and female["score"]["low"] < female["score"]["high"]


@pytest.mark.parametrize(
    ("cases", "wrong_in_group", "verdict"),
    [(SMALL - 1, 1.0, None), (60, 0.6, "lower"), (60, 0.2, "not significantly different")],
)
def test_a_difference_is_claimed_of_no_small_group_and_of_no_chance(
    cases: int, wrong_in_group: float, verdict: str | None
) -> None:
    generator = np.random.default_rng(1)
    count = 200
    truth, case_of = generator.integers(0, 3, count), np.arange(count)
    inside = case_of < cases
    right = generator.random(count) > np.where(inside, wrong_in_group, 0.2)
    site = {f"e{n}": "north" if inside[n] else "south" for n in range(count)}
    group = by_name(subgroup_numbers(scored(truth, right, case_of), {"site": site}), "site")["north"]
    assert group["small"] == (verdict is None)
    assert (group["difference"] or {}).get("verdict") == verdict
    if group["difference"]:
        expected = right[inside].mean() - right[~inside].mean()
        assert group["difference"]["mean"] == pytest.approx(expected)
        # Two independent groups: the jackknife's standard error is close to the textbook's.
        error = np.sqrt(sum(right[part].var(ddof=1) / part.sum() for part in (inside, ~inside)))
        half = (group["difference"]["high"] - group["difference"]["low"]) / 2
        assert 1.9 * error < half < 2.6 * error


def test_a_group_is_compared_with_as_many_others_as_make_no_small_group() -> None:
    for others, is_compared in ((SMALL, True), (SMALL - 1, False)):
        rows = np.arange(SMALL + others)
        site = {f"e{n}": "north" if n < SMALL else "south" for n in rows}
        found = by_name(subgroup_numbers(scored(rows % 3, rows % 5 > 0, rows), {"site": site}), "site")
        assert (found["north"]["difference"] is not None) is is_compared and not found["north"]["small"]


def test_a_difference_by_hand_is_one_of_cases_and_leaves_out_who_is_not_known() -> None:
    """25 women, 20 of them right, 25 men, 15 right, a case each; 30 others are not known, and all wrong."""
    right = np.array([True] * 20 + [False] * 5 + [True] * 15 + [False] * 10 + [False] * 30)
    values = {f"e{n}": "female" if n < 25 else "male" for n in range(50)}
    found = subgroup_numbers(scored(np.zeros(80, np.int64), right, np.arange(80), seeds=1), {"sex": values})
    groups = by_name(found, "sex")
    left_out = np.zeros((2, 80))  # what each case adds to the accuracy of either group, by leaving it out
    for place, (start, hits) in enumerate(((0, 20), (25, 15))):
        for row in range(start, start + 25):
            left_out[place, row] = 79 * (hits / 25 - (hits - right[row]) / 24)
    error = np.sqrt((left_out[0] - left_out[1]).var(ddof=1) / 80)
    half = stats.t.ppf(1 - family_level(2) / 2, 24) * error
    for name, sign in (("female", 1), ("male", -1)):
        gap = groups[name]["difference"]
        assert gap["mean"] == pytest.approx(sign * 0.2)
        assert (gap["high"] - gap["mean"], gap["mean"] - gap["low"]) == pytest.approx((half, half))


def test_a_group_is_small_by_its_cases_not_by_its_examples() -> None:
    case_of = np.concatenate([np.arange(60) // 6, np.arange(10, 40)])
    values = {"site": {f"e{n}": "a" if n < 60 else "b" for n in range(90)}}
    found = by_name(
        subgroup_numbers(scored(np.zeros(90, np.int64), np.arange(90) % 2 == 0, case_of), values), "site"
    )
    assert [(found[name]["examples"], found[name]["cases"], found[name]["small"]) for name in "ab"] == [
        (60, 10, True),
        (30, 30, False),
    ]
    assert found["a"]["difference"] is found["b"]["difference"] is None  # its others are too few


def test_groups_without_an_error_are_not_claimed_to_be_exactly_equal() -> None:
    truth, case_of = np.zeros(100, np.int64), np.arange(100)
    site = {f"e{n}": "north" if n < 30 else "south" for n in range(100)}
    found = by_name(subgroup_numbers(scored(truth, truth == 0, case_of), {"site": site}), "site")["north"]
    about = found["difference"]
    assert (about["mean"], about["verdict"]) == (0.0, "not significantly different")
    # None of 30 cases differs: as many as 1 - (level / 2)^(1 / 30) of all may, at the level of two differences.
    widest = 1 - ((1 - 0.95**0.5) / 2) ** (1 / 30)
    assert (about["low"], about["high"]) == pytest.approx((-widest, widest))


@pytest.mark.slow
def test_equal_groups_are_told_apart_in_one_column_of_twenty_at_most() -> None:
    generator = np.random.default_rng(2)
    claims = 0
    for _ in range(60):
        truth, case_of = generator.integers(0, 3, 120), np.arange(120) // 2
        right = generator.random(120) < 0.8
        values = {f"e{n}": str(case_of[n] % 3) for n in range(120)}
        found = subgroup_numbers(scored(truth, right, case_of), {"site": values})
        claims += any(
            group["difference"]["verdict"] != "not significantly different"
            for group in found["site"]["groups"]
        )
    assert claims <= 6


def test_ages_are_cut_into_bands_and_other_numbers_into_thirds() -> None:
    ages = groups_in(["3", "17.5", "18", "39", "40", "64", "65", "90", None], "Patient Age")
    assert ages == [
        *["below 18"] * 2,
        *["18 to below 40"] * 2,
        *["40 to below 65"] * 2,
        *["65 and above"] * 2,
        None,
    ]
    doses = groups_in([str(n) for n in range(9)], "dosage")
    assert [doses.count(name) for name in dict.fromkeys(doses)] == [3, 3, 3]


def test_few_numbers_and_words_are_their_own_groups_whatever_their_case() -> None:
    assert groups_in(["1.5", "3", "1.5", None], "tesla") == ["1.5", "3", "1.5", None]
    assert groups_in(["F", "f", "F", "M"], "sex") == ["F", "F", "F", "M"]


def test_a_column_of_names_makes_no_groups() -> None:
    truth = np.zeros(40, np.int64)
    values = {f"e{n}": f"name {n}" for n in range(40)}
    found = subgroup_numbers(scored(truth, truth == 0, np.arange(40)), {"name": values})
    assert found["name"] == {"groups": [], "unknown": 0, "values": 40}
    for count in (MOST, MOST + 1):
        some = {name: f"name {n % count}" for n, name in enumerate(values)}
        found = subgroup_numbers(scored(truth, truth == 0, np.arange(40)), {"name": some})["name"]
        assert (len(found["groups"]), found["values"]) == (count if count == MOST else 0, count)


def test_without_a_file_there_are_no_columns(tmp_path: Path) -> None:
    assert read_subgroups(tmp_path) == {}


def test_a_group_that_knows_no_label_of_a_task_is_compared_by_the_others_alone() -> None:
    """Its easy task alone would seem to be better than the mean of an easy and a hard one."""
    count = 90
    where = np.where(np.arange(count) % 3 == 0, "north", "south")
    easy, hard = np.zeros(count, np.int64), np.where(where == "north", MISSING, 0)
    wrong_half = np.eye(3)[np.arange(count) % 2]
    one = SplitPredictions(
        ids=tuple(f"e{n}" for n in range(count)),
        groups=tuple(f"c{n}" for n in range(count)),
        tasks=(Task("easy", ("a", "b", "c")), Task("hard", ("a", "b", "c"))),
        labels=np.stack([easy, hard], axis=1),
        probabilities=(np.eye(3)[easy], wrong_half),
    )
    site = {f"e{n}": str(where[n]) for n in range(count)}
    found = by_name(subgroup_numbers([one, one], {"site": site}), "site")
    for group in found.values():
        assert group["difference"]["mean"] == 0.0
        assert group["difference"]["verdict"] == "not significantly different"
    assert found["north"]["score"] is None and found["south"]["score"] is not None
    assert found["north"]["accuracy"]["mean"] == 1.0 and found["south"]["accuracy"]["mean"] < 0.8
    none = replace(one, labels=np.where((where == "north")[:, None], MISSING, one.labels))
    north = by_name(subgroup_numbers([none, none], {"site": site}), "site")["north"]
    assert (north["score"], north["accuracy"], north["difference"]) == (None, None, None)
