"""Pruners and samplers against what their names promise."""

from __future__ import annotations

import optuna
import pytest

from distune.tuning.search.pruners import make_pruner
from distune.tuning.search.seeded_sampler import SeededSampler

SPACE = {
    "a": optuna.distributions.FloatDistribution(0.0, 1.0),
    "b": optuna.distributions.FloatDistribution(0.0, 1.0),
}


def study_of(scores: list[float]) -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    for score in scores:
        study.add_trial(
            optuna.trial.create_trial(
                params={"a": score, "b": (7 * score) % 1.0}, distributions=SPACE, value=score,
                intermediate_values=dict.fromkeys(range(1, 7), score),
            )
        )  # fmt: skip
    return study


@pytest.mark.parametrize(
    ("name", "score", "pruned"),
    [
        ("median", 0.40, True),
        ("median", 0.60, False),
        ("percentile", 0.40, False),  # among the better three quarters
        ("percentile", 0.15, True),  # in the worst quarter
        ("none", 0.0, False),
    ],
)
def test_which_trials_a_pruner_stops(name: str, score: float, pruned: bool) -> None:
    study = study_of([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    trial = study.ask()
    for epoch in range(1, 5):
        trial.report(score, epoch)
    frozen = study.get_trials(deepcopy=False)[trial.number]
    assert bool(make_pruner(name, 10).prune(study, frozen)) is pruned


@pytest.mark.parametrize("name", ["tpe", "gp", "qmc"])
def test_joint_draws_depend_on_the_studys_seed_and_the_trials_number(name: str) -> None:
    def draw(seed: int, number: int) -> dict[str, float]:
        study = study_of([i / 20 for i in range(1, 20)])  # of its own: gp notes what it drew in the trial
        study.ask()
        return SeededSampler(name, seed, number, SPACE).sample_relative(study, study.get_trials()[-1], SPACE)

    assert draw(1, 30) == draw(1, 30)
    assert draw(1, 30) != draw(2, 30)
    assert draw(1, 30) != draw(1, 31)
