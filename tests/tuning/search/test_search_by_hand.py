"""Pruners and samplers against what their names promise."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from distune.errors import UserError
from distune.tuning.search.fold_pruner import FoldPruner
from distune.tuning.search.pruners import (
    FEWEST_COMPLETE,
    PRUNER_SETTINGS,
    check_pruner_of_folds,
    is_too_short,
    make_pruner,
    make_pruner_of_folds,
    pruner_settings,
)
from distune.tuning.search.samplers import plain_sampler
from distune.tuning.search.seeded_sampler import SeededSampler, _without_other_spaces, sampler_of_values

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


@pytest.mark.slow
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


def test_parameters_are_drawn_one_by_one_by_seed_number_and_name() -> None:
    study = study_of([i / 20 for i in range(1, 20)])
    study.ask()
    trial = study.get_trials()[-1]

    def draw(sampler: str, seed: int = 1, number: int = 30, name: str = "c") -> float:
        distribution = optuna.distributions.FloatDistribution(0.0, 1.0)
        drawn = SeededSampler(sampler, seed, number, {}).sample_independent(study, trial, name, distribution)
        return float(drawn)

    for sampler in ("tpe", "random", "qmc"):
        assert draw(sampler) == draw(sampler)
        assert len({draw(sampler), draw(sampler, 2), draw(sampler, 1, 31), draw(sampler, name="d")}) == 4
    assert draw("random") == draw("qmc") == draw("gp"), "these draw alone at random"
    assert draw("tpe", name="a") != draw("random", name="a")
    before = draw("tpe", name="a"), draw("random", name="a")
    study = study_of([])
    study.ask()
    trial = study.get_trials()[-1]
    assert draw("tpe", name="a") != before[0], "it learns from the trials before"
    assert draw("random", name="a") == before[1]


def test_which_parameters_are_drawn_together() -> None:
    study = study_of([])
    joint = {
        "b": optuna.distributions.FloatDistribution(0.0, 1.0),
        "fixed": optuna.distributions.CategoricalDistribution((3,)),
        "a": optuna.distributions.IntDistribution(1, 2),
    }
    study.ask()
    trial = study.get_trials()[-1]
    for name, found in (("tpe", ["a", "b"]), ("gp", ["a", "b"]), ("qmc", ["a", "b"]), ("random", [])):
        space = SeededSampler(name, 1, 2, joint).infer_relative_search_space(study, trial)
        assert list(space) == found, "in the order of their names, whatever the order of the space"


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_low_discrepancy_points_are_those_of_the_trials_numbers() -> None:
    study = study_of([])
    study.ask()
    trial = study.get_trials()[-1]
    plain = optuna.samplers.QMCSampler(seed=1, scramble=True)
    for number in range(4):
        expected = plain.sample_relative(study, trial, SPACE)
        assert SeededSampler("qmc", 1, number, SPACE).sample_relative(study, trial, SPACE) == expected


def test_what_each_sampler_of_optuna_is_set_to() -> None:
    tpe, qmc = plain_sampler("tpe", 5), plain_sampler("qmc", 5)
    assert (tpe._multivariate, tpe._constant_liar) == (True, True)  # type: ignore[attr-defined]
    assert (qmc._scramble, qmc._seed) == (True, 5)  # type: ignore[attr-defined]
    study = study_of([i / 20 for i in range(1, 20)])
    study.ask()
    trial = study.get_trials()[-1]
    for name in ("tpe", "random", "gp"):
        drawn = [
            plain_sampler(name, seed).sample_independent(study, trial, "c", SPACE["a"]) for seed in (5, 5, 6)
        ]
        assert drawn[0] == drawn[1] != drawn[2]
    given = {"a": 0.125, "b": 0.0, "c": False, "d": None}
    study.sampler = sampler_of_values(given)
    ends = optuna.distributions.CategoricalDistribution((None, True, False))
    assert study.ask({**SPACE, "c": ends, "d": ends}).params == given


def test_what_each_pruner_of_optuna_is_set_to() -> None:
    for name, share in (("median", 50.0), ("percentile", 75.0)):
        found = make_pruner(name, 10, 3)
        assert (found._percentile, found._n_startup_trials, found._n_warmup_steps) == (
            share,
            FEWEST_COMPLETE,
            4,
        )  # type: ignore[attr-defined]
    patient = make_pruner("patient", 10, 1)
    inner = patient._wrapped_pruner  # type: ignore[attr-defined]
    assert (patient._patience, inner._n_startup_trials, inner._n_warmup_steps) == (3, FEWEST_COMPLETE, 2)  # type: ignore[attr-defined]
    band = make_pruner("hyperband", 10)
    assert (band._min_resource, band._max_resource, band._reduction_factor) == (1, 10, 3)  # type: ignore[attr-defined]
    assert isinstance(make_pruner("none", 10), optuna.pruners.NopPruner)


@pytest.mark.parametrize(("name", "share"), [("median", 0.5), ("percentile", 0.25), ("none", None)])
def test_the_pruner_of_a_study_with_folds(name: str, share: float | None) -> None:
    found = make_pruner_of_folds(name, 2)
    if share is None:
        assert isinstance(found, optuna.pruners.NopPruner)
    else:
        assert isinstance(found, FoldPruner)
        assert (found._share, found._warmup, found._fewest) == (share, 2, FEWEST_COMPLETE)


@pytest.mark.parametrize("name", ["hyperband", "patient"])
def test_a_pruner_of_epochs_is_none_of_folds(name: str) -> None:
    for refuse in (check_pruner_of_folds, lambda name: make_pruner_of_folds(name, 1)):
        with pytest.raises(UserError, match=name):
            refuse(name)


@pytest.mark.parametrize(
    ("means", "complete", "pruned"),
    [
        ([0.9], 5, False),  # the first fold is the warm-up
        ([0.9, 0.29], 5, True),
        ([0.1, 0.3], 5, False),  # equal to the median
        ([0.9, 0.29], 4, False),  # too few are complete
        ([0.9, 0.29, 0.5], 5, False),  # no complete trial has a third
        ([], 5, False),
    ],
)
def test_a_mean_over_folds_is_compared_with_those_of_complete_trials(
    means: list[float], complete: int, pruned: bool
) -> None:
    study = optuna.create_study(direction="maximize")
    for number, score in enumerate([0.1, 0.2, 0.3, 0.4, 0.5, 0.9, 0.9, 0.9]):
        if number < complete:
            study.add_trial(optuna.trial.create_trial(value=score, intermediate_values={1: 0.9, 2: score}))
        elif number >= 5:  # what others were pruned at does not count
            study.add_trial(
                optuna.trial.create_trial(
                    value=score, state=optuna.trial.TrialState.PRUNED, intermediate_values={2: score}
                )
            )
    trial = study.ask()
    for fold, mean in enumerate(means, 1):
        trial.report(mean, fold)
    frozen = study.get_trials()[trial.number]
    assert FoldPruner(0.5, 1, 5).prune(study, frozen) is pruned


def test_trials_that_run_are_part_of_every_view_of_a_study() -> None:
    study = optuna.create_study()
    one, two = (
        optuna.distributions.FloatDistribution(0.0, 1.0),
        optuna.distributions.FloatDistribution(0.0, 2.0),
    )
    study.add_trial(create_trial(value=0.5, params={"a": 0.5, "b": 0.5}, distributions={"a": one, "b": two}))
    study.add_trial(create_trial(value=0.5, params={"a": 0.5}, distributions={"a": one}))
    study.ask()
    view = _without_other_spaces(study, {"a": one, "b": two})
    assert [trial.number for trial in view._get_trials(deepcopy=False)] == [0, 2]
    for state, numbers in ((TrialState.COMPLETE, [0]), (TrialState.RUNNING, [2])):
        assert [trial.number for trial in view._get_trials(deepcopy=False, states=(state,))] == numbers
    assert len(study._get_trials(deepcopy=False)) == 3
