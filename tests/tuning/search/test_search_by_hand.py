"""Pruners and samplers against what their names promise."""

from __future__ import annotations

import optuna
import pytest

from distune.tuning.search.pruners import PRUNER_SETTINGS, is_too_short, make_pruner, pruner_settings
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


@pytest.mark.parametrize(
    ("name", "epochs", "warmup", "is_short"),
    [
        ("median", 3, 2, True), ("median", 4, 2, False), ("percentile", 2, 1, True), ("patient", 4, 3, True),
        ("hyperband", 1, 2, False), ("none", 1, 2, False),
    ],
)  # fmt: skip
def test_whether_a_trial_ends_before_it_could_be_stopped(
    name: str, epochs: int, warmup: int, is_short: bool
) -> None:
    assert is_too_short(name, epochs, warmup) is is_short


def test_a_pruners_settings_are_a_copy_with_the_warmup_of_the_study() -> None:
    assert pruner_settings("percentile", 1) == {
        "percentile": 75.0,
        "n_startup_trials": 5,
        "n_warmup_steps": 1,
    }
    assert pruner_settings("hyperband", 1) == {"min_resource": 1, "reduction_factor": 3}
    pruner_settings("hyperband")["reduction_factor"] = 9
    assert PRUNER_SETTINGS["hyperband"]["reduction_factor"] == 3
    assert PRUNER_SETTINGS["percentile"]["n_warmup_steps"] == 2
