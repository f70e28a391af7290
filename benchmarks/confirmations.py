"""How often the intervals, verdicts, decisions and forecasts of a confirmation are right where the truth is known.

    python -m benchmarks.confirmations [--simulations 4000] [--seed 1] [--keep rows.jsonl]

Every row is so many simulated confirmations, evaluated by the code that `distune confirm` runs. Coverage is the share
of 95 % intervals that hold the truth; width is the mean width over that of an interval from the true standard error,
which no one knows in practice; "better" is said by the family-wise interval of the two primary questions. "Takes it" is
how often the decision takes the tuned config, where the search promised its true gain and the luck of the best of 30. A
forecast's width is given over the scatter of a new score, and over that of the narrowest forecast from so many known
cases: the one that knew all errors but the mean itself. With one seed a forecast is of that same training; how often it
would hold for another one stands beside it.

With --keep, finished rows are kept in a file and not computed again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import machine, table
from benchmarks.simulated_confirmations import CLASSES, GAINS, World
from distune.confirmation.statistics.decision import candidates_of, expected_maximum, prior_deviation
from distune.confirmation.statistics.forecast import forecast
from distune.confirmation.statistics.inference.intervals import interval_over_cases
from distune.confirmation.statistics.inference.pseudovalues import counts_by_case, mean_macro_f1, pseudovalues
from distune.confirmation.statistics.inference.significance import Comparison, family_level
from distune.confirmation.statistics.inference.standard_errors import errors_of

CASES, SEEDS, POINTS = (40, 200, 1000), (3, 5, 10), (0, 2, 5)
NORMAL = 1.959964
SEARCHED, RELEVANT_GAIN = 30, 0.01
BY_CASE = World(labels_by_case=True)
FORECASTS = (
    (40, 1, World(seed_noise=0.0)),
    *((40, seeds, World()) for seeds in (1, 3, 5)),
    (200, 1, World(seed_noise=0.0)),
    *((200, seeds, World()) for seeds in (1, 3, 5)),
    (40, 5, World(2.0, 0.02)),
    (200, 1, World(2.0, 0.02)),
    (600, 5, World(2.0, 0.02)),
    (200, 5, BY_CASE),
)
"""Known cases, seeds and world of the forecasts, each for 69 new cases."""
NEW_CASES = 69


def differences(
    cases: int, seeds: int, points: int, world: World, simulations: Sequence[int], seed: int = 0
) -> NDArray[np.float64]:
    """One row a simulation: the difference, both ends of both intervals, and whether the decision takes the config."""
    return np.array([_difference(cases, seeds, points, world, (seed, number)) for number in simulations])


def forecasts(
    cases: int, seeds: int, world: World, simulations: Sequence[int], seed: int = 0
) -> NDArray[np.float64]:
    """One row a simulation: a new score, both ends of its forecast, the mean over seeds and its interval's ends."""
    return np.array([_forecast(cases, seeds, world, (seed, number)) for number in simulations])


def _draws(key: tuple[int, int], *more: int) -> np.random.Generator:
    """Seed 0 is the generator that the corrections were chosen with."""
    seed, number = key
    return np.random.default_rng((number, *more) if seed == 0 else (seed, number, *more))


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
    narrowest = 2 * NORMAL * np.std(new - mean, ddof=1)
    return {
        "over_narrowest": float((high - low).mean() / narrowest),
        "coverage": float(((low <= new) & (new <= high)).mean()),
        "width": float((high - low).mean() / np.diff(np.quantile(new, ends))[0]),
        "score_coverage": float(((mean_low <= truth) & (truth <= mean_high)).mean()),
        "score_width": float((mean_high - mean_low).mean() / np.diff(np.quantile(mean, ends))[0]),
    }


def _difference(cases: int, seeds: int, points: int, world: World, key: tuple[int, int]) -> tuple[float, ...]:
    generator = _draws(key, cases, seeds)
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


def _forecast(cases: int, seeds: int, world: World, key: tuple[int, int]) -> tuple[float, ...]:
    """Some cases and trainings are known; another training is evaluated on other cases."""
    generator = _draws(key, cases, seeds, 1)
    labels, case_of, (drawn,) = world.draw(generator, (0.0,), cases=cases + NEW_CASES, seeds=seeds + 1)
    is_known = case_of < cases
    known = counts_by_case(labels[is_known], case_of[is_known], drawn[:seeds][:, is_known], CLASSES)
    new = counts_by_case(labels[~is_known], case_of[~is_known] - cases, drawn[seeds:][:, ~is_known], CLASSES)
    found, interval = forecast(*pseudovalues(known), NEW_CASES), interval_over_cases(known)
    score = float(mean_macro_f1([each.summed() for each in new])[0])
    if found is None or interval.low is None or interval.high is None:
        raise ValueError(f"{cases} known cases that all answer alike; the world is too easy")
    return score, found.low, found.high, interval.mean, interval.low, interval.high


class _Kept:
    """Rows that are done, in a file of one JSON line each where one is named."""

    def __init__(self, pool: ProcessPoolExecutor, file: Path | None, simulations: int, seed: int):
        self._pool, self._file, self._count, self._seed = pool, file, simulations, seed
        lines = file.read_text(encoding="utf-8").splitlines() if file is not None and file.is_file() else []
        self._known: dict[str, dict[str, float]] = dict(json.loads(line) for line in lines)

    def row(
        self,
        name: str,
        simulate: partial[NDArray[np.float64]],
        sum_up: Callable[[NDArray[np.float64], float], dict[str, float]],
        truth: float,
    ) -> dict[str, float]:
        """A row's summary, simulated where it is not known."""
        key = f"{name}; {self._count} simulations, seed {self._seed}"
        if key not in self._known:
            parts = [range(start, min(start + 100, self._count)) for start in range(0, self._count, 100)]
            self._known[key] = sum_up(np.concatenate(list(self._pool.map(simulate, parts))), truth)
            if self._file is not None:
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([key, self._known[key]]) + "\n")
        return self._known[key]


def _described(world: World, seeds: int) -> str:
    parts = [f"{world.true_score():.3f}"]
    if seeds == 1:  # without noise between them, another training is as good as the same one
        parts.append("another training" if world.seed_noise else "the same training")
    return ", ".join([*parts, *["labels by case"] * world.labels_by_case])


def main() -> int:
    """Prints both tables; the exit code is 1 where a figure of the differences is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--simulations", type=int, default=4000, help="of each row")
    parser.add_argument("--seed", type=int, default=1, help="of the simulations; 0 chose the corrections")
    parser.add_argument("--keep", type=Path, help="file of the rows that are done")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    missed = 0
    rows = [
        ["cases", "seeds", "true gain", "coverage", "width", "better", "worse", "mean is higher", "takes it"]
    ]
    others = [
        [
            *("known cases", "seeds", "level", "forecast: coverage", "width", "over the narrowest"),
            *("score: coverage", "width"),
        ]
    ]
    with ProcessPoolExecutor(options.processes) as pool:
        kept = _Kept(pool, options.keep, options.simulations, options.seed)
        for cases, seeds, points in product(CASES, SEEDS, POINTS):
            truth = World().true_score(GAINS[points]) - World().true_score()
            simulate = partial(differences, cases, seeds, points, World(), seed=options.seed)
            found = kept.row(f"{cases} cases, {seeds} seeds, {points} points", simulate, summary, truth)
            missed += not 0.93 <= found["coverage"] <= 0.97
            missed += seeds >= 5 and found["width"] > 1.15
            missed += points == 0 and found["better"] > 0.05
            shares = [f"{found[key]:.3f}" for key in ("better", "worse", "higher", "taken")]
            known = [str(cases), str(seeds), f"{points} points"]
            rows.append([*known, f"{found['coverage']:.3f}", f"{found['width']:.2f}", *shares])
        for cases, seeds, world in FORECASTS:
            simulate = partial(forecasts, cases, seeds, world, seed=options.seed)
            name = f"forecast from {cases} cases, {seeds} seeds, {world}"
            found = kept.row(name, simulate, forecast_summary, world.true_score())
            keys = ("coverage", "width", "over_narrowest", "score_coverage", "score_width")
            others.append(
                [str(cases), str(seeds), _described(world, seeds), *(f"{found[key]:.3f}" for key in keys)]
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
