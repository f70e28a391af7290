"""Bounds, what the best share, progress, ranges and recommendations: tables of small studies."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from distune.analysis.baseline import compare
from distune.analysis.findings import analyse
from distune.analysis.parameters.bounds import at_bounds
from distune.analysis.parameters.importance import HALF, detectable, floor_of
from distune.analysis.parameters.ranges import Ranges, as_search_space, best_ranges
from distune.analysis.parameters.shared import Shared, SharedByBest, shared_by_best
from distune.analysis.parameters.space import Parameter
from distune.analysis.progress import RunningBest, progress
from distune.analysis.ranking import rank
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.config import parse_config

X = Parameter("x", "float", 0.0, 1.0)
DIM = Parameter("dim", "categorical", choices=(256, 384, 512))


def study(params: list[dict[str, Any]], scores: list[float | None], *space: Parameter) -> StudyRecord:
    trials = tuple(
        TrialRecord(number, "pruned" if score is None else "complete", score, one)
        for number, (one, score) in enumerate(zip(params, scores, strict=True))
    )
    return StudyRecord("s", "maximize", trials, {one.name: one for one in space}, "study", seed=0)


@pytest.mark.parametrize(
    ("values", "bound"),
    [
        ([0.99, 0.98, 0.97, 0.2, 0.1, 0.3], "high"),
        ([0.01, 0.02, 0.03, 0.9, 0.8, 0.7], "low"),
        ([0.99, 0.5, 0.4, 0.2, 0.1, 0.3], None),
        ([0.5, 0.99, 0.98, 0.2, 0.1, 0.3], None),
        ([0.5, 0.01, 0.02, 0.2, 0.1, 0.3], None),
        ([0.04, 0.16, 0.9, 0.2, 0.1, 0.3], None),
        ([0.04, 0.14, 0.9, 0.2, 0.1, 0.3], "low"),
        ([0.96, 0.86, 0.1, 0.2, 0.1, 0.3], "high"),
        ([0.05, 0.15, 0.9, 0.2, 0.1, 0.3], "low"),
        ([0.95, 0.85, 0.1, 0.2, 0.1, 0.3], "high"),
        ([0.95, 0.84, 0.1, 0.2, 0.1, 0.3], None),
    ],
)
def test_bounds_are_hit_by_the_best_and_by_most_good_trials(values: list[float], bound: str | None) -> None:
    one = study([{"x": value} for value in values], [1 - 0.1 * n for n in range(6)], X)
    assert [found.bound for found in at_bounds(one, rank(one))] == ([] if bound is None else [bound])


def test_bounds_rest_on_the_best_quarter_rounded_up_and_are_those_of_a_search() -> None:
    """Of 13 trials four: the best three lie at the end, and with the fourth the median does not."""
    values = [0.0, 0.1, 0.5, 0.6, *[0.9] * 9]
    one = study([{"x": value} for value in values], [1 - 0.01 * n for n in range(13)], X)
    assert at_bounds(one, rank(one)) == ()
    values = [0.0] * 4 + [0.9] * 12
    quarter = study([{"x": value} for value in values], [1 - 0.01 * n for n in range(16)], X)
    assert [found.bound for found in at_bounds(quarter, rank(quarter))] == ["low"]
    least = study([{"x": value} for value in (0.0, 0.1, 0.1)], [0.9, 0.8, 0.7], X)
    assert [found.bound for found in at_bounds(least, rank(least))] == ["low"]
    table = replace(least, space_source="observed")
    assert at_bounds(table, rank(table)) == ()
    few = study([{"x": 0.0}] * 2, [0.9, 0.8], X)
    assert at_bounds(few, rank(few)) == ()


def test_what_the_best_trial_does_not_have_has_no_bound() -> None:
    without = study([{}] + [{"x": 0.99}] * 4, [1 - 0.1 * n for n in range(5)], X)
    top = rank(without)
    assert at_bounds(without, replace(top, trials=top.trials * 4)) == ()
    assert len(at_bounds(without, replace(top, trials=top.trials[1:]))) == 1


def test_one_of_two_values_is_no_bound() -> None:
    heads = Parameter("heads", "categorical", choices=(4, 8))
    one = study([{"heads": 8}] * 6, [1 - 0.1 * n for n in range(6)], heads)
    assert at_bounds(one, rank(one)) == ()


def shared(params: list[dict[str, Any]], scores: list[float | None], parameter: Parameter) -> Shared:
    found = shared_by_best(one := study(params, scores, parameter), rank(one))
    assert isinstance(found, SharedByBest) and len(found.rows) == 1
    return found.rows[0]


def test_what_the_best_share_stands_beside_what_was_tried() -> None:
    """The best ten of 40 are the last ones; of the 44 tried, pruned ones included, some had it too."""
    scores: list[float | None] = [*(n / 40 for n in range(40)), None, None, None, None]
    dims = [{"dim": 384 if n >= 32 else 256} for n in range(44)]
    assert shared(dims, scores, DIM) == Shared("dim", 384, None, None, 0.8, 12 / 44)
    alike = [{"dim": 384 if n in (3, *range(30, 40)) else 256} for n in range(44)]
    assert shared(alike, scores, DIM) == Shared("dim", 384, None, None, 1.0, 11 / 44), "all of the best"
    places = [{"x": n / 44} for n in range(44)]
    assert shared(places, scores, X) == Shared("x", None, 30 / 44, 39 / 44, 1.0, 10 / 44)


def test_parameters_that_do_not_vary_or_not_everywhere_share_nothing() -> None:
    scores: list[float | None] = [n / HALF for n in range(HALF)]
    for params in ([{"x": 0.5}] * HALF, [*[{"x": n / HALF} for n in range(1, HALF)], {"y": 1.0}]):
        found = shared_by_best(one := study(params, scores, X), rank(one))
        assert isinstance(found, SharedByBest) and found.rows == ()
    few = study([{"x": 0.5}] * 9, scores[:9], X)
    assert isinstance(shared_by_best(few, rank(few)), Unknown)


def test_progress_looks_at_the_last_third() -> None:
    one = study([{}] * 9, [0.1, 0.5, 0.2, 0.3, 0.65, None, 0.6, 0.7, 0.1])
    found = progress(one)
    assert isinstance(found, RunningBest)
    assert (found.ended, round(found.late_gain, 6)) == (9, 0.05)
    assert isinstance(progress(study([{}] * 8, [0.1] * 8)), Unknown)
    assert progress(study([{}] * 9, [0.0] * 9)) == RunningBest(9, 0.0), "a score of zero is one"


def test_ranges_are_those_of_the_best_quarter_and_valid_in_a_config() -> None:
    space = (
        Parameter("teacher_lr", "float", 1e-5, 1e-3, log=True),
        Parameter("student_dropout", "float", 0.0, 0.5),
        Parameter("student_fusion_layers", "int", 1, 3),
        Parameter(
            "student_fusion_dim", "categorical", choices=(256, 384, 512), when={"student.fusion": ("gated",)}
        ),
    )
    params = [
        {
            "teacher_lr": 1e-5 * 10 ** (2 * n / 19),
            "student_dropout": 0.5 * n / 19,
            "student_fusion_layers": 1 + n // 10,
            "student_fusion_dim": (256, 384, 512)[n % 3],
        }
        for n in range(20)
    ]
    one = study(params, [float(n) for n in range(20)], *space)
    found = best_ranges(one, rank(one))
    assert isinstance(found, Ranges) and [trial.number for trial in found.trials] == [19, 18, 17, 16, 15]
    entries = as_search_space(found)
    assert entries["student_dropout"] == {"type": "float", "low": 0.369, "high": 0.5}
    assert entries["student_fusion_layers"] == {"type": "int", "low": 2, "high": 2}
    assert entries["student_fusion_dim"]["choices"] == [256, 384, 512]
    assert entries["student_fusion_dim"]["when"] == {"student.fusion": ["gated"]}
    expected_low = 1e-5 * 100 ** (15 / 19 - 0.05)
    assert (
        entries["teacher_lr"]["low"] == pytest.approx(expected_low, rel=0.01) and entries["teacher_lr"]["log"]
    )
    assert set(parse_config({"search_space": entries}).search_space) == set(entries)
    few = study(params[:4], [1.0, 2.0, 3.0, 4.0], *space)
    assert isinstance(best_ranges(few, rank(few)), Unknown)


def test_gain_is_signed_by_the_direction_and_needs_a_measured_base() -> None:
    base = TrialRecord(0, "complete", 0.6, {}, baseline=True)
    better = TrialRecord(1, "complete", 0.5, {})
    falling = StudyRecord("s", "minimize", (base, better), {}, "study")
    found = compare(falling, rank(falling))
    assert not isinstance(found, Unknown) and found.best.number == 1 and found.gain == pytest.approx(0.1)
    unmarked = StudyRecord("s", "maximize", (better,), {}, "study")
    found = compare(unmarked, rank(unmarked))
    assert not isinstance(found, Unknown) and isinstance(found.gain, Unknown)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.1] * 5, "unknown"),
        ([0.1 * n for n in range(9)], "still_improving"),
        ([0.9] + [0.1] * 8, "too_few"),
        ([0.9] + [0.1] * 11, "flat"),
    ],
)
def test_more_trials_are_advised_by_the_trend(scores: list[float | None], expected: str) -> None:
    one = study([{"x": 0.5} for _ in scores], scores, X)
    assert analyse(one).recommendations.more_trials == expected


def test_many_failures_are_pointed_out() -> None:
    fine = [TrialRecord(n, "complete", 0.5, {}) for n in range(9)]
    for failures, expected in ((0, False), (1, True)):
        failed = [TrialRecord(9 + n, "failed", None, {}, failure_kind="crash") for n in range(failures)]
        one = StudyRecord("s", "maximize", (*fine, *failed), {}, "study")
        assert analyse(one).recommendations.many_failures is expected


def test_the_values_of_a_parameter_hold_both_ends_and_are_none_where_they_are_many() -> None:
    assert Parameter("x", "int", 1, 3).levels == [1, 2, 3]
    assert Parameter("x", "float", 0.0, 0.3, step=0.1).levels == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert Parameter("x", "int", 0, 19).levels == list(range(20))
    assert Parameter("x", "int", 0, 20).levels is Parameter("x", "float", 0.0, 1.0).levels is None


def test_of_equal_trials_the_earlier_one_is_better() -> None:
    assert [trial.number for trial in rank(study([{}] * 4, [0.5, 0.7, None, 0.7])).trials] == [1, 3, 0]


def test_the_floor_is_the_95th_of_99_shuffled_orders_and_a_detectable_effect_follows_from_half_the_variance() -> (
    None
):
    assert floor_of([float((37 * n) % 99 + 1) for n in range(99)]) == 95.0
    scores = [
        0.0,
        1.0,
    ] * HALF  # 48 of them: the deviation is the root of 12 / 47, a third of the variance is named
    assert detectable(scores) == pytest.approx(math.sqrt(12 * (1 / 3) * 12 / 47))


def test_ranges_rest_on_a_quarter_of_the_trials_and_five_at_least() -> None:
    for count, best in ((40, 10), (12, 5), (5, 5)):
        one = study([{"x": n / 40} for n in range(count)], [1 - n / 100 for n in range(count)], X)
        found = best_ranges(one, rank(one))
        assert isinstance(found, Ranges) and [trial.number for trial in found.trials] == list(range(best))
        assert (found.complete, found.parameters["x"].low) == (count, 0.0)
        assert found.parameters["x"].high == pytest.approx((best - 1) / 40 + 0.05)


@pytest.mark.parametrize(("low", "high"), [(0.123456, 0.987654), (-1234.5, -1.0006), (0.0, 3e-7), (0.2, 0.3)])
def test_a_range_holds_every_best_trial_and_stays_in_the_one_it_came_from(low: float, high: float) -> None:
    values = [low, (low + high) / 2, (low + 2 * high) / 3, (3 * low + high) / 4, high]
    one = study(
        [{"x": value} for value in values], [0.1, 0.2, 0.3, 0.4, 0.5], Parameter("x", "float", low, high)
    )
    found = best_ranges(one, rank(one))
    assert isinstance(found, Ranges)
    assert (found.parameters["x"].low, found.parameters["x"].high) == (low, high)
    inner = study([{"x": (2 * low + high) / 3}] * 5, [0.1] * 5, Parameter("x", "float", low, high))
    narrow = best_ranges(inner, rank(inner))
    assert isinstance(narrow, Ranges)
    ends = narrow.parameters["x"]
    width = high - low
    assert ends.low == pytest.approx((2 * low + high) / 3 - 0.05 * width, rel=0.01)
    assert ends.low <= (2 * low + high) / 3 - 0.05 * width < (2 * low + high) / 3 + 0.05 * width <= ends.high
    assert len(f"{abs(ends.low):e}".rstrip("0").partition("e")[0].rstrip("0")) <= 4


def test_an_equal_score_later_is_no_progress() -> None:
    scores = [0.5, 0.6, 0.9, 0.7, 0.6, 0.5, 0.9, 0.9, 0.8]
    found = progress(study([{"x": 0.5}] * 9, scores, X))
    assert found == RunningBest(9, 0.0)


def test_ranges_of_steps_and_choices_hold_what_was_tried_and_no_teacher() -> None:
    space = (
        Parameter("teacher", "categorical", choices=("a", "b")),
        Parameter("p", "float", 0.0, 1.0, step=0.1),
        Parameter("n", "int", 1, 9),
        Parameter("kind", "categorical", choices=("u", "v", "w")),
        Parameter("gone", "float", 0.0, 1.0),
    )
    params = [{"teacher": "a", "p": 0.1 * n, "n": n + 2, "kind": "vu"[n % 2]} for n in range(5)]
    one = study(params, [0.5] * 5, *space)
    found = best_ranges(one, rank(one))
    assert isinstance(found, Ranges) and list(found.parameters) == ["p", "n", "kind"]
    p, n, kind = found.parameters.values()
    assert (p.low, p.high, p.step) == (0.0, pytest.approx(0.4), 0.1)
    assert (n.low, n.high, kind.choices) == (2, 6, ("u", "v"))
    nothing = study([{}] * 5, [0.5] * 5, *space)
    assert isinstance(best_ranges(nothing, rank(nothing)), Unknown)


def test_the_best_that_share_something_are_a_quarter() -> None:
    scores: list[float | None] = [n / 100 for n in range(28)]
    found = shared_by_best(one := study([{"x": n / 28} for n in range(28)], scores, X), rank(one))
    assert isinstance(found, SharedByBest) and (found.best, found.tried) == (7, 28)
    assert found.rows == (Shared("x", None, 21 / 28, 27 / 28, 1.0, 7 / 28),)
