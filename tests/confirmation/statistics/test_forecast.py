"""The forecast for new cases, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from distune.confirmation.statistics.forecast import _of_a_new_score, forecast
from distune.confirmation.statistics.inference.standard_errors import Errors


def test_one_training_on_new_cases_by_hand() -> None:
    """12 of 20 cases right: the mean errs by 0.2526 / 20, a score of 10 new cases by twice that besides.

    The square root of 0.0379 over twice sqrt(0.6 * 0.4), times 2.093, on either side of asin(sqrt(0.6)) = 0.8861.
    """
    table = np.array([1.0] * 12 + [0.0] * 8)[:, None]
    found = forecast(np.array([0.6]), table, 10)
    assert found is not None
    assert (found.mean, found.cases, found.from_cases, found.seeds) == (0.6, 10, 20, 1)
    assert (found.low, found.high) == pytest.approx((0.2054, 0.9294), abs=2e-4)


def test_more_new_cases_scatter_less_down_to_what_the_mean_itself_errs_by() -> None:
    table = np.array([1.0] * 12 + [0.0] * 8)[:, None]
    widths = []
    for cases in (10, 40, 10**9):
        found = forecast(np.array([0.6]), table, cases)
        assert found is not None
        widths.append(found.high - found.low)
    assert widths[0] > widths[1] > widths[2]
    assert widths[2] == pytest.approx(0.4526, abs=2e-4)


@pytest.mark.parametrize("right", [0, 20])
def test_where_all_are_answered_alike_nothing_is_forecast(right: int) -> None:
    table = np.array([1.0] * right + [0.0] * (20 - right))[:, None]
    assert forecast(table.mean(axis=0), table, 10) is None


def test_a_new_score_errs_by_new_cases_by_another_seed_and_by_both() -> None:
    """Of 21 cases and 3 seeds, for 42 new cases and one more seed."""
    found = _of_a_new_score(Errors(0.02, 0.03, 0.01, 9.0), 21, 3, 42)
    assert (found.cases, found.seeds, found.interaction) == pytest.approx((0.03, 0.12, 0.025))
    assert found.freedom == pytest.approx(0.175**2 / (0.055**2 / 20 + 0.12**2 / 2))
    one = _of_a_new_score(Errors(0.02, 0.0, 0.01, 9.0), 21, 1, 42)
    assert (one.cases, one.seeds, one.interaction) == pytest.approx((0.03, 0.0, 0.015))
    assert one.freedom == pytest.approx(20.0)
    two = _of_a_new_score(Errors(0.02, 0.03, 0.01, 9.0), 21, 2, 42)
    assert two.freedom == pytest.approx((0.03 + 0.09 + 0.02) ** 2 / (0.05**2 / 20 + 0.09**2))
