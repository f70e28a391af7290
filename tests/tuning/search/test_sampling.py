from __future__ import annotations

import optuna
import pytest
from closed_form_trials import final_score
from optuna.trial import TrialState
from study_helpers import base_config, coordinator, memory_study, points, settings_of, sqlite_study, states

from distune.errors import UserError
from distune.tuning.coordinator.proposals import JointProposals, distribution
from distune.tuning.search.pruners import PRUNER_SETTINGS
from distune.tuning.search.samplers import SAMPLERS, check_sampler
from distune.tuning.space.space import contains


def in_parts(folder, settings, parts):
    """Runs a study of which every part is a coordinator of its own."""
    study = memory_study(settings)
    for n_trials in parts:
        assert coordinator(study, settings, folder, n_trials=n_trials).run() == "finished"
    return study


@pytest.mark.slow
@pytest.mark.parametrize(
    "sampler", [name if name != "gp" else pytest.param(name, marks=pytest.mark.slow) for name in SAMPLERS]
)
def test_a_study_in_parts_asks_for_the_same_points_as_one_in_one_go(tmp_path, sampler):
    settings = settings_of(sampler=sampler, pruner="none")
    whole = points(in_parts(tmp_path, settings, [13]))
    parts = points(in_parts(tmp_path, settings, [1, 2, 7, 12, 13]))
    assert whole == parts
    drawn = [tuple(point.values()) for point in whole]
    assert len(set(drawn)) == 13, "no point is tried twice"


@pytest.mark.slow
def test_what_sqlite_keeps_is_enough_to_resume_with_the_same_points(tmp_path):
    settings = settings_of(pruner="none")
    for n_trials in (5, 12, 13):
        study = sqlite_study(tmp_path, settings)
        coordinator(study, settings, tmp_path, n_trials=n_trials).run()
    assert points(study) == points(in_parts(tmp_path, settings, [13]))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_another_seed_asks_for_other_points_after_the_base(tmp_path, sampler):
    one = points(in_parts(tmp_path, settings_of(sampler=sampler, seed=1), [4]))
    two = points(in_parts(tmp_path, settings_of(sampler=sampler, seed=2), [4]))
    assert one[0] == two[0]
    assert all(a != b for a, b in zip(one[1:], two[1:], strict=True))


@pytest.mark.parametrize(
    "sampler", [name if name != "gp" else pytest.param(name, marks=pytest.mark.slow) for name in SAMPLERS]
)
def test_an_interrupted_draw_is_finished_with_the_same_values(tmp_path, sampler):
    settings = settings_of(sampler=sampler, pruner="none")
    study = in_parts(tmp_path, settings, [11])
    proposals = JointProposals(settings)
    trial = study.ask()
    undisturbed = proposals.propose(study, trial)[0]
    again = memory_study(settings)
    for done in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        again.add_trial(done)
    half = again.ask()
    for name in list(undisturbed)[:5]:  # killed after the fifth parameter
        value = undisturbed[name]
        dist = distribution(settings.space.parameters[name])
        again._storage.set_trial_param(half._trial_id, name, dist.to_internal_repr(value), dist)
    resumed = optuna.trial.Trial(again, half._trial_id)
    assert proposals.propose(again, resumed)[0] == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_base_value_outside_the_space_disturbs_no_sampler(tmp_path, sampler):
    base = base_config(teacher__lr=1e-3, teacher__fusion_dim=64, student__fusion_dim=128)
    settings = settings_of(base, sampler=sampler, pruner="none")
    study = in_parts(tmp_path, settings, [12])
    trials = study.get_trials()
    assert trials[0].value == pytest.approx(final_score(base.model_dump()) * (1 - 0.5**4))
    assert trials[0].user_attrs["fixed_params"]["teacher_lr"] == 1e-3
    assert not {"teacher_lr", "teacher_fusion_dim", "student_fusion_dim"} & set(trials[0].params)
    for trial in trials[1:]:
        assert all(contains(settings.space.parameters[name], value) for name, value in trial.params.items())
        assert set(trial.params) == set(settings.space.parameters)


@pytest.mark.slow
def test_tpe_finds_better_points_than_random_search(tmp_path):
    def best(sampler):
        study = in_parts(tmp_path, settings_of(sampler=sampler, pruner="none"), [60])
        return study.best_value

    assert best("tpe") > best("random")


@pytest.mark.parametrize("name", ["tpee", "TPE", "tp", ""])
def test_an_unknown_sampler_names_the_known_ones(name):
    with pytest.raises(UserError, match=rf"'{name}'.*tpe, random"):
        check_sampler(name)


@pytest.mark.parametrize("pruner", PRUNER_SETTINGS)
def test_every_pruner_runs_a_study(tmp_path, pruner):
    settings = settings_of(base_config(student__epochs=9), pruner=pruner, sampler="random")
    study = memory_study(settings)
    assert coordinator(study, settings, tmp_path, n_trials=15).run() == "finished"
    found = states(study)
    assert found.get("COMPLETE", 0) + found.get("PRUNED", 0) == 15
    assert ("PRUNED" in found) == (pruner in ("median", "percentile", "hyperband"))
