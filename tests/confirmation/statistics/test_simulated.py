"""Confirmations whose truth is known; the whole grid is `python -m benchmarks.confirmations`."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from comparing import Contender, compare

from benchmarks.confirmations import differences, forecast_summary, forecasts, summary
from benchmarks.simulated_confirmations import GAINS, World
from distune.confirmation.statistics.inference.pseudovalues import counts_by_case, pseudovalues
from distune.confirmation.statistics.inference.significance import family_verdicts

SMALL = World(images=3)
TRUE_GAIN = {points: World().true_score(GAINS[points]) - World().true_score() for points in GAINS}


@lru_cache
def found(cases: int, seeds: int, points: int) -> dict[str, float]:
    return summary(differences(cases, seeds, points, SMALL, range(300)), TRUE_GAIN[points])


def test_the_gains_of_the_simulation_are_what_they_are_called() -> None:
    assert [100 * gain for gain in TRUE_GAIN.values()] == pytest.approx([0, 2, 5], abs=0.01)
    generator = np.random.default_rng(0)
    labels, case_of, drawn = World().draw(generator, (GAINS[5], 0.0), cases=1500, seeds=20)
    better, base = (pseudovalues(counts_by_case(labels, case_of, each))[0] for each in drawn)
    assert base.mean() == pytest.approx(World().true_score(), abs=0.012)
    assert better.mean() - base.mean() == pytest.approx(0.05, abs=0.015)


@pytest.mark.slow
@pytest.mark.parametrize(("cases", "seeds"), [(40, 3), (200, 5)])
def test_intervals_hold_the_truth_in_95_percent_and_are_no_wider_than_need_be(cases: int, seeds: int) -> None:
    """Within the noise of 300 simulations, of which two standard errors are 2.5 points."""
    for points in (0, 2):
        measured = found(cases, seeds, points)
        assert 0.925 <= measured["coverage"] <= 0.985
        assert seeds < 5 or measured["width"] <= 1.2


@pytest.mark.slow
def test_without_a_difference_better_is_said_in_at_most_five_percent_of_families() -> None:
    lies = uncorrected = 0
    for number in range(150):
        generator = np.random.default_rng((number, 9))
        labels, case_of, drawn = SMALL.draw(generator, (0.0,) * 9, cases=50, seeds=4)
        base, *others = (Contender(str(place), each) for place, each in enumerate(drawn))
        groups = [str(case) for case in case_of]
        family = {each.name: compare(labels, groups, each, base) for each in others}
        lies += any(each.verdict == "better" for each in family_verdicts(family).values())
        uncorrected += any(each.low > 0 for each in family.values())
    assert lies <= 0.05 * 150 < uncorrected


@pytest.mark.slow
def test_a_gain_is_taken_though_it_is_not_shown() -> None:
    """Two points at 200 cases: shown to few, and the better config is taken by most."""
    measured = found(200, 5, 2)
    assert measured["better"] < 0.4 and measured["taken"] > 0.8
    assert found(200, 5, 0)["better"] < 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "world"), [(5, SMALL), (1, World(2.0, 0.02, images=3))])
def test_a_new_set_of_cases_scores_within_its_forecast(seeds: int, world: World) -> None:
    measured = forecast_summary(forecasts(200, seeds, world, range(200)), world.true_score())
    assert 0.91 <= measured["coverage"] <= 0.985 and measured["width"] <= 1.35
    assert 0.91 <= measured["score_coverage"] <= 0.98 and measured["score_width"] <= 1.2
