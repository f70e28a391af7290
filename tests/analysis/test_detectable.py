from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from distune.analysis.parameters.detectable import detectable, in_words


def test_an_effect_of_that_size_is_seen_in_four_of_five_studies() -> None:
    generator = np.random.default_rng(0)
    noise, halves = 0.02, np.repeat([0, 1], 12)
    effect = detectable(stats.norm.ppf((np.arange(24) + 0.5) / 24) * noise / 0.9613, 1)
    assert effect is not None
    seen = [
        stats.ttest_ind(*(scores[halves == half] for half in (0, 1))).pvalue < 0.05
        for scores in (effect * halves + generator.normal(0, noise, 24) for _ in range(1500))
    ]
    assert np.mean(seen) == pytest.approx(0.8, abs=0.05)


def test_more_contrasts_or_fewer_trials_see_less() -> None:
    scores = [0.5, 0.52, 0.49, 0.55, 0.51, 0.53, 0.5]
    alone, among = detectable(scores, 1), detectable(scores, 17)
    assert alone is not None and among is not None and among > alone
    assert (detectable(scores[:4], 1) or 0) > alone
    assert detectable(scores[:3], 1) is None and in_words([0.5] * 9, 1) == ""
