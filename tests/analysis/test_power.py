"""How many examples or seeds would tell a difference: against the equation, and against confirmations of that size."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from scipy import stats
from simulated_confirmations import GAIN, simulated

from distune.confirmation.statistics.power import examples_needed, seeds_needed
from distune.confirmation.statistics.significance import Comparison, compare


def comparison(
    difference: float, *, test: float = 0.02, seed: float = 0.01, interaction: float = 0.0
) -> Comparison:
    half = 2.2 * math.hypot(test, seed)
    low, high = difference - half, difference + half
    return Comparison("a", "b", difference, low, high, 0.5, test, seed, interaction, 200, 100, True)


def test_solves_its_equation() -> None:
    found = comparison(0.06, test=0.02, seed=0.01)
    needed = examples_needed(found)
    assert needed is not None
    error = math.sqrt(0.02**2 * 200 / needed + 0.01**2)
    assert (2.2 + stats.norm.ppf(0.8)) * error == pytest.approx(0.06, rel=0.01)


def test_more_for_a_smaller_difference_and_none_within_the_noise_of_the_seeds() -> None:
    needed = [examples_needed(comparison(difference)) for difference in (0.08, 0.06, 0.04, 0.02)]
    assert needed[0] < needed[1] < needed[2]  # type: ignore[operator]
    assert needed[3] is None


def studies(cases: int, seeds: range) -> list[Comparison]:
    """Comparisons of two contenders that truly differ, each on a test split of its own."""
    found = []
    for seed in seeds:
        labels, groups, pair = simulated(seed, (GAIN, 0.0), cases=cases)
        found.append(compare(labels, groups, *pair, resamples=200, seed=seed))
    return found


def typical(found: list[Comparison]) -> Comparison:
    """What the comparisons come to on average, errors by their variance."""
    columns = {field.name: [getattr(one, field.name) for one in found] for field in fields(Comparison)}
    means = {name: float(np.mean(columns[name])) for name in ("difference", "low", "high")}
    errors = ("test_error", "seed_error", "interaction_error")
    spreads = {name: float(np.sqrt(np.mean(np.square(columns[name])))) for name in errors}
    return replace(found[0], **means, **spreads, examples=round(np.mean(columns["examples"])))


def test_that_many_examples_really_tell() -> None:
    """Confirmations of the size that small ones ask for exclude 0 in about 80 %, those of half the size in fewer."""
    small = typical(studies(40, range(100)))
    needed = examples_needed(small)
    assert needed is not None and needed > 3 * small.examples
    cases = round(needed * small.groups / small.examples)
    told = [
        np.mean([one.low > 0 for one in studies(size, range(1000, 1200))]) for size in (cases // 2, cases)
    ]
    assert told[0] < 0.7
    assert told[1] == pytest.approx(0.8, abs=0.08)


def test_the_luck_of_seeds_with_examples_shrinks_with_either() -> None:
    """Counted in both errors, it is taken out of what stays and stands twice in what shrinks."""
    found = comparison(0.05, test=0.02, seed=0.01, interaction=0.008)
    quantile = 2.2 + stats.norm.ppf(0.8)
    examples = examples_needed(found)
    assert examples is not None
    alone, cases, both = 0.01**2 - 0.008**2, 0.02**2 - 0.008**2, 2 * 0.008**2
    with_examples = math.sqrt(alone + (cases + both) * 200 / examples)
    assert quantile * with_examples == pytest.approx(0.05, rel=0.01)
    wide = comparison(0.07, test=0.02, seed=0.02, interaction=0.008)
    needed = seeds_needed(wide, 50)
    assert needed is not None
    with_seeds = math.sqrt(cases + (0.02**2 - 0.008**2 + both) * 50 / needed)
    assert quantile * with_seeds == pytest.approx(0.07, rel=0.02)
    assert seeds_needed(comparison(0.01), 5) is None
    assert seeds_needed(comparison(0.06, seed=0.0), 5) is None


@pytest.mark.parametrize("noise", [0.0, 0.25])
def test_the_two_parts_of_the_noise_over_seeds_are_told_apart(noise: float) -> None:
    """Where only single examples are lucky, nothing is left to the seeds alone; where all of a seed is, most."""
    parts = []
    for seed in range(60):
        labels, groups, pair = simulated(seed, (0.0, 0.0), cases=60, noise_of_seeds=noise)
        found = compare(labels, groups, *pair, resamples=200, seed=seed)
        parts.append((found.seed_error**2, found.interaction_error**2))
    seeds, interaction = np.mean(parts, axis=0)
    assert interaction / seeds == pytest.approx(1.0 if noise == 0.0 else 0.2, abs=0.15)
