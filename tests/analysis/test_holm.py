from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distune.analysis.parameters.holm import holm


class TestHolm:
    def test_golden_table(self) -> None:
        assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
        assert holm([0.6, 0.7]) == [1.0, 1.0]
        assert holm([0.2]) == [0.2]
        assert holm([]) == []

    def test_as_statsmodels_does(self) -> None:
        """Golden numbers: `multipletests(p, method="holm")` of statsmodels 0.15.0."""
        p_values = [0.0004, 0.0312, 0.0119, 0.2, 0.0312, 0.74, 0.0051, 0.0499]
        expected = [0.0032, 0.156, 0.0714, 0.4, 0.156, 0.74, 0.0357, 0.156]
        assert holm(p_values) == pytest.approx(expected, abs=1e-12)

    @settings(max_examples=80, deadline=None)
    @given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.2))
    def test_rejects_what_the_step_down_procedure_rejects(self, p_values: list[float], level: float) -> None:
        rejected = set()
        for step, place in enumerate(sorted(range(len(p_values)), key=lambda k: p_values[k])):
            if p_values[place] * (len(p_values) - step) >= level:
                break
            rejected.add(place)
        assert {place for place, p in enumerate(holm(p_values)) if p < level} == rejected
