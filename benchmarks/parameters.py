"""How often a study names a parameter that matters, and one that does not, where the truth is known.

    python -m benchmarks.parameters [--studies 200] [--samplers tpe random] [--trials 24 50 100] [--share 0.5]

Every row is so many simulated studies of eight parameters, evaluated by the code of the report. One parameter moves the
score straight from end to end of its range, by so much that it explains the given share of the variance of evenly
spread trials, by default the smallest that should be named; the rest is noise. "Another" says how often any of the
seven others is named.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from benchmarks.machine import machine, table
from distune.analysis.parameters.importance import HALF, Importance, importance
from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import StudyRecord, TrialRecord

NAMES = "abcdefgh"
TRIALS = (24, 50, 100)
SAMPLERS = ("tpe", "random")
SPACE = {
    name: Parameter(name, "categorical", choices=(0, 1, 2))
    if name in "cfh"
    else Parameter(name, "float", 0.0, 1.0)
    for name in NAMES
}


def study(trials: int, effect: float, sampler: str, number: int) -> StudyRecord:
    """One study whose score is the effect times parameter a, and noise of deviation 1."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    generator = np.random.default_rng((number, trials))
    samplers = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
    tuned = optuna.create_study(direction="maximize", sampler=samplers[sampler](seed=number))
    for _ in range(trials):
        trial = tuned.ask()
        values = {
            name: trial.suggest_categorical(name, list(about.choices))
            if about.kind == "categorical"
            else trial.suggest_float(name, 0.0, 1.0)
            for name, about in SPACE.items()
        }
        tuned.tell(trial, effect * float(values["a"]) + float(generator.normal()))
    records = tuple(TrialRecord(t.number, "complete", t.value, t.params) for t in tuned.trials)
    return StudyRecord("simulated", "maximize", records, SPACE, "study")


def named(trials: int, effect: float, sampler: str, number: int) -> tuple[bool, bool]:
    """Whether the parameter that matters is named, and whether another is."""
    found = importance(study(trials, effect, sampler, number))
    assert isinstance(found, Importance)
    return "a" in found.named, bool(set(found.named) - {"a"})


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=200, help="of each row")
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=SAMPLERS)
    parser.add_argument("--trials", nargs="+", type=int, default=TRIALS, help="complete trials of a study")
    parser.add_argument(
        "--share", type=float, help="of the variance; left open, HALF / (trials + HALF), and 0"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    rows = [["sampler", "complete trials", "share of the variance", "named", "another"]]
    with ProcessPoolExecutor(options.processes) as pool:
        for sampler in options.samplers:
            for trials in options.trials:
                for share in (0.0, HALF / (trials + HALF)) if options.share is None else (options.share,):
                    effect = math.sqrt(12 * share / (1 - share))
                    simulate = partial(named, trials, effect, sampler)
                    found = np.array(list(pool.map(simulate, range(options.studies), chunksize=5)))
                    shares = [f"{value:.3f}" for value in found.mean(axis=0)]
                    rows.append([sampler, str(trials), f"{share:.2f}", *shares])
                    print("  ".join(rows[-1]), file=sys.stderr, flush=True)
    print(f"{machine()}\n\n{options.studies} simulated studies a row.\n\n{table(rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
