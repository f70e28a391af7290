"""How long does the report of very many trials take, and how large is its page?

    python -m benchmarks.report [--sizes 1000 10000]

Simulated studies of ten epochs a trial, half of them pruned; seconds of the processor for pages and figures.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from benchmarks.machine import machine, table
from distune.analysis.records.from_optuna import from_optuna
from distune.reporting.report import write_report

DISTRIBUTIONS: dict[str, BaseDistribution] = {
    **{name: FloatDistribution(5e-6, 1e-3, log=True) for name in ("teacher_lr", "student_lr")},
    **{
        name: FloatDistribution(0.05, 2.0)
        for name in ("alpha", "beta", "T", "teacher_dropout", "student_dropout")
    },
    **{f"{role}_fusion_layers": IntDistribution(1, 3) for role in ("teacher", "student")},
    **{f"{role}_fusion_dim": CategoricalDistribution((256, 384, 512)) for role in ("teacher", "student")},
    "loss": CategoricalDistribution(("combined", "vanilla", "crd")),
    "student_vision": CategoricalDistribution(("a", "b", "c", "d")),
}


def trial(number: int, rng: np.random.Generator) -> FrozenTrial:
    """A trial of ten epochs whose score alpha and the loss make; half are pruned, one in twenty fails."""
    unit = dict(zip(DISTRIBUTIONS, rng.random(len(DISTRIBUTIONS)), strict=True))
    params = {name: drawn(distribution, unit[name]) for name, distribution in DISTRIBUTIONS.items()}
    score = 0.6 + 0.1 * unit["alpha"] + 0.05 * (params["loss"] == "crd") + 0.02 * rng.standard_normal()
    scores = [score - 0.3 / epoch for epoch in range(1, 11)]
    state = TrialState.COMPLETE
    if number and rng.random() < 0.05:
        state, scores = TrialState.FAIL, scores[:1]
    elif number > 20 and score < 0.67:
        state, scores = TrialState.PRUNED, scores[: int(rng.integers(3, 9))]
    stages = {"data": 1.0, "teacher": 30.0, "targets": 2.0, "student": 6.0 * len(scores), "evaluation": 1.0}
    return create_trial(
        state=state,
        value=scores[-1] if state is TrialState.COMPLETE else None,
        params=params,
        distributions=DISTRIBUTIONS,
        intermediate_values=dict(enumerate(scores, 1)),
        user_attrs={
            "baseline": number == 0,
            "seconds": sum(stages.values()),
            "stage_seconds": stages,
            "peak_memory_mb": 2000.0,
            "device": "cuda:0",
            "worker": number % 8,
            "cache_hits": 3,
            **({"failure_kind": "out_of_memory"} if state is TrialState.FAIL else {}),
        },
    )


def drawn(distribution: BaseDistribution, place: float) -> object:
    """The value at a place between 0 and 1."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(place * len(distribution.choices))]
    if isinstance(distribution, IntDistribution):
        return distribution.low + int(place * (distribution.high - distribution.low + 1))
    assert isinstance(distribution, FloatDistribution)
    if distribution.log:
        return float(distribution.low * (distribution.high / distribution.low) ** place)
    return float(distribution.low + place * (distribution.high - distribution.low))


def simulated_study(trials: int) -> optuna.Study:
    """A study in memory."""
    rng = np.random.default_rng(0)
    study = optuna.create_study(direction="maximize")
    study.add_trials([trial(number, rng) for number in range(trials)])
    return study


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000])
    rows = [["trials", "seconds of the processor", "report.html"]]
    for size in parser.parse_args().sizes:
        study = from_optuna(simulated_study(size))
        with tempfile.TemporaryDirectory() as folder:
            started = time.process_time()
            write_report(study, Path(folder))
            seconds = time.process_time() - started
            page = (Path(folder) / "report.html").stat().st_size
        rows.append([f"{size:,}", f"{seconds:.1f}", f"{page / 1e6:.1f} MB"])
    print(machine())
    print()
    print(table(rows))


if __name__ == "__main__":
    main()
