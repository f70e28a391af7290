"""The numbers of contenders whose answers are written out: which split, which seed, which cases each rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from distune.confirmation.statistics import numbers
from distune.confirmation.statistics.comparisons import Pair, comparisons
from distune.confirmation.statistics.forecast import forecast
from distune.confirmation.statistics.scores.answers import ContenderAnswers
from distune.confirmation.statistics.scores.case_scores import task_answers
from distune.confirmation.statistics.scores.operating_points import (
    operating_points,
    operating_points_out_of_fold,
)
from distune.confirmation.statistics.scores.scores import _change, _scaled, interval, split_numbers
from distune.data.table import MISSING, Task
from distune.training.files.prediction_files import SplitPredictions
from distune.training.scoring.temperature_scaling import task_temperature

YES = Task("sign", ("no", "yes"))
KAPPA = Task("grade", ("1", "2", "3"), "ordinal", "quadratic_kappa")
SIZES = {"dev": 24, "test": 40, "folds": 60}


def answered(split: str, seed: int, task: Task = YES, **changed: Any) -> SplitPredictions:
    """Two examples a case; about three of four are right."""
    count, classes = SIZES[split], len(task.classes)
    labels = np.random.default_rng(len(split)).integers(0, classes, (count, 1))
    random = np.random.default_rng([seed, count])
    rows = random.dirichlet(np.ones(classes), count) + 0.8 * np.eye(classes)[labels[:, 0]] * random.random(
        (count, 1)
    )
    known = {
        "ids": tuple(map(str, range(count))),
        "groups": tuple(f"{split} {row // 2}" for row in range(count)),
        "tasks": (task,),
        "labels": labels,
        "probabilities": (rows / rows.sum(axis=1, keepdims=True),),
    }
    return SplitPredictions(**(known | changed))


def contender(task: Task = YES, splits: Sequence[str] = tuple(SIZES), **more: Any) -> ContenderAnswers:
    by_split = {split: tuple(answered(split, seed, task) for seed in (1, 2, 3)) for split in splits}
    return ContenderAnswers("x", (1, 2, 3), by_split, **more)


@pytest.mark.parametrize(
    ("split", "asked", "cases"),
    [("dev", None, 12), ("test", None, 20), ("folds", None, 12), ("folds", 7, 7), ("test", 500, 500)],
)
def test_a_forecast_is_for_as_many_cases_as_are_asked_or_as_the_split_has(
    split: str, asked: int | None, cases: int
) -> None:
    """Of folds as many as dev, as a study with folds has no test split."""
    answers = contender()
    found = split_numbers(answers, split, asked)
    assert found is not None and found["forecast"] is not None
    score = answers.score(split)
    expected = forecast(score.values, score.pseudovalues, cases, score.lowest)
    assert expected is not None and found["forecast"] == asdict(expected) and expected.cases == cases
    assert split_numbers(replace(answers, by_split={}), split) is None


def test_where_one_case_decides_the_score_nothing_is_said_of_its_errors() -> None:
    common = contender(replace(YES, score="auroc"))
    assert split_numbers(common, "test")["forecast"] is not None  # type: ignore[index]
    rare = {
        split: tuple(replace(one, labels=(np.arange(len(one.ids)) == 0).astype(int)[:, None]) for one in each)
        for split, each in common.by_split.items()
    }
    answers = replace(common, by_split=rare)
    found, score = split_numbers(answers, "test"), answers.score("test")
    assert found is not None and found["forecast"] is found["score"]["low"] is None
    sure = replace(score, rests_on_one_case=False)
    for changed, full in ((score, score), (score, sure), (sure, score)):
        assert _change(changed, full) == {
            "mean": 0.0, "low": None, "high": None, "seeds": 3, "cases": len(score.without)
        }  # fmt: skip
    assert _change(sure, sure)["low"] is not None
    made, left_out = comparisons([Pair("tuning_gain", "x", "x")], {"x": answers}, "test")
    assert made == [] and "single case" in left_out[0]["reason"]


def test_nothing_is_forecast_of_a_single_case_for_none_and_where_all_is_possible() -> None:
    values, table = np.array([0.5]), np.array([[1.0], [0.0], [1.0], [0.0]])
    assert forecast(values, table[:1], 10) is forecast(values, table, 0) is None
    assert forecast(values, table, 1) is None, "from 0 to 1"
    few = forecast(values, np.tile(table, (6, 1)), 20)
    assert few is not None and 0 < few.low < few.mean < few.high < 1
    below = forecast(2 * values - 1, 2 * np.tile(table, (6, 1)) - 1, 20, lowest=-1.0)
    assert below is not None and (below.low, below.high) == pytest.approx((2 * few.low - 1, 2 * few.high - 1))


def test_temperatures_and_thresholds_are_those_of_dev_and_of_each_seed() -> None:
    answers = contender()
    dev, test, folds = (split_numbers(answers, split) for split in SIZES)
    assert dev is not None and test is not None and folds is not None
    temperatures = [
        task_temperature(YES, each.labels, each.probabilities[0]) or 0.0 for each in answers.by_split["dev"]
    ]
    assert len(set(temperatures)) == 3
    for found in (dev, test, folds):
        assert found["tasks"]["sign"]["temperature"] == interval(temperatures, highest=math.inf)
    (of_dev,), (of_test,), (of_folds,) = (
        [_scaled(each, temperatures) for each in task_answers(answers.by_split[split])] for split in SIZES
    )
    assert dev["tasks"]["sign"]["operating_points"] is None
    assert test["tasks"]["sign"]["operating_points"] == operating_points(of_dev, of_test)
    assert folds["tasks"]["sign"]["operating_points"] == operating_points_out_of_fold(of_folds)
    assert test["tasks"]["sign"]["operating_points"] != operating_points(of_test, of_test)
    silent = [replace(each, labels=np.full_like(each.labels, MISSING)) for each in answers.by_split["dev"]]
    without = split_numbers(replace(answers, by_split={**answers.by_split, "dev": tuple(silent)}), "test")
    assert without is not None, "dev knows no label to choose by"
    of_task = without["tasks"]["sign"]
    assert of_task["operating_points"] is of_task["temperature"] is None


def test_a_kappa_may_lie_between_minus_one_and_one() -> None:
    wrong = tuple(
        answered(
            "dev", seed, KAPPA, probabilities=(answered("dev", seed, KAPPA).probabilities[0][:, [2, 0, 1]],)
        )
        for seed in (1, 2, 3)
    )
    found = split_numbers(ContenderAnswers("x", (1, 2, 3), {"dev": wrong}), "dev")
    assert found is not None and found["score"]["mean"] < 0
    assert found["score"]["low"] < found["score"]["mean"] < found["score"]["high"]
    assert found["over_seeds"] == interval(found["scores"], -1.0) and found["over_seeds"]["low"] < 0
    of_task = found["tasks"]["grade"]
    assert (
        of_task["score"]["name"] == "quadratic_kappa" and of_task["score"]["mean"] == found["score"]["mean"]
    )
    assert (
        of_task["operating_points"] is None
        and "score" not in split_numbers(contender(), "dev")["tasks"]["sign"]
    )  # type: ignore[index]


def test_a_condition_is_compared_with_the_full_input_of_its_own_split() -> None:
    full = contender()
    changed = {
        (split, "without_text"): tuple(answered(split, seed) for seed in (11, 12, 13))
        for split in ("dev", "test")
    }
    answers = replace(full, by_condition=changed)
    for split in ("dev", "test", "folds"):
        found = split_numbers(answers, split)
        assert found is not None
        if split == "folds":
            assert found["conditions"] == {}
            continue
        without = replace(full, by_split={split: changed[split, "without_text"]})
        (about,) = found["conditions"].values()
        assert about["score"]["mean"] == pytest.approx(without.score(split).values.mean())
        mean = without.score(split).values.mean() - full.score(split).values.mean()
        assert about["change"]["mean"] == pytest.approx(mean)
        assert about["change"]["low"] < mean < about["change"]["high"]
        assert (about["change"]["seeds"], about["change"]["cases"]) == (3, SIZES[split] // 2)
        assert about["tasks"]["sign"]["macro_f1"] == about["score"]


def test_a_change_of_the_same_answers_is_none_and_lies_within_what_is_possible() -> None:
    score = contender().score("dev")
    found = _change(score, score)
    assert found["mean"] == 0.0 and found["low"] == -found["high"] and 0 < found["high"] < 0.5
    noisy = replace(score, without=score.without + np.linspace(-0.01, 0.01, 12)[:, None])
    assert _change(noisy, noisy) == pytest.approx(found), "what both have in common is no error of the change"
    (one,) = (replace(score, without=score.without[:1]),)
    assert _change(one, one) == {"mean": None, "low": None, "high": None, "seeds": 0, "cases": 1}
    wild = replace(score, without=score.without + np.linspace(-1, 1, 12)[:, None])
    clipped = _change(wild, score)
    assert (clipped["low"], clipped["high"]) == (-1.0, 1.0)
    kappas = replace(wild, lowest=-1.0), replace(score, lowest=-1.0)
    assert (_change(*kappas)["low"], _change(*kappas)["high"]) == (-2.0, 2.0)


def test_an_interval_over_seeds_ends_at_both_ends_or_says_nothing() -> None:
    assert (interval([0.0, 0.02])["low"], interval([1.0, 0.98])["high"]) == (0.0, 1.0)
    assert interval([0.98, 1.0])["low"] == pytest.approx(0.99 - 0.127062, abs=1e-4)
    assert interval([0.0, 1.0])["low"] is interval([0.0, 1.0])["high"] is None
    assert interval([0.0, 1.0], lowest=-math.inf)["high"] == 1.0


def test_classes_and_kinds_of_input_are_counted_by_examples_and_cases() -> None:
    kinds = {"complete": np.arange(24) >= 4, "without_text": np.arange(24) < 4}
    labels = answered("dev", 1).labels.copy()
    labels[[0, 5]] = MISSING
    same = tuple(answered("dev", seed, labels=labels, kinds=kinds) for seed in (1, 2))
    found = split_numbers(ContenderAnswers("x", (1, 2), {"dev": same}), "dev")
    assert found is not None
    for name, number in (("no", 0), ("yes", 1)):
        about = found["tasks"]["sign"]["classes"][name]
        rows = np.flatnonzero(labels[:, 0] == number)
        assert (about["support"], about["cases"]) == (len(rows), len({row // 2 for row in rows}))
    apart = found["apart"]
    assert [(apart[kind]["examples"], apart[kind]["cases"]) for kind in kinds] == [(20, 10), (4, 2)]
    assert apart["complete"]["score"]["mean"] != found["score"]["mean"]
    area = tuple(replace(one, tasks=(replace(YES, score="auroc"),)) for one in same)
    alike = tuple(
        replace(one, labels=np.where(kinds["without_text"][:, None], 1, one.labels)) for one in area
    )
    found = split_numbers(ContenderAnswers("x", (1, 2), {"dev": alike}), "dev")
    assert found is not None and found["apart"]["without_text"]["score"] is None
    assert found["apart"]["complete"]["score"] is not None


def test_only_seeds_that_share_a_common_one_are_tested_by_it() -> None:
    first = replace(contender(), seeds=(5, 7, 9))
    for seeds, place in (((9, 5, 1), (0, 1)), ((7, 2, 3), (1, 0)), ((2, 3, 4), (0, 0))):
        second = replace(contender(), name="y", seeds=seeds)
        (made,), left_out = comparisons([Pair("tuning_gain", "x", "y")], {"x": first, "y": second}, "test")
        one, other = (
            answers.by_split["test"][at].predictions
            for answers, at in zip((first, second), place, strict=True)
        )
        truth = first.by_split["test"][0].labels
        only = int(((one == truth) & (other != truth)).sum()), int(((one != truth) & (other == truth)).sum())
        assert (made["mcnemar"]["sign"]["only_first"], made["mcnemar"]["sign"]["only_second"]) == only
        assert not left_out and made["seeds"] == {"first": 3, "second": 3}


def test_a_comparison_that_cannot_be_made_says_why() -> None:
    alone = {"test": tuple(replace(one, groups=("only",) * 40) for one in contender().by_split["test"])}
    answers = {
        "x": contender(),
        "dev": contender(splits=("dev",)),
        "one": replace(contender(), by_split=alone),
    }
    pairs = [
        Pair("tuning_gain", "x", "gone"), Pair("against_trial", "x", "dev"), Pair("trial_gain", "one", "one"),
        Pair("teacher_gap", "a", "b"),
    ]  # fmt: skip
    made, left_out = comparisons(pairs, answers, "test")
    assert made == [] and [each["reason"] for each in left_out] == [
        "gone: no run finished", "dev: not evaluated on test", "test holds a single case", "a and b: no run finished",
    ]  # fmt: skip
    assert left_out[0] == {
        "kind": "tuning_gain",
        "first": "x",
        "second": "gone",
        "reason": "gone: no run finished",
    }


def test_what_a_comparison_says_of_its_errors_its_family_and_the_relevant_gain() -> None:
    answers = {name: replace(contender(), name=name) for name in "ab"}
    worse = {
        split: tuple(
            replace(one, probabilities=(1 - one.probabilities[0],)) for one in answers["a"].by_split[split]
        )
        for split in SIZES
    }
    answers["b"] = replace(answers["b"], by_split=worse, seeds=(1, 2, 3))
    answers["c"] = replace(answers["b"], name="c")
    pairs = [
        Pair("tuning_gain", "b", "a"),
        Pair("against_trial", "a", "b"),
        Pair("against_baseline", "c", "a"),
    ]
    made, _ = comparisons(pairs, answers, "test", relevant_gain=0.05)
    first, second, third = made
    assert [each["family"] for each in made] == ["primary", "secondary", "secondary"]
    assert (first["verdict"], second["verdict"], third["verdict"]) == ("worse", "better", "worse")
    squares = sum(first[f"{part}_error"] ** 2 for part in ("case", "seed", "interaction"))
    assert squares == pytest.approx(first["standard_error"] ** 2)
    assert (first["low"], first["high"]) == pytest.approx((first["family_low"], first["family_high"]))
    assert third["family_low"] < third["low"] and third["adjusted_p"] > third["p_value"]
    assert first["power"] > third["power"], "of two questions together each must be surer"
    assert first["excludes_relevant_gain"] and not second["excludes_relevant_gain"]
    within = (second["low"] + second["high"]) / 2
    again, _ = comparisons(pairs, answers, "test", relevant_gain=within)
    assert not again[1]["excludes_relevant_gain"], "one that lies in the interval"
    once = {split: scored[:1] for split, scored in answers["b"].by_split.items()}
    answers["once"] = replace(answers["b"], name="once", by_split=once, seeds=(1,))
    turned = [Pair("against_baseline", *names) for names in (("a", "once"), ("once", "a"))]
    one, other = comparisons(turned, answers, "test", relevant_gain=0.3)[0]
    assert one["seeds_needed"] == other["seeds_needed"] == 26, "of three seeds, and of a baseline's one"
    assert one["cases_needed"] == other["cases_needed"] and one["power"] == pytest.approx(other["power"])
    assert (first["examples"], first["groups"]) == (40, 20)


def test_the_difference_of_two_kappas_can_be_above_one() -> None:
    def answers(turn: int) -> ContenderAnswers:
        right = contender(KAPPA, ("test",)).by_split["test"]
        sure = [one.probabilities[0] + np.eye(3)[one.labels[:, 0]] for one in right]
        made = zip(right, sure, strict=True)
        scored = tuple(replace(one, probabilities=(rows[:, ::turn] / 2,)) for one, rows in made)
        return ContenderAnswers("x", (1, 2, 3), {"test": scored})

    pair = {"x": answers(1), "y": answers(-1)}
    (made,), _ = comparisons([Pair("tuning_gain", "x", "y")], pair, "test")
    assert made["high"] > made["difference"] > 1


@pytest.mark.parametrize(("known", "searched"), [({}, 2), ({"searched": 30}, 30), ({"searched": None}, 2)])
def test_of_an_older_plan_its_ranked_contenders_are_what_was_searched(
    monkeypatch: pytest.MonkeyPatch, known: dict[str, Any], searched: int
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(numbers, "decide", lambda *given, searched, **more: asked.append(searched))
    contenders = [{"name": name, "rank": rank} for name, rank in (("a", 1), ("b", 2), ("base", None))]
    numbers._decided({"contenders": contenders, **known}, {}, "test", 0.01)
    assert asked == [searched]
