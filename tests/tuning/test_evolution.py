"""CMA-ES without a pickle in the database."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import Trial
from study_helpers import coordinator, setup_of, sqlite_study

from distune.tuning.search.cmaes import GENERATION, replayed
from distune.tuning.search.seeded_sampler import SeededSampler

pytest.importorskip("cmaes")

SPACE = {
    "alpha": FloatDistribution(0.0, 2.0),
    "heads": IntDistribution(1, 9, step=2),
    "lr": FloatDistribution(1e-5, 1e-2, log=True),
}
TRANSFORM = _SearchSpaceTransform(SPACE, transform_0_1=True)
POPULATION = 7


def score(trial):
    params = {name: trial._suggest(name, distribution) for name, distribution in SPACE.items()}
    return (
        -((np.log10(params["lr"]) + 3) ** 2) - (params["alpha"] - 1.5) ** 2 - 0.1 * abs(params["heads"] - 3)
    )


def ask(study):
    study.sampler = SeededSampler("cmaes", 0, len(study.trials), SPACE)
    trial = study.ask()
    return trial, score(trial)


def evolve(count):
    study = optuna.create_study(direction="maximize")
    for _ in range(count):
        study.tell(*ask(study))
    return study


def test_the_state_is_the_one_that_optuna_keeps_as_a_pickle():
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.CmaEsSampler(seed=1))
    study.optimize(score, n_trials=41)
    theirs, ours = study.sampler._restore_optimizer(study.trials), replayed(TRANSFORM, study.trials, seed=0)
    assert ours.generation == theirs.generation == 5
    for name in ("_mean", "_sigma", "_C", "_p_sigma", "_pc"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-9, err_msg=name)


def test_the_cloud_moves_to_good_scores_and_shrinks():
    study = evolve(20 * POPULATION)
    values = [trial.value for trial in study.trials]
    assert np.median(values[-20:]) > max(values[:10]) > np.median(values[:20])
    assert replayed(TRANSFORM, study.trials, seed=0)._sigma < 0.1
    assert [trial.system_attrs[GENERATION] for trial in study.trials] == [n // POPULATION for n in range(140)]


def test_trials_that_another_sampler_drew_belong_to_no_generation():
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(score, n_trials=2 * POPULATION)
    assert replayed(TRANSFORM, study.trials, seed=0).generation == 0


def test_a_late_trial_changes_no_generation_that_is_over():
    study = evolve(POPULATION - 1)
    (late, its_score), last = ask(study), ask(study)
    study.tell(*last)
    before = replayed(TRANSFORM, study.trials[:6] + study.trials[7:], seed=0)
    ask(study)
    again = Trial(study, late._trial_id)  # goes on after an interruption
    assert len(again.relative_params) == 3 and score(again) == its_score
    study.tell(again, its_score)
    assert [trial.system_attrs[GENERATION] for trial in study.trials] == [0] * 8 + [1]
    after = replayed(TRANSFORM, study.trials[:8], seed=0)
    assert before.generation == after.generation == 1
    np.testing.assert_array_equal(before.mean, after.mean)


class _Bomb:
    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return Path.touch, (self._path,)


def test_nothing_executable_is_kept_or_read(tmp_path):
    setup = setup_of(sampler="cmaes", pruner="none")
    study = sqlite_study(tmp_path, setup)
    coordinator(study, setup, tmp_path, n_trials=14).run()
    assert {key for trial in study.trials for key in trial.system_attrs} == {GENERATION}
    assert max(trial.system_attrs.get(GENERATION, 0) for trial in study.trials) == 1
    bomb = pickle.dumps(_Bomb(tmp_path / "exploded")).hex()
    foreign = optuna.trial.create_trial(value=0.5, system_attrs={"cma:optimizer:0": bomb})
    study.add_trial(foreign)
    coordinator(study, setup, tmp_path, n_trials=17).run()
    assert len(study.trials) == 17 and not (tmp_path / "exploded").exists()
