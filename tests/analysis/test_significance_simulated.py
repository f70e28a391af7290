"""Confirmations whose truth is known: how often does the verdict lie, and how often does it find a real gain?"""

from __future__ import annotations

import pytest
from simulated_confirmations import BASELINES, GAIN, PLANNED, confirmed, simulated

from distune.confirmation.statistics.bootstrap import seed_scores
from distune.confirmation.statistics.comparisons import Pair, planned
from distune.confirmation.statistics.significance import Comparison, compare, judge

RESAMPLES = 200
STUDIES = ((40, 0.25), (100, 0.08), (100, 0.25), (60, 0.02))
"""Cases, and the noise of seeds: few and noisy, or many and steady; the truth must hold in every kind of study."""


def _compare(seed: int, gains: tuple[float, ...], cases: int, noise_of_seeds: float) -> dict[str, Comparison]:
    """Each later contender against contender 0, the base."""
    labels, groups, (base, *others) = simulated(seed, gains, cases=cases, noise_of_seeds=noise_of_seeds)
    return {each.name: compare(labels, groups, each, base, resamples=RESAMPLES, seed=seed) for each in others}


def test_without_a_difference_better_is_said_in_at_most_five_percent_of_families() -> None:
    """Of eight comparisons with the base; without Holm's correction it would be said far more often."""
    lies = uncorrected = 0
    for seed in range(400):
        found = _compare(seed, (0.0,) * 9, *STUDIES[seed % 4])
        lies += any(each.verdict == "better" for each in judge(found).values())
        uncorrected += any(each.p_value < 0.05 and each.difference > 0 for each in found.values())
    assert lies <= 0.04 * 400
    assert uncorrected > 0.05 * 400


def test_without_a_difference_better_is_said_to_a_primary_question_in_at_most_five_percent() -> None:
    primary = [pair for pair in planned(PLANNED, BASELINES) if pair.family == "primary"]
    lies = 0
    for seed in range(400):
        cases, noise = STUDIES[seed % 4]
        made = confirmed(seed, {}, cases=cases, noise_of_seeds=noise, pairs=primary)
        assert [each["kind"] for each in made] == ["tuning_gain", "distillation_gain"]
        lies += any(each["verdict"] == "better" for each in made)
    assert lies <= 0.05 * 400


def test_a_single_interval_misses_zero_about_as_rarely_as_it_says() -> None:
    misses = 0
    for seed in range(400):
        noise = (0.25, 0.08)[seed % 2]
        (found,) = _compare(1000 + seed, (0.0, 0.0), 80, noise).values()
        misses += not found.low <= 0.0 <= found.high
        assert (found.p_value < 0.05) == (not found.low <= 0.0 <= found.high)
    assert 0.005 * 400 <= misses <= 0.06 * 400


@pytest.mark.parametrize("far", [0.0, 1.0], ids=["baselines as good as the base", "baselines far below"])
def test_a_true_gain_of_five_points_is_found_in_most_by_the_whole_confirmation(far: float) -> None:
    """Five seeds and 200 cases; the other trials and the student without a teacher are as good as the base."""
    verdicts = []
    for seed in range(60):
        made = confirmed(seed, {"best": GAIN}, cases=200, far=far)
        assert len(made) == 12
        verdicts.append(next(each["verdict"] for each in made if each["kind"] == "tuning_gain"))
    assert verdicts.count("better") > 0.5 * len(verdicts)
    assert verdicts.count("worse") == 0


def test_the_gain_of_the_simulation_is_five_points_and_the_intervals_cover_it() -> None:
    labels, _, contenders = simulated(7, (0.0, GAIN), cases=8000, seeds=60)
    base, better = (seed_scores(labels, each.predictions).mean() for each in contenders)
    truth = better - base
    assert 0.045 < truth < 0.055
    covered = 0
    for seed in range(150):
        (comparison,) = _compare(500 + seed, (0.0, GAIN), 100, 0.08).values()
        covered += comparison.low <= truth <= comparison.high
    assert covered >= 0.92 * 150


def test_a_large_family_has_resamples_enough_to_tell_a_difference() -> None:
    """The smallest p-value of 2000 resamples, times 101, lies above 5 %."""
    against = [Pair("against_baseline", "best", f"majority {number}") for number in range(101)]
    made = confirmed(0, {}, cases=60, far=3.0, pairs=against)
    assert [each["verdict"] for each in made] == ["better"] * 101
