from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from distune.confirmation.statistics.bootstrap import resampled_scores, seed_scores
from distune.confirmation.statistics.mcnemar import mcnemar
from distune.confirmation.statistics.power import examples_needed
from distune.confirmation.statistics.significance import (
    Comparison,
    Contender,
    compare,
    holm,
    interval_over_seeds,
    judge,
)
from distune.training import metrics

SEEDS = (0, 1, 2, 3, 4)


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


def comparison(
    difference: float, *, p: float = 0.5, test: float = 0.02, seed: float = 0.01, interaction: float = 0.0
) -> Comparison:
    half = 2.2 * math.hypot(test, seed)
    return Comparison(
        "a", "b", difference, difference - half, difference + half, p, test, seed, interaction, 200, 100, True
    )


class TestBootstrap:
    def test_scores_are_those_of_the_metrics(self) -> None:
        labels = make_labels(60)
        predicted = predictions(labels, 0.7, 1)
        expected = [metrics.score(labels, each) for each in predicted]
        assert seed_scores(labels, predicted) == pytest.approx(expected)

    def test_resamples_are_whole_cases_scored_like_copied_examples(self) -> None:
        from sklearn.metrics import f1_score

        labels = make_labels(40)
        group_of = np.sort(np.random.default_rng(5).integers(0, 12, 40))
        group_of = np.unique(group_of, return_inverse=True)[1]
        groups = int(group_of.max()) + 1
        first, second = predictions(labels, 0.8, 1, 3), predictions(labels, 0.6, 2, 2)
        scores = resampled_scores(labels, group_of, first, second, resamples=7, seed=9)
        found = scores[0].mean(axis=1) - scores[1].mean(axis=1)
        drawn = np.random.default_rng(9).integers(0, groups, (7, groups))
        for difference, cases in zip(found, drawn, strict=True):
            rows = np.concatenate([np.flatnonzero(group_of == case) for case in cases])
            means = [
                np.mean(
                    [
                        f1_score(labels[rows, task], each[rows, task], average="macro", zero_division=0)
                        for each in contender
                        for task in range(2)
                    ]
                )
                for contender in (first, second)
            ]
            assert difference == pytest.approx(means[0] - means[1], abs=1e-6)

    def test_many_resamples_take_about_a_second(self) -> None:
        labels = make_labels(2000)
        contenders = [Contender(str(k), predictions(labels, 0.8, k), SEEDS) for k in range(2)]
        start = time.perf_counter()
        compare(labels, [str(row) for row in range(2000)], *contenders, resamples=2000)
        assert time.perf_counter() - start < 5


class TestCompare:
    def identical_cases(self, per_case: np.ndarray, seeds: tuple[int, ...], name: str) -> Contender:
        """30 copies of one case: no resample differs, only the seeds do."""
        return Contender(name, np.tile(per_case, (1, 30, 1)), seeds)

    def test_without_noise_of_test_cases_it_is_the_paired_t_test(self) -> None:
        case = make_labels(20)
        first, second = predictions(case, 0.8, 1), predictions(case, 0.7, 2)
        labels, groups = np.tile(case, (30, 1)), [str(row // 20) for row in range(600)]
        found = compare(
            labels, groups, self.identical_cases(first, SEEDS, "a"), self.identical_cases(second, SEEDS, "b")
        )
        expected = stats.ttest_rel(seed_scores(case, first), seed_scores(case, second))
        interval = expected.confidence_interval(0.95)
        assert found.paired_seeds
        assert found.test_error == pytest.approx(0.0, abs=1e-7)
        assert found.p_value == pytest.approx(expected.pvalue, rel=1e-4)
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-5)

    def test_other_seeds_make_it_welchs_test(self) -> None:
        case = make_labels(20)
        first, second = predictions(case, 0.8, 1), predictions(case, 0.7, 2, seeds=3)
        labels, groups = np.tile(case, (30, 1)), [str(row // 20) for row in range(600)]
        found = compare(
            labels,
            groups,
            self.identical_cases(first, SEEDS, "a"),
            self.identical_cases(second, (5, 6, 7), "b"),
        )
        expected = stats.ttest_ind(seed_scores(case, first), seed_scores(case, second), equal_var=False)
        interval = expected.confidence_interval(0.95)
        assert not found.paired_seeds
        assert found.p_value == pytest.approx(expected.pvalue, rel=1e-4)
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-5)

    def test_a_deterministic_baseline_adds_no_noise_of_seeds(self) -> None:
        labels = make_labels(100)
        first = Contender("a", predictions(labels, 0.8, 1), SEEDS)
        baseline = Contender("majority", np.zeros((1, 100, 2), dtype=np.int64), (0,))
        found = compare(labels, [str(row) for row in range(100)], first, baseline)
        scores = seed_scores(labels, first.predictions)
        assert found.seed_error == pytest.approx(scores.std(ddof=1) / math.sqrt(5))
        assert found.difference == pytest.approx(scores.mean() - seed_scores(labels, baseline.predictions)[0])

    def test_two_single_models_use_the_percentiles_of_the_resamples(self) -> None:
        labels = make_labels(80)
        groups = [str(row) for row in range(80)]
        first, second = (Contender(name, predictions(labels, 0.7, k, 1), (0,)) for k, name in enumerate("ab"))
        found = compare(labels, groups, first, second, resamples=400, seed=3)
        order = np.unique(groups, return_inverse=True)[1]
        scores = resampled_scores(labels, order, first.predictions, second.predictions, resamples=400, seed=3)
        drawn = (scores[0] - scores[1])[:, 0]
        drawn = found.difference + (drawn - drawn.mean()) * math.sqrt(80 / 79)
        assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))
        assert found.p_value == pytest.approx(2 * min((drawn < 0).mean(), (drawn > 0).mean()), abs=0.02)
        assert found.seed_error == 0.0

    def test_copies_within_a_case_are_no_further_evidence(self) -> None:
        labels = make_labels(60)
        single = [Contender(name, predictions(labels, 0.7, k), SEEDS) for k, name in enumerate("ab")]
        copied = [Contender(each.name, np.repeat(each.predictions, 9, axis=1), SEEDS) for each in single]
        cases = [str(row) for row in range(60)]
        alone = compare(labels, cases, *single)
        together = compare(np.repeat(labels, 9, axis=0), np.repeat(cases, 9).tolist(), *copied)
        apart = compare(np.repeat(labels, 9, axis=0), [str(row) for row in range(540)], *copied)
        assert together.test_error == pytest.approx(alone.test_error, rel=1e-6)
        assert together.groups == 60
        assert apart.test_error == pytest.approx(alone.test_error / 3, rel=0.15)

    def test_the_other_way_round_is_the_mirror_image(self) -> None:
        labels = make_labels(90)
        groups = [str(row // 2) for row in range(90)]
        first, second = (Contender(name, predictions(labels, 0.7, k), SEEDS) for k, name in enumerate("ab"))
        forth, back = compare(labels, groups, first, second), compare(labels, groups, second, first)
        assert back.difference == pytest.approx(-forth.difference)
        assert (back.low, back.high) == pytest.approx((-forth.high, -forth.low), abs=1e-6)
        assert back.p_value == pytest.approx(forth.p_value, abs=1e-6)

    def test_equal_contenders_are_not_distinguishable(self) -> None:
        labels = make_labels(50)
        same = Contender("a", predictions(labels, 0.7, 0), SEEDS)
        found = compare(labels, [str(row) for row in range(50)], same, same)
        assert (found.difference, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)
        assert judge({"same": found})["same"].verdict == "not distinguishable"
        assert examples_needed(found) is None

    def test_what_does_not_fit_is_refused(self) -> None:
        labels = make_labels(10)
        good = Contender("a", predictions(labels, 0.7, 0), SEEDS)
        with pytest.raises(ValueError, match="4 seeds for predictions"):
            Contender("a", good.predictions, SEEDS[:4])
        with pytest.raises(ValueError, match="two cases"):
            compare(labels, ["one"] * 10, good, good)
        with pytest.raises(ValueError, match="a case an example"):
            compare(labels, ["one", "two"], good, good)
        with pytest.raises(ValueError, match="b: predictions"):
            compare(labels, [str(r) for r in range(10)], good, Contender("b", good.predictions[:, :9], SEEDS))


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

    def test_verdicts_over_a_family(self) -> None:
        family = {
            "gain": comparison(0.05, p=0.004),
            "loss": comparison(-0.05, p=0.012),
            "alone it would do": comparison(0.03, p=0.03),
            "nothing": comparison(0.01, p=0.6),
        }
        found = judge(family)
        assert {name: each.verdict for name, each in found.items()} == {
            "gain": "better",
            "loss": "worse",
            "alone it would do": "not distinguishable",
            "nothing": "not distinguishable",
        }
        assert found["alone it would do"].adjusted_p == pytest.approx(0.06)


class TestIntervalOverSeeds:
    def test_against_scipy(self) -> None:
        scores = [0.91, 0.88, 0.93, 0.90, 0.87]
        found = interval_over_seeds(scores)
        expected = stats.t.interval(0.95, 4, np.mean(scores), stats.sem(scores))
        assert (found.mean, found.low, found.high) == pytest.approx((np.mean(scores), *expected))

    def test_a_single_seed_has_no_interval(self) -> None:
        found = interval_over_seeds([0.9])
        assert (found.mean, found.low, found.high, found.seeds) == (0.9, None, None, 1)


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

    def test_shapes(self) -> None:
        with pytest.raises(ValueError, match="equal shapes"):
            mcnemar(np.zeros(3), np.zeros(2), np.zeros(3))
