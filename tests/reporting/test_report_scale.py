"""A report of many trials: made in seconds, and no larger than a browser opens at once."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from distune.analysis.records.from_optuna import from_optuna
from distune.reporting.report import write_report

pytestmark = pytest.mark.slow

TRIALS = 10_000
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


@pytest.mark.slow
def test_the_report_of_ten_thousand_trials_takes_under_thirty_seconds_of_a_processor(tmp_path: Path) -> None:
    """Time of the processor, not of the clock: other work on the machine must not decide."""
    rng = np.random.default_rng(0)
    study = optuna.create_study(direction="maximize")
    study.add_trials([trial(number, rng) for number in range(TRIALS)])
    states = {state: len(study.get_trials(deepcopy=False, states=(state,))) for state in TrialState}
    assert min(states[s] for s in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)) > 300
    started = time.process_time()
    write_report(from_optuna(study), tmp_path)
    assert time.process_time() - started < 30
    assert (tmp_path / "report.html").stat().st_size < 8_000_000
