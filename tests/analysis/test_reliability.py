from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from distune.analysis.reliability import reliability
from distune.training.scoring.metrics import calibration_error


def test_reliability_bins_add_up_to_the_calibration_error() -> None:
    generator = np.random.default_rng(0)
    truth, told = generator.integers(4, size=400), special.softmax(generator.normal(0, 3, (400, 4)), axis=1)
    bins = reliability(truth, told)
    assert 9 < len(bins) <= 15
    assert sum(each.count for each in bins) == 400
    gaps = sum(each.count * abs(each.accuracy - each.confidence) for each in bins) / 400
    assert gaps == pytest.approx(calibration_error(truth, told))


def test_reliability_golden_bins() -> None:
    told = np.array([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6], [0.5, 0.5]])
    bins = reliability(np.array([0, 1, 0, 0]), told, bins=5)
    assert [each.count for each in bins] == [3, 1]  # 0.6 belongs to (0.4, 0.6]
    assert bins[0].accuracy == pytest.approx(2 / 3)
    assert bins[0].confidence == pytest.approx((0.6 + 0.6 + 0.5) / 3)
