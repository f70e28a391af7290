from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score, precision_score, recall_score

from distune.confirmation.statistics.inference.intervals import (
    accuracy,
    bounds,
    interval_over_cases,
    interval_over_seeds,
    of_class,
)
from distune.confirmation.statistics.inference.pseudovalues import Counts, counts_by_case
from distune.confirmation.statistics.inference.significance import compare_scores
from distune.confirmation.statistics.inference.standard_errors import Errors


def test_the_accuracy_of_a_single_example_is_all_or_nothing() -> None:
    for hit in (0.0, 1.0):
        one = Counts(np.array([[[hit, 0.0]]]), np.array([[[1.0, 0.0]]]), np.array([[[1.0, 0.0]]]))
        assert accuracy([one]).tolist() == [[hit]]


@pytest.mark.parametrize(("lowest", "widest"), [(0.0, 1.0), (-1.0, 2.0)])
def test_no_difference_is_wider_than_from_the_lowest_score_to_the_highest(
    lowest: float, widest: float
) -> None:
    answers = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    found = compare_scores(
        ("a", np.array([0.9, 0.7]), answers), ("b", np.array([0.1, 0.2]), answers), examples=3, lowest=lowest
    )
    assert found.widest == widest and (found.examples, found.groups) == (3, 3)


class TestIntervalOverSeeds:
    def test_against_scipy(self) -> None:
        scores = [0.91, 0.88, 0.93, 0.90, 0.87]
        found = interval_over_seeds(scores)
        expected = stats.t.interval(0.95, 4, np.mean(scores), stats.sem(scores))
        assert (found.mean, found.low, found.high) == pytest.approx((np.mean(scores), *expected))

    def test_a_single_seed_has_no_interval(self) -> None:
        found = interval_over_seeds([0.9])
        assert (found.mean, found.low, found.high, found.seeds) == (0.9, None, None, 1)

    def test_equal_seeds_do_not_make_an_interval_without_width(self) -> None:
        found = interval_over_seeds([0.9, 0.9, 0.9])
        assert (found.low, found.high) == (None, None)


def truth_and_guess() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(4)
    truth = generator.integers(0, 3, 90)
    return truth, np.where(generator.random(90) < 0.7, truth, generator.integers(0, 3, 90))


@pytest.mark.parametrize("name", ["recall", "precision", "f1", "specificity"])
def test_metrics_of_a_class_are_those_of_scikit_learn(name: str) -> None:
    truth, guess = truth_and_guess()
    (counts,) = counts_by_case(truth[:, None], np.arange(90) // 2, guess[None, :, None])
    expected = {
        "recall": recall_score(truth == 1, guess == 1),
        "precision": precision_score(truth == 1, guess == 1),
        "f1": f1_score(truth == 1, guess == 1),
        "specificity": recall_score(truth != 1, guess != 1),
    }
    found = of_class(counts, 1, name)
    assert found is not None and found.low is not None and found.high is not None
    assert found.mean == pytest.approx(expected[name])
    assert 0 < found.low < found.mean < found.high < 1


def test_a_class_is_evaluated_over_the_cases_that_hold_it() -> None:
    truth, guess = np.array([0, 0, 1, 1, 1, 0]), np.array([0, 0, 1, 0, 1, 0])
    (counts,) = counts_by_case(truth[:, None], np.array([0, 1, 2, 2, 3, 4]), guess[None, :, None], [3])
    recall = of_class(counts, 1, "recall")
    assert recall is not None and recall.cases == 2
    assert of_class(counts, 2, "recall") is None
    single = counts_by_case(truth[:, None], np.array([0, 1, 2, 2, 2, 3]), guess[None, :, None])[0]
    alone = of_class(single, 1, "recall")
    assert alone is not None and (alone.low, alone.high, alone.cases) == (None, None, 1)


def test_without_an_error_the_interval_is_that_of_a_proportion_among_the_cases() -> None:
    labels = np.array([[0], [1]] * 20)
    found = interval_over_cases(counts_by_case(labels, np.arange(40), labels[None]))
    assert (found.mean, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.025 ** (1 / 40))
    assert bounds(0.5, Errors(0.0, 0.0, 0.0, 9.0), 10) == pytest.approx(
        stats.binomtest(5, 10).proportion_ci(0.95, method="exact"), abs=1e-9
    )


def test_a_share_of_none_or_of_all_begins_or_ends_there() -> None:
    """1 - 0.025^(1/10) = 0.3085 is the share of which no case in ten is shown in one sample of forty."""
    nothing_varies = Errors(0.0, 0.0, 0.0, 9.0)
    assert bounds(0.0, nothing_varies, 10) == pytest.approx((0.0, 0.3085), abs=1e-4)
    assert bounds(1.0, nothing_varies, 10) == pytest.approx((0.6915, 1.0), abs=1e-4)


def test_the_ends_of_a_share_on_the_scale_of_its_odds_by_hand() -> None:
    """1.96 * 0.02 / (0.8 * 0.2) = 0.245 on either side of log(4) = 1.3863."""
    assert bounds(0.8, Errors(0.02**2, 0.0, 0.0, 1e9), 100) == pytest.approx((0.7579, 0.8363), abs=1e-4)
    twice = bounds(0.6, Errors(0.04**2, 0.0, 0.0, 1e9), 100, lowest=-1.0)
    assert twice == pytest.approx((2 * 0.7579 - 1, 2 * 0.8363 - 1), abs=2e-4), "from -1 to 1"
