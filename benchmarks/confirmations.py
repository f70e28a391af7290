"""How often the intervals, verdicts, decisions and forecasts of a confirmation are right where the truth is known.

    python -m benchmarks.confirmations [--simulations 4000]

Every row is so many simulated confirmations, judged by the code that `distune confirm` runs. Coverage is the share of
95 % intervals that hold the truth; width is the mean width over that of an interval from the true standard error, which
no one knows in practice; "better" is said by the family-wise interval of the two primary questions. "Takes it" is how
often the decision takes the tuned config, where the search promised its true gain and the luck of the best of 30.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import machine, table
from benchmarks.simulated_confirmations import CLASSES, GAINS, World
from distune.confirmation.statistics.decision import candidates_of, expected_maximum, prior_deviation
from distune.confirmation.statistics.forecast import forecast
from distune.confirmation.statistics.intervals import interval_over_cases
from distune.confirmation.statistics.pseudovalues import counts_by_case, mean_macro_f1, pseudovalues
from distune.confirmation.statistics.significance import Comparison, family_level
from distune.confirmation.statistics.standard_errors import errors_of

CASES, SEEDS, POINTS = (40, 200, 1000), (3, 5, 10), (0, 2, 5)
NORMAL = 1.959964
SEARCHED, RELEVANT_GAIN = 30, 0.01
FORECASTS = ((40, 5, World()), (200, 5, World()), (200, 1, World(2.0, 0.02)), (600, 5, World(2.0, 0.02)))
"""Known cases, seeds and world of the forecasts, each for 69 new cases."""
NEW_CASES = 69


def differences(
    cases: int, seeds: int, points: int, world: World, simulations: Sequence[int]
) -> NDArray[np.float64]:
    """One row a simulation: the difference, both ends of both intervals, and whether the decision takes the config."""
    return np.array([_difference(cases, seeds, points, world, number) for number in simulations])


def forecasts(cases: int, seeds: int, world: World, simulations: Sequence[int]) -> NDArray[np.float64]:
    """One row a simulation: a new score, both ends of its forecast, the mean over seeds and its interval's ends."""
    return np.array([_forecast(cases, seeds, world, number) for number in simulations])


def summary(rows: NDArray[np.float64], truth: float) -> dict[str, float]:
    """What `differences` found, as shares and ratios."""
    difference, low, high, family_low, family_high, taken = rows.T
    return {
        "coverage": float(((low <= truth) & (truth <= high)).mean()),
        "width": float((high - low).mean() / (2 * NORMAL * difference.std(ddof=1))),
        "better": float((family_low > 0).mean()),
        "worse": float((family_high < 0).mean()),
        "taken": float(taken.mean()),
        "higher": float((difference > 0).mean()),
    }


def forecast_summary(rows: NDArray[np.float64], truth: float) -> dict[str, float]:
    """What `forecasts` found; the true widths are between the quantiles of the simulated scores."""
    new, low, high, mean, mean_low, mean_high = rows.T
    ends = [0.025, 0.975]
    return {
        "coverage": float(((low <= new) & (new <= high)).mean()),
        "width": float((high - low).mean() / np.diff(np.quantile(new, ends))[0]),
        "score_coverage": float(((mean_low <= truth) & (truth <= mean_high)).mean()),
        "score_width": float((mean_high - mean_low).mean() / np.diff(np.quantile(mean, ends))[0]),
    }


def _difference(cases: int, seeds: int, points: int, world: World, number: int) -> tuple[float, ...]:
    generator = np.random.default_rng((number, cases, seeds))
    labels, case_of, drawn = world.draw(generator, (GAINS[points], 0.0), cases=cases, seeds=seeds)
    (ours, table_), (base, base_table) = (
        pseudovalues(counts_by_case(labels, case_of, each)) for each in drawn
    )
    errors = errors_of([table_, -base_table])
    found = Comparison("tuned", "base", float(ours.mean() - base.mean()), errors, len(labels), cases)
    promised = points / 100 + expected_maximum(SEARCHED) * errors.standard_error
    about = candidates_of(
        ["base", "tuned"],
        {"base": float(base.mean()), "tuned": float(ours.mean())},
        [base_table, table_],
        prior_deviation(promised, SEARCHED, RELEVANT_GAIN),
        {"base": None, "tuned": None},
    )
    taken = about["tuned"].expected_gain > 0.1 * RELEVANT_GAIN
    return found.difference, found.low, found.high, *found.interval(family_level(2)), float(taken)


def _forecast(cases: int, seeds: int, world: World, number: int) -> tuple[float, ...]:
    """Some cases and trainings are known; another training is judged on other cases."""
    generator = np.random.default_rng((number, cases, seeds, 1))
    labels, case_of, (drawn,) = world.draw(generator, (0.0,), cases=cases + NEW_CASES, seeds=seeds + 1)
    is_known = case_of < cases
    known = counts_by_case(labels[is_known], case_of[is_known], drawn[:seeds][:, is_known], CLASSES)
    new = counts_by_case(labels[~is_known], case_of[~is_known] - cases, drawn[seeds:][:, ~is_known], CLASSES)
    found, interval = forecast(*pseudovalues(known), NEW_CASES), interval_over_cases(known)
    assert found is not None and interval.low is not None and interval.high is not None
    score = float(mean_macro_f1([each.summed() for each in new])[0])
    return score, found.low, found.high, interval.mean, interval.low, interval.high


def _in_parts(
    pool: ProcessPoolExecutor, simulate: partial[NDArray[np.float64]], count: int
) -> NDArray[np.float64]:
    parts = [range(start, min(start + 100, count)) for start in range(0, count, 100)]
    return np.concatenate(list(pool.map(simulate, parts)))


def main() -> int:
    """Prints both tables; the exit code is 1 where a figure of the differences is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--simulations", type=int, default=4000, help="of each row")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    missed = 0
    rows = [
        ["cases", "seeds", "true gain", "coverage", "width", "better", "worse", "mean is higher", "takes it"]
    ]
    others = [["known cases", "seeds", "level", "forecast: coverage", "width", "score: coverage", "width"]]
    with ProcessPoolExecutor(options.processes) as pool:
        for cases, seeds, points in product(CASES, SEEDS, POINTS):
            simulate = partial(differences, cases, seeds, points, World())
            truth = World().true_score(GAINS[points]) - World().true_score()
            found = summary(_in_parts(pool, simulate, options.simulations), truth)
            missed += not 0.93 <= found["coverage"] <= 0.97
            missed += seeds >= 5 and found["width"] > 1.15
            missed += points == 0 and found["better"] > 0.05
            shares = [f"{found[key]:.3f}" for key in ("better", "worse", "higher", "taken")]
            known = [str(cases), str(seeds), f"{points} points"]
            rows.append([*known, f"{found['coverage']:.3f}", f"{found['width']:.2f}", *shares])
        for cases, seeds, world in FORECASTS:
            simulate = partial(forecasts, cases, seeds, world)
            found = forecast_summary(_in_parts(pool, simulate, options.simulations), world.true_score())
            others.append(
                [str(cases), str(seeds), f"{world.true_score():.3f}"]
                + [f"{found[key]:.3f}" for key in ("coverage", "width", "score_coverage", "score_width")]
            )
    print(f"{machine()}\n\n{options.simulations} simulated confirmations a row.\n")
    print("Differences:\n\n" + table(rows))
    print(
        f"\nForecasts of a new training on {NEW_CASES} new cases, and the score's own interval:\n\n"
        + table(others)
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
