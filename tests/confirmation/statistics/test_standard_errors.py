from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from distune.confirmation.statistics.inference.standard_errors import Errors, errors_of


def test_the_parts_are_the_mean_squares_of_a_two_way_table() -> None:
    """By hand: three cases, two seeds."""
    table = np.array([[1.0, 2.0], [3.0, 3.0], [2.0, 7.0]])
    by_case, by_seed = table.mean(axis=1), table.mean(axis=0)
    rest = table - by_case[:, None] - by_seed + table.mean()
    squares = 2 * by_case.var(ddof=1), 3 * by_seed.var(ddof=1), (rest**2).sum() / 2
    found = errors_of([table])
    assert found.standard_error**2 == pytest.approx((squares[0] + squares[1] - squares[2]) / 6)
    assert found.cases == pytest.approx((squares[0] - squares[2]) / 6)
    assert found.interaction == pytest.approx(squares[2] / 6)


def test_parts_that_are_known_are_found_on_average() -> None:
    generator = np.random.default_rng(0)
    parts, means = [], []
    for _ in range(600):
        table = (
            generator.normal(0, 3, (50, 1))
            + generator.normal(0, 0.5, (1, 5))
            + generator.normal(0, 2, (50, 5))
        )
        found = errors_of([table])
        parts.append((found.cases, found.seeds, found.interaction, found.standard_error**2))
        means.append(table.mean())
    assert np.mean(parts, axis=0) == pytest.approx([9 / 50, 0.25 / 5, 4 / 250, np.var(means)], rel=0.12)


def test_one_model_has_the_error_of_a_mean_over_cases() -> None:
    values = np.random.default_rng(1).normal(size=(30, 1))
    found = errors_of([values])
    assert found.standard_error == pytest.approx(stats.sem(values[:, 0]))
    assert (found.seeds, found.interaction, found.freedom) == (0.0, 0.0, pytest.approx(29.0))


def test_unrelated_trainings_share_their_cases_and_not_their_seeds() -> None:
    generator = np.random.default_rng(2)
    cases, seeds = generator.normal(0, 1, (40, 1)), generator.normal(0, 1, (2, 1, 5))
    first, second = cases + seeds[0], cases + seeds[1]
    found = errors_of([first, -second])
    expected = stats.ttest_ind(seeds[0, 0], seeds[1, 0], equal_var=False)
    assert found.cases == pytest.approx(0.0, abs=1e-12)
    assert found.freedom == pytest.approx(expected.df)


def test_more_cases_and_seeds_shrink_their_own_parts() -> None:
    assert Errors(8.0, 6.0, 4.0, 10.0).with_more(cases=4, seeds=2) == Errors(2.0, 3.0, 0.5, 10.0)


def test_no_interval_rests_on_less_than_one_degree_of_freedom() -> None:
    only_luck = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    found = errors_of([only_luck])
    assert found.freedom == 1.0 and np.isfinite(found.quantile())
