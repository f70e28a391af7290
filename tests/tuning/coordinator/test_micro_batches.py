"""A trial that runs out of memory and is tried again with smaller parts of a batch is another run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from optuna.trial import TrialState
from simulated_workers import Work
from study_helpers import base_config, coordinator, memory_study, settings_of, sqlite_study, training

from distune.tuning.search.teacher_pruner import teacher_scores
from distune.tuning.staged import StudentSpace


class Pruner:
    """Notes what Optuna shows a pruner, and stops a run at one epoch."""

    def __init__(self, stops_at=None):
        self.stops_at = stops_at
        self.heard = []

    def prune(self, study, trial):
        self.heard.append(dict(trial.intermediate_values))
        return len(self.heard) > 3 and trial.last_step == self.stops_at


def better_before(task):
    """Three good epochs until the memory is used up, then a poorer run."""
    scores = (0.9, 0.9, 0.9) if task.attempt == 1 else (0.45, 0.45, 0.45, 0.45)
    yield Work(10.0, "teacher", 1, scores[0])
    for epoch, score in enumerate(scores, start=1):
        yield Work(10.0, "student", epoch, score)
    if task.attempt == 1:
        raise MemoryError("too big")


@pytest.mark.slow
@pytest.mark.parametrize("make_study", [sqlite_study, lambda _, settings: memory_study(settings)])
@pytest.mark.parametrize(("stops_at", "epochs"), [(None, 4), (2, 2)])
def test_the_study_holds_the_scores_of_the_run_that_exists(tmp_path, make_study, stops_at, epochs):
    settings = settings_of()
    study = make_study(tmp_path, settings)
    study.pruner = pruner = Pruner(stops_at)
    one = coordinator(
        study, settings, tmp_path, better_before, n_trials=1, on_oom="retry", prune_teacher=True
    )  # fmt: skip
    assert one.run() == "finished"
    (trial,) = study.trials
    assert trial.state == (TrialState.COMPLETE if stops_at is None else TrialState.PRUNED)
    assert trial.value == 0.45
    assert trial.intermediate_values == dict.fromkeys(range(1, epochs + 1), 0.45)
    assert pruner.heard[3:] == [dict.fromkeys(range(1, n + 1), 0.45) for n in range(1, min(epochs, 3) + 1)]
    assert teacher_scores(trial.user_attrs) == {1: 0.45}
    assert trial.user_attrs["epochs_done"] == epochs


def searched(settings):
    """The parts of a batch are a parameter."""
    raw = {"parts": {"type": "categorical", "choices": [2, 4], "key": "training.accumulation"}}
    return settings_of(base_config(training__accumulation=2, search_space=raw))


def of_a_kept_teacher(settings):
    """The teacher that is chosen ran with smaller parts itself."""
    kept = {"base": {"overrides": {"training.accumulation": 2}}}
    return replace(settings, space=StudentSpace.offering(kept, settings.space))


@pytest.mark.parametrize("set_elsewhere", [searched, of_a_kept_teacher])
def test_parts_that_were_set_elsewhere_are_made_smaller_too(tmp_path, set_elsewhere):
    settings = set_elsewhere(settings_of())
    study = memory_study(settings)
    parts = []

    def needs_more(task):
        if task.number == 1:
            parts.append(task.config["training"]["accumulation"])
            if task.attempt == 1:
                raise MemoryError("too big")
        yield from training(task)

    assert coordinator(study, settings, tmp_path, needs_more, n_trials=2, on_oom="retry").run() == "finished"
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE"]
    assert parts[0] > 1 and parts[1] == 2 * parts[0]


@pytest.mark.slow
def test_a_trial_that_is_resumed_later_is_not_made_smaller_twice(tmp_path):
    settings = settings_of()
    study = sqlite_study(tmp_path, settings)
    asked = {"times": 0}

    def interrupted_when_smaller(task):
        if task.attempt != 2:
            raise MemoryError("too big")
        asked["times"] = 1
        yield from training(task)

    options = {"n_trials": 1, "on_oom": "retry", "interrupted": lambda: asked["times"]}
    assert coordinator(study, settings, tmp_path, interrupted_when_smaller, **options).run() == "interrupted"
    assert study.trials[0].state == TrialState.WAITING
    asked["times"] = 0

    def runs_out_again(task):
        asked["times"] = 2 if task.number else 0
        yield from interrupted_when_smaller(task)

    coordinator(study, settings, tmp_path, runs_out_again, **options).run()
    assert study.trials[0].user_attrs["failure_kind"] == "out_of_memory"
    assert study.trials[0].user_attrs["overrides"] == {"training.accumulation": 2}
