"""Confirmations whose truth is known: how often does the verdict lie, and how often does it find a real gain?"""

from __future__ import annotations

import numpy as np

from distune.analysis.significance import Comparison, Contender, compare, judge

CLASSES = (2, 5)
SEEDS = 5
GAIN = 0.24  # in the latent units of `confirmation`: 5 points of score, held by a test below
RESAMPLES = 200


def confirmation(
    seed: int, gains: tuple[float, ...], *, cases: int = 100, noise_of_seeds: float = 0.08, seeds: int = SEEDS
) -> tuple[np.ndarray, list[str], list[Contender]]:
    """Test predictions of several contenders.

    An example is right where base + gain + difficulty of its case and its own + the contender's liking for its case and
    for it + luck of the training with this seed + luck of this seed with this example is positive. One to three
    examples a case. The default seeds give scores a standard deviation of about 1.5 points.
    """
    generator = np.random.default_rng(seed)
    case_of = np.repeat(np.arange(cases), generator.integers(1, 4, cases))
    shape = (len(case_of), len(CLASSES))
    labels = np.stack([generator.choice(c, shape[0], p=_frequencies(c)) for c in CLASSES], axis=1)

    def by_case_and_example(size: float) -> np.ndarray:
        return generator.normal(0, size, (cases, 1))[case_of] + generator.normal(0, size, shape)

    difficulty = by_case_and_example(0.7)
    contenders = []
    for number, gain in enumerate(gains):
        ability = 1.2 + gain + difficulty + by_case_and_example(0.28)
        luck = generator.normal(0, noise_of_seeds, (seeds, 1, 1)) + generator.normal(0, 0.35, (seeds, *shape))
        shifts = np.stack([generator.integers(1, c, (seeds, shape[0])) for c in CLASSES], axis=2)
        wrong = (labels[None] + shifts) % np.array(CLASSES)
        predicted = np.where(ability + luck > 0, labels[None], wrong)
        contenders.append(Contender(str(number), predicted, tuple(range(seeds))))
    return labels, [str(case) for case in case_of], contenders


def _frequencies(classes: int) -> np.ndarray:
    weights = np.arange(classes, 0, -1.0)
    return weights / weights.sum()


def _compare(seed: int, gains: tuple[float, ...], cases: int, noise_of_seeds: float) -> dict[str, Comparison]:
    """Each later contender against contender 0, the base."""
    labels, groups, (base, *others) = confirmation(seed, gains, cases=cases, noise_of_seeds=noise_of_seeds)
    return {each.name: compare(labels, groups, each, base, resamples=RESAMPLES, seed=seed) for each in others}


def test_without_a_difference_better_is_said_in_at_most_five_percent_of_confirmations() -> None:
    lies = 0
    for seed in range(400):
        # Few and noisy, or many and steady: the truth must hold in every kind of study.
        cases, noise = ((40, 0.25), (100, 0.08), (100, 0.25), (60, 0.02))[seed % 4]
        found = judge(_compare(seed, (0.0, 0.0, 0.0, 0.0), cases, noise))
        lies += any(each.verdict == "better" for each in found.values())
    assert lies <= 0.05 * 400


def test_a_single_interval_misses_zero_about_as_rarely_as_it_says() -> None:
    misses = 0
    for seed in range(400):
        noise = (0.25, 0.08)[seed % 2]
        (found,) = _compare(1000 + seed, (0.0, 0.0), 80, noise).values()
        misses += not found.low <= 0.0 <= found.high
        assert (found.p_value < 0.05) == (not found.low <= 0.0 <= found.high)
    assert 0.005 * 400 <= misses <= 0.06 * 400


def test_a_true_gain_of_five_points_is_found_in_most() -> None:
    found = []
    for seed in range(150):
        comparisons = _compare(seed, (0.0, GAIN), 200, 0.08)
        found.append(judge(comparisons)["1"].verdict)
    assert found.count("better") > 0.6 * len(found)
    assert found.count("worse") == 0


def test_the_gain_of_the_simulation_is_five_points_and_the_intervals_cover_it() -> None:
    from distune.analysis.significance_bootstrap import seed_scores

    labels, _, contenders = confirmation(7, (0.0, GAIN), cases=8000, seeds=60)
    base, better = (seed_scores(labels, each.predictions).mean() for each in contenders)
    truth = better - base
    assert 0.045 < truth < 0.055
    covered = 0
    for seed in range(150):
        (comparison,) = _compare(500 + seed, (0.0, GAIN), 100, 0.08).values()
        covered += comparison.low <= truth <= comparison.high
    assert covered >= 0.92 * 150
