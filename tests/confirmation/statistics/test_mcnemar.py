from __future__ import annotations

import math

import numpy as np
import pytest

from distune.confirmation.statistics.inference.mcnemar import mcnemar


class TestMcNemar:
    def test_golden_table_by_hand(self) -> None:
        truth = np.zeros(20, dtype=np.int64)
        first, second = truth.copy(), truth.copy()
        second[:8] = 1  # the first alone is right on 8
        first[8:10] = 1  # the second alone on 2
        first[10:13] = second[10:13] = 2
        found = mcnemar(truth, first, second)
        assert (found.only_first, found.only_second) == (8, 2)
        assert found.p_value == pytest.approx(2 * sum(math.comb(10, k) for k in range(3)) / 2**10)

    def test_no_disagreement(self) -> None:
        truth = np.array([0, 1, 2])
        assert mcnemar(truth, truth, truth).p_value == 1.0

    @pytest.mark.parametrize(
        ("only_first", "only_second", "p_value"),
        [(12, 3, 0.03515625), (5, 5, 1.0), (0, 7, 0.015625), (40, 22, 0.030015864349067285)],
    )
    def test_as_statsmodels_does(self, only_first: int, only_second: int, p_value: float) -> None:
        """Golden numbers: `mcnemar(table, exact=True)` of statsmodels 0.15.0."""
        truth = np.zeros(only_first + only_second + 20, np.int64)
        first, second = truth.copy(), truth.copy()
        second[:only_first] = 1
        first[only_first : only_first + only_second] = 1
        assert mcnemar(truth, first, second).p_value == pytest.approx(p_value, abs=1e-12)
