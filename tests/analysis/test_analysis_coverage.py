"""Coverage, patterns, progress, ranges and recommendations: tables of small studies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from distune.analysis.baseline import compare
from distune.analysis.findings import analyse
from distune.analysis.parameters.coverage import coverage
from distune.analysis.parameters.patterns import Patterns, patterns
from distune.analysis.parameters.ranges import Ranges, as_search_space, best_ranges
from distune.analysis.parameters.space import Parameter
from distune.analysis.progress import Progress, progress
from distune.analysis.ranking import rank
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.config import parse_config

X = Parameter("x", "float", 0.0, 1.0)
DIM = Parameter("dim", "categorical", choices=(256, 384, 512))
LAYERS = Parameter("layers", "int", 1, 3)


def study(params: list[dict[str, Any]], scores: list[float | None], *space: Parameter) -> StudyRecord:
    trials = tuple(
        TrialRecord(number, "pruned" if score is None else "complete", score, one)
        for number, (one, score) in enumerate(zip(params, scores, strict=True))
    )
    return StudyRecord("s", "maximize", trials, {one.name: one for one in space}, "study", seed=0)


def test_tenths_values_and_combinations_are_counted() -> None:
    params = [{"x": 0.05 * n, "dim": 256 if n % 2 else 384, "layers": 1} for n in range(10)]
    found = coverage(one := study(params, [0.1 * n for n in range(10)], X, DIM, LAYERS), rank(one))
    assert [(p.tried, p.parts) for p in found.parameters] == [(5, 10), (2, 3), (1, 3)]
    assert (found.combinations, found.combinations_tried) == (9, 2)


@pytest.mark.parametrize(
    ("values", "bound"),
    [
        ([0.99, 0.98, 0.97, 0.2, 0.1, 0.3], "high"),
        ([0.01, 0.02, 0.03, 0.9, 0.8, 0.7], "low"),
        ([0.99, 0.5, 0.4, 0.2, 0.1, 0.3], None),
        ([0.5, 0.99, 0.98, 0.2, 0.1, 0.3], None),
    ],
)
def test_bounds_are_hit_by_the_best_and_by_most_good_trials(values: list[float], bound: str | None) -> None:
    one = study([{"x": value} for value in values], [1 - 0.1 * n for n in range(6)], X)
    assert coverage(one, rank(one)).parameters[0].bound == bound


def test_one_of_two_values_is_no_bound() -> None:
    heads = Parameter("heads", "categorical", choices=(4, 8))
    one = study([{"heads": 8}] * 6, [1 - 0.1 * n for n in range(6)], heads)
    assert coverage(one, rank(one)).bounds_hit == []


def test_concentration_is_a_late_crowd_that_was_not_there_early() -> None:
    late = [0.1, 0.9, 0.5, 0.1, 0.9, 0.5, 0.7, 0.71, 0.72]
    always = [0.7] * 9
    scores: list[float | None] = [0.1 * n for n in range(9)]
    for values, expected in ((late, True), (always, False)):
        one = study([{"x": value} for value in values], scores, X)
        assert bool(coverage(one, rank(one)).concentrated) is expected


def read(found: Patterns | Unknown) -> dict[str, bool]:
    assert isinstance(found, Patterns)
    return {pattern.parameter: pattern.is_beyond_sampler for pattern in found.patterns}


def test_a_value_that_good_trials_share_beyond_chance_is_a_pattern() -> None:
    rng = np.random.default_rng(0)
    params = [{"dim": int(rng.choice([256, 384, 512])), "x": float(rng.random())} for _ in range(60)]
    scores: list[float | None] = [float((p["dim"] == 384) + rng.normal(0, 0.1)) for p in params]
    one = study(params, scores, DIM, X)
    assert read(patterns(one, rank(one))) == {"dim": True, "x": False}


def test_a_value_that_the_sampler_tried_late_is_no_pattern() -> None:
    """The reference page's mistake: the value rides along while the score grows for another reason."""
    params = [{"dim": 384 if n >= 30 else (256, 512, 384)[n % 3]} for n in range(60)]
    scores: list[float | None] = [n / 60 for n in range(60)]
    one = study(params, scores, DIM)
    found = patterns(one, rank(one))
    assert isinstance(found, Patterns)
    assert found.patterns[0].value == 384 and found.patterns[0].top_share == 1.0
    assert not found.patterns[0].is_beyond_sampler


def test_values_that_do_not_matter_are_called_a_pattern_as_rarely_as_p_says() -> None:
    """A random group is as uniform in any value, not only in the one that the best trials happen to share."""
    alarms = 0
    space = {"dim": Parameter("dim", "categorical", choices=(1, 2, 3))}
    for seed in range(400):
        rng = np.random.default_rng(seed)
        trials = tuple(
            TrialRecord(n, "complete", float(rng.random()), {"dim": int(rng.integers(1, 4))})
            for n in range(40)
        )
        one = StudyRecord("s", "maximize", trials, space, "study", seed=seed)
        found = patterns(one, rank(one))
        assert isinstance(found, Patterns)
        alarms += found.patterns[0].p < 0.05
    assert alarms <= 0.05 * 400


def test_a_narrow_range_is_a_pattern_only_where_others_were_tried() -> None:
    rng = np.random.default_rng(1)
    for spread, expected in ((1.0, True), (0.02, False)):
        params = [{"x": float(0.5 + spread * (rng.random() - 0.5))} for _ in range(60)]
        scores: list[float | None] = [-abs(p["x"] - 0.5) for p in params]
        if spread < 1:
            scores = [float(rng.random()) for _ in params]
        one = study(params, scores, X)
        assert read(patterns(one, rank(one))) == {"x": expected}


def test_progress_looks_at_the_last_third() -> None:
    one = study([{}] * 9, [0.1, 0.5, 0.2, 0.3, 0.4, None, 0.6, 0.7, 0.1])
    found = progress(one)
    assert isinstance(found, Progress)
    assert (found.ended, found.since_best, round(found.late_gain, 6)) == (9, 1, 0.2)
    assert isinstance(progress(study([{}] * 8, [0.1] * 8)), Unknown)


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
    assert entries["student_dropout"] == {"type": "float", "low": 0.37, "high": 0.5}
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
