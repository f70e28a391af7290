from __future__ import annotations

import math

import numpy as np
import pytest
from comparing import Contender, compare
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from distune.confirmation.statistics.inference.pseudovalues import counts_by_case, pseudovalues
from distune.confirmation.statistics.inference.significance import (
    Comparison,
    family_level,
    family_verdicts,
)
from distune.confirmation.statistics.inference.standard_errors import Errors


def predictions(
    labels: np.ndarray, accuracy: float, seed: int, seeds: int = 5, classes: tuple[int, ...] = (2, 5)
) -> np.ndarray:
    generator = np.random.default_rng(seed)
    shape = (seeds, *labels.shape)
    shifts = np.stack([generator.integers(1, count, shape[:2]) for count in classes], axis=2)
    wrong = (labels[None] + shifts) % np.array(classes)
    return np.where(generator.random(shape) < accuracy, labels[None], wrong)


def make_labels(examples: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.stack([generator.integers(0, 2, examples), generator.integers(0, 5, examples)], axis=1)


def scores(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    def score(predictions: np.ndarray) -> float:
        pairs = zip(labels.T, predictions.T, strict=True)
        return float(np.mean([f1_score(t, p, average="macro", zero_division=0) for t, p in pairs]))

    return np.array([score(each) for each in predicted])


def comparison(difference: float, error: float = 0.01, freedom: float = 30.0) -> Comparison:
    return Comparison("a", "b", difference, Errors(error**2, 0.0, 0.0, freedom), 200, 100)


class TestCompare:
    def identical_cases(self, per_case: np.ndarray, name: str) -> Contender:
        """30 copies of one case: no resample differs, only the seeds do."""
        return Contender(name, np.tile(per_case, (1, 30, 1)))

    def test_without_noise_of_test_cases_it_is_welchs_test(self) -> None:
        case = make_labels(20)
        first, second = predictions(case, 0.8, 1), predictions(case, 0.7, 2, seeds=3)
        labels, groups = np.tile(case, (30, 1)), [str(row // 20) for row in range(600)]
        found = compare(
            labels,
            groups,
            self.identical_cases(first, "a"),
            self.identical_cases(second, "b"),
        )
        expected = stats.ttest_ind(scores(case, first), scores(case, second), equal_var=False)
        interval = expected.confidence_interval(0.95)
        assert found.errors.cases == pytest.approx(0.0, abs=1e-12)
        assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6)
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-7)

    def test_a_deterministic_baseline_adds_no_noise_of_seeds(self) -> None:
        labels, groups = make_labels(100), [str(row) for row in range(100)]
        first = Contender("a", predictions(labels, 0.8, 1))
        majority = Contender("majority", np.zeros((1, 100, 2), dtype=np.int64))
        found = compare(labels, groups, first, majority)
        expected = scores(labels, first.predictions)
        assert found.difference == pytest.approx(expected.mean() - scores(labels, majority.predictions)[0])
        by_seed = found.errors.seeds + found.errors.interaction
        assert by_seed == pytest.approx(expected.var(ddof=1) / 5, rel=0.5)

    def test_two_single_models_are_compared_case_by_case(self) -> None:
        labels, groups = make_labels(80), [str(row) for row in range(80)]
        pair = [Contender(name, predictions(labels, 0.7, k, 1)) for k, name in enumerate("ab")]
        found = compare(labels, groups, *pair)
        case_of = np.unique(groups, return_inverse=True)[1]
        one, other = (pseudovalues(counts_by_case(labels, case_of, each.predictions))[1] for each in pair)
        expected = stats.ttest_rel(one[:, 0], other[:, 0])
        assert found.errors.freedom == 79
        assert found.high - found.low == pytest.approx(np.ptp(expected.confidence_interval(0.95)))

    def test_copies_within_a_case_are_no_further_evidence(self) -> None:
        labels = make_labels(60)
        single = [Contender(name, predictions(labels, 0.7, k)) for k, name in enumerate("ab")]
        copied = [Contender(each.name, np.repeat(each.predictions, 9, axis=1)) for each in single]
        cases = [str(row) for row in range(60)]
        alone = compare(labels, cases, *single)
        together = compare(np.repeat(labels, 9, axis=0), np.repeat(cases, 9).tolist(), *copied)
        assert together.errors.standard_error == pytest.approx(alone.errors.standard_error, rel=1e-6)
        assert together.groups == 60

    def test_the_other_way_round_is_the_mirror_image(self) -> None:
        labels = make_labels(90)
        groups = [str(row // 2) for row in range(90)]
        first, second = (Contender(name, predictions(labels, 0.7, k)) for k, name in enumerate("ab"))
        forth, back = compare(labels, groups, first, second), compare(labels, groups, second, first)
        assert back.difference == pytest.approx(-forth.difference)
        assert (back.low, back.high) == pytest.approx((-forth.high, -forth.low))
        assert back.p_value == pytest.approx(forth.p_value)

    def test_equal_contenders_are_not_significantly_different(self) -> None:
        labels = make_labels(50)
        same = Contender("a", predictions(labels, 0.7, 0))
        found = compare(labels, [str(row) for row in range(50)], same, same)
        assert (found.difference, found.p_value) == (0.0, 1.0) and found.low == -found.high
        assert family_verdicts({"same": found})["same"].verdict == "not significantly different"
        exact = [Comparison("a", "b", gain, Errors(0.0, 0.0, 0.0, 1.0), 9, 9) for gain in (0.0, 0.1, -0.1)]
        assert [each.p_value for each in exact] == [1.0, 0.0, 0.0], "without any error"


class TestFamily:
    def test_level_of_one_interval_of_a_family(self) -> None:
        assert family_level(1) == pytest.approx(0.05)
        assert family_level(2) == pytest.approx(0.0253206, abs=1e-7)
        assert (1 - family_level(12)) ** 12 == pytest.approx(0.95)

    @settings(max_examples=60)
    @given(st.lists(st.floats(-0.05, 0.05), min_size=1, max_size=8), st.floats(3, 100))
    def test_the_verdict_the_interval_and_the_p_value_of_a_family_agree(
        self, differences: list[float], freedom: float
    ) -> None:
        family = {str(place): comparison(each, freedom=freedom) for place, each in enumerate(differences)}
        for name, found in family_verdicts(family).items():
            each = family[name]
            assert found.family_low <= each.low <= each.high <= found.family_high
            excludes = found.family_low > 0 or found.family_high < 0
            assert (found.verdict == "not significantly different") != excludes
            assert found.adjusted_p == pytest.approx(1 - (1 - each.p_value) ** len(family))
            if not math.isclose(found.adjusted_p, 0.05, rel_tol=1e-6):
                assert (found.adjusted_p < 0.05) == excludes

    def test_what_alone_would_be_shown_is_not_where_much_is_asked(self) -> None:
        alone = comparison(0.023)
        assert family_verdicts({"gain": alone})["gain"].verdict == "better"
        family = {"gain": alone, "loss": comparison(-0.05), "nothing": comparison(0.001)}
        assert {name: each.verdict for name, each in family_verdicts(family).items()} == {
            "gain": "not significantly different",
            "loss": "worse",
            "nothing": "not significantly different",
        }
