from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from distune.confirmation.statistics.inference.power import needs, power
from distune.confirmation.statistics.inference.standard_errors import Errors

ERRORS = Errors(cases=0.01**2, seeds=0.006**2, interaction=0.004**2, freedom=20.0)


@pytest.mark.parametrize(("gain", "level"), [(0.01, 0.05), (0.03, 0.05), (0.05, 0.05), (0.03, 0.01)])
def test_power_is_the_share_of_confirmations_that_show_the_gain(gain: float, level: float) -> None:
    generator = np.random.default_rng(0)
    error = ERRORS.standard_error
    differences = generator.normal(gain, error, 40_000)
    estimated = error * np.sqrt(generator.chisquare(20, 40_000) / 20)
    shown = (differences / estimated > stats.t.ppf(1 - level / 2, 20)).mean()
    assert power(ERRORS, gain, level) == pytest.approx(shown, abs=0.01)


def test_so_many_cases_or_seeds_have_a_power_of_four_fifths() -> None:
    found = needs(ERRORS, 0.033, 0.05, seeds=5, cases=100)
    assert found["seeds_needed"] > 5 and found["cases_needed"] > 100
    with_seeds = ERRORS.with_more(seeds=found["seeds_needed"] / 5)
    with_cases = ERRORS.with_more(cases=found["cases_needed"] / 100)
    assert power(with_seeds, 0.033, 0.05) == pytest.approx(0.8, abs=0.03)
    assert power(with_cases, 0.033, 0.05) == pytest.approx(0.8, abs=0.03)


def test_what_the_other_part_hides_no_number_can_show() -> None:
    assert needs(ERRORS, 0.025, 0.05, seeds=5, cases=100)["seeds_needed"] is None
    assert needs(ERRORS, 0.012, 0.05, seeds=5, cases=100)["cases_needed"] is None
    alone = Errors(0.01**2, 0.0, 0.0, 99.0)
    assert needs(alone, 0.01, 0.05, seeds=1, cases=100)["seeds_needed"] is None


def test_where_nothing_varies_everything_is_shown() -> None:
    assert power(Errors(0.0, 0.0, 0.0, 9.0), 0.01, 0.05) == 1.0
    assert power(ERRORS, 1.0, 0.05) == pytest.approx(1.0)


def test_two_seeds_leave_a_number_and_little_power() -> None:
    few = Errors(0.0, 0.02**2, 0.0, 1.0)
    assert 0.0 < power(few, 0.01, 0.0253) < 0.05
