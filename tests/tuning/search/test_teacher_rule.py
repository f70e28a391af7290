"""Stopping a trial whose teacher falls behind, before its student trains."""

from __future__ import annotations

import pytest
from optuna.trial import FrozenTrial, TrialState
from simulated_workers import Work
from study_helpers import coordinator, settings_of, sqlite_study, states, training

from distune.tuning.fork_study import fork
from distune.tuning.search.teacher_pruner import TEACHER_SCORES, earlier_teachers, should_prune_teacher

FIVE = [{1: score, 2: score, 3: score} for score in (0.1, 0.2, 0.3, 0.4, 0.5)]


@pytest.mark.parametrize(
    ("scores", "earlier", "epoch", "keeps_up"),
    [
        ({1: 0.0}, FIVE, 1, True),  # the first epoch is not evaluated
        ({1: 0.0, 2: 0.29}, FIVE, 2, False),
        ({1: 0.0, 2: 0.3}, FIVE, 2, True),  # the median itself is not behind
        ({1: 0.35, 2: 0.0}, FIVE, 2, True),  # its best so far counts
        ({1: 0.0, 2: 0.0}, FIVE[:4], 2, True),  # four are too few
        ({1: 0.0, 2: 0.0}, [*FIVE[:4], {1: 0.9}], 2, True),  # the fifth never came to epoch 2
        ({1: 0.0, 2: 0.4, 3: 0.4}, [*FIVE, {1: 0.9, 2: 0.9}], 3, True),  # its scores elsewhere do not count
        ({1: 0.1, 2: 0.34}, [*FIVE, {2: 0.6}], 2, False),  # six: between 0.3 and 0.4
        ({1: 0.1, 2: 0.36}, [*FIVE, {2: 0.6}], 2, True),
        ({1: 0.1, 2: 0.1, 3: 0.9}, FIVE, 2, False),  # evaluated by what was known then
        ({1: 0.1, 2: 0.4}, [{2: score} for score in (0.0, 0.0, 0.5, 0.5, 0.5)], 2, False),  # above the mean
    ],
)
def test_a_teacher_keeps_up_with_the_median_at_its_epoch(scores, earlier, epoch, keeps_up):
    assert should_prune_teacher(scores, earlier, epoch) is not keeps_up


def test_teachers_are_compared_with_those_of_earlier_trials_that_did_not_fail():
    states_of = (
        TrialState.COMPLETE,
        TrialState.FAIL,
        TrialState.RUNNING,
        TrialState.PRUNED,
        TrialState.COMPLETE,
    )
    trials = [
        FrozenTrial(
            number, state, 0.5, None, None, {}, {}, {TEACHER_SCORES: {"1": number / 10}}, {}, {}, number
        )
        for number, state in enumerate(states_of)
    ]
    assert earlier_teachers(4, trials) == [{1: 0.0}, {1: 0.2}, {1: 0.3}]


def with_teachers(scores, teacher_epochs=2):
    """Trials whose teachers have these scores by number, the student's epochs as always."""

    def script(task):
        for epoch in range(1, teacher_epochs + 1):
            yield Work(10.0, "teacher", epoch, scores[task.number])
        yield from (work for work in training(task) if work.stage == "student")

    return script


@pytest.fixture
def study_of(tmp_path):
    settings = settings_of(pruner="none")
    study = sqlite_study(tmp_path, settings)

    def run(script, **options):
        coordinator(study, settings, tmp_path, script, prune_teacher=True, **options).run()
        return study

    return run


@pytest.mark.slow
def test_a_weak_teacher_ends_its_trial_before_the_student_trains(study_of, tmp_path):
    study = study_of(with_teachers([0.1, 0.2, 0.3, 0.4, 0.5, 0.2, 0.6]), n_trials=7)
    assert states(study) == {"COMPLETE": 6, "PRUNED": 1}
    pruned = study.trials[5]
    assert pruned.state == TrialState.PRUNED and pruned.value is None and pruned.intermediate_values == {}
    assert pruned.user_attrs["teacher_scores"] == {"1": 0.2, "2": 0.2}
    assert pruned.user_attrs["seconds"] == 20.0 and pruned.user_attrs["epochs_done"] == 0
    copy = fork(study, study._storage, "copy", settings_of(pruner="none"))
    assert copy.trials[5].state == TrialState.PRUNED
    study_of(with_teachers([0.9] * 12), n_trials=9)  # the sampler draws on after a trial without any score
    assert states(study) == {"COMPLETE": 8, "PRUNED": 1}


@pytest.mark.slow
def test_without_the_option_teachers_are_not_evaluated(tmp_path):
    settings = settings_of(pruner="none")
    study = sqlite_study(tmp_path, settings)
    script = with_teachers([0.1, 0.2, 0.3, 0.4, 0.5, 0.0])
    coordinator(study, settings, tmp_path, script, n_trials=6).run()
    assert states(study) == {"COMPLETE": 6}


@pytest.mark.slow
def test_an_interrupted_trial_keeps_its_teacher_scores_and_is_evaluated_where_it_stopped(study_of):
    scores = [0.1, 0.2, 0.3, 0.4, 0.5, 0.2]
    study = study_of(with_teachers(scores), n_trials=6, timeout=5 * 60.0 + 5.0)
    assert states(study) == {"COMPLETE": 5, "WAITING": 1}
    assert study.trials[5].user_attrs["teacher_scores"] == {"1": 0.2}
    study_of(with_teachers(scores), n_trials=6)
    assert states(study) == {"COMPLETE": 5, "PRUNED": 1}
    assert study.trials[5].user_attrs["teacher_scores"] == {"1": 0.2, "2": 0.2}
