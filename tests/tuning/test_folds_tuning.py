"""Trials that are scored by their mean over folds."""

from __future__ import annotations

import json

import optuna
import pytest
from closed_form_trials import fold_score, score_at
from fold_trials import Listener, task_of
from optuna.trial import TrialState, create_trial
from simulated_workers import Work
from study_helpers import base_config, coordinator, memory_study, settings_of, tune_request

from distune.config import as_dict, load_config, save_config, with_values
from distune.errors import UserError
from distune.store import Store
from distune.training.cost import Cost
from distune.training.run import run
from distune.tuning.coordinator.proposals import FoldProposals
from distune.tuning.search.fold_pruner import FoldPruner
from distune.tuning.search.pruners import make_pruner_of_folds
from distune.tuning.study.settings import differing, warmup_of_folds
from distune.tuning.trials import folds
from distune.tuning.trials.folds import run_folds_trial
from distune.tuning.trials.messages import TrialOutcome, TrialTask
from distune.tuning.tune import tune


@pytest.mark.slow
def test_the_score_is_the_mean_of_separate_runs_and_the_folds_share_the_store(tmp_path, tiny_config):
    frozen = {"name": "tiny-cnn", "freeze": "all"}, {"name": "tiny-text", "freeze": "all"}
    config = tiny_config(teacher__vision=frozen[0], student__text=frozen[1])
    results = []
    for number in (1, 2):
        with Store() as store:
            fold = with_values(config, {"data.fold": {"number": number, "of": 2}})
            results.append(run(fold, tmp_path / str(number), store=store))
    hits, misses = results[1].cache["hits"], results[1].cache["misses"]
    assert {"images", "tokens", "image_means", "text_means"} <= {kind for kind, n in hits.items() if n}
    assert {kind for kind, n in misses.items() if n} == {"teacher", "targets"}

    stale = tmp_path / "trial" / "fold_1"
    stale.mkdir(parents=True)
    (stale / "results.json").write_text('{"score": 0.99}')
    told = Listener()
    outcome = run_folds_trial(task_of(config, tmp_path / "trial"), told)
    scores = [result.score for result in results]
    assert outcome.state == "complete"
    assert outcome.extra["fold_scores"] == scores and outcome.score == sum(scores) / 2
    assert told.stages() == ["fold 1 teacher", "fold 1 student", "fold", "fold 2 teacher", "fold 2 student"]
    assert [(n, s) for stage, n, s in told.heard if stage == "fold"] == [(1, scores[0]), (2, outcome.score)]
    assert outcome.cost.seconds.keys() == results[0].cost.seconds.keys() and outcome.extra["cache_hits"] > 0
    assert not list((tmp_path / "trial").rglob("*.safetensors"))


@pytest.mark.slow
def test_a_stop_between_folds_is_no_end(tmp_path, tiny_config):
    config = tiny_config(teacher__epochs=1, student__epochs=1)
    assert run_folds_trial(task_of(config, tmp_path), Listener(("fold", 1))).state == "stopped"
    again = run_folds_trial(task_of(config, tmp_path, attempt=2), Listener(("fold", 2)))
    assert again.state == "complete"


@pytest.mark.parametrize(
    ("share", "means", "is_pruned"),
    [
        (0.5, [0.9, 0.69], True),  # an easy first fold saves nobody
        (0.5, [0.1, 0.71], False),
        (0.5, [0.9, 0.7], False),  # the median itself stays
        (0.5, [0.1], False),  # the first fold is not evaluated
        (0.25, [0.9, 0.69], False),
        (0.25, [0.9, 0.59], True),
    ],
)
def test_the_mean_so_far_is_evaluated_against_complete_trials(share, means, is_pruned):
    study = optuna.create_study(direction="maximize")
    for final in (0.5, 0.6, 0.7, 0.8, 0.9):
        study.add_trial(create_trial(value=final, intermediate_values={1: final, 2: final, 3: final}))
    trial = create_trial(state=TrialState.RUNNING, intermediate_values=dict(enumerate(means, start=1)))
    assert FoldPruner(share, 1, 5).prune(study, trial) is is_pruned
    assert FoldPruner(share, 1, 6).prune(study, trial) is False


def simulated(task):
    total = 0.0
    for number in range(1, task.config["data"]["fold"]["of"] + 1):
        score = fold_score(task.config, number)
        total += score
        yield Work(1.0, f"fold {number} student", 1, score)
        yield Work(1.0, "fold", number, total / number)


@pytest.mark.slow
@pytest.mark.parametrize(("folds", "evaluated"), [(2, 1), (3, 2), (4, 2)])
def test_trials_are_pruned_after_their_second_fold_or_the_first_of_two(tmp_path, folds, evaluated):
    settings = settings_of(folds=folds)
    study = memory_study(settings)
    study.pruner = make_pruner_of_folds("median", warmup_of_folds(folds))
    coordinator(study, settings, tmp_path, simulated, n_trials=25, proposals=FoldProposals(settings)).run()
    trials = study.get_trials()
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert pruned and min(trial.number for trial in pruned) >= 5
    for trial in pruned:
        assert max(trial.intermediate_values) == evaluated
        earlier = [t for t in trials[: trial.number] if t.state == TrialState.COMPLETE]
        beaten = sum(t.intermediate_values[evaluated] > trial.intermediate_values[evaluated] for t in earlier)
        assert beaten * 2 >= len(earlier)
    for trial in trials:
        if trial.state == TrialState.COMPLETE:
            assert max(trial.intermediate_values) == folds


def request(folder, **options):
    defaults = {"config": base_config(), "n_trials": 3, "logs": folder, "dataset": "sha256:0", "folds": 3,
                "study_name": "study", "trial_function": "closed_form_trials:quick",
                "folds_trial_function": "closed_form_trials:quick_folds"}  # fmt: skip
    return tune_request(**{**defaults, **options})


@pytest.mark.slow
@pytest.mark.usefixtures("virtual_workers")
def test_a_study_with_folds_from_a_config_to_its_files(tmp_path):
    result = tune(request(tmp_path))
    summary = json.loads((result.folder / "study_summary.json").read_text())
    assert summary["folds"] == 3
    assert summary["metric"] == "mean over 3 folds of the mean over tasks of the macro F1"
    assert summary["pruner_settings"] == {"n_startup_trials": 5, "n_warmup_steps": 1}
    best = load_config(result.best_config)
    assert best.data.fold is None
    values = as_dict(best)
    assert summary["best"]["value"] == pytest.approx(sum(fold_score(values, n) for n in (1, 2, 3)) / 3)
    assert summary["best"]["value"] != pytest.approx(score_at(values, 4))
    assert "mean over folds 1 to 2" in (result.folder / "study.log").read_text()
    assert tune(request(tmp_path, n_trials=4)).summary["trials"]["finished"] == 4
    for other, line in ((None, "folds: 3 in the study, None now"), (4, "folds: 3 in the study, 4 now")):
        with pytest.raises(UserError, match=line):
            tune(request(tmp_path, folds=other))


def test_a_study_from_before_there_were_folds_is_resumed():
    settings = settings_of()
    old = {key: value for key, value in settings.as_attributes().items() if key != "folds"}
    assert differing(old, settings) == []
    assert differing(old, settings_of(folds=3)) == ["folds: None in the study, 3 now"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "study.folds: .*greater than or equal to 2"),
        ({"strategy": "staged"}, "folds: .* staged"),
        ({"prune_teacher": True}, "folds: every fold has a teacher of its own"),
        ({"config": with_values(base_config(), {"data.fold": {"number": 1, "of": 3}})},
         "folds: the base config is one fold already; remove data.fold"),
        ({"pruner": "hyperband"}, "pruner: hyperband .* take median, percentile, none"),
        ({"pruner": "patient"}, "pruner: patient"),
    ],
)  # fmt: skip
def test_what_folds_do_not_go_with_is_refused(tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        tune(request(tmp_path, **options))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_command_ends_with_2_where_the_data_cannot_fill_the_folds(tmp_path, tiny_config, distune):
    save_config(tiny_config(), tmp_path / "tiny.yaml")
    code, _, _ = distune("tune", "--config", "tiny.yaml", "--folds", "70", "--accept-leaks")
    assert code == 2 and not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    ("known", "ends", "refused", "state", "scores", "trained"),
    [
        ((), None, None, "complete", [0.5, 0.7, 0.9], [1, 2, 3]),
        ((1,), None, None, "complete", [0.5, 0.7, 0.9], [2, 3]),  # an earlier attempt has done the first
        ((), None, 1, "stopped", [0.5], [1]),
        ((), None, 3, "complete", [0.5, 0.7, 0.9], [1, 2, 3]),  # nothing is left to be stopped
        ((), 2, None, "stopped", [0.5], [1, 2]),
        ((), 1, None, "stopped", [], [1]),
    ],
)  # fmt: skip
def test_what_a_trial_of_folds_adds_up(tmp_path, monkeypatch, known, ends, refused, state, scores, trained):
    values, ran, told = {1: 0.5, 2: 0.7, 3: 0.9}, [], []

    def outcome(number, seconds):
        extra = {"teacher_score": values[number] - 0.1, "cache_hits": 2}
        ending = "stopped" if number == ends else "complete"
        return TrialOutcome(ending, values[number], cost=Cost({"student": seconds}), extra=extra)

    def train(config, task, number, report):
        assert (config.data.fold.number, config.data.fold.of) == (number, 3)
        ran.append(number)
        weights = task.path / f"fold_{number}" / "student.safetensors"
        weights.parent.mkdir(parents=True)
        weights.touch()
        return outcome(number, 2.0)

    def report(stage, number, mean):
        told.append((stage, number, mean))
        return number != refused

    monkeypatch.setattr(folds, "_train", train)
    monkeypatch.setattr(folds, "_found", lambda config, task, n: outcome(n, 0.0) if n in known else None)
    config = with_values(base_config(), {"data.fold": {"number": 1, "of": 3}})
    checked = []
    monkeypatch.setattr(folds, "_check_unchanged", lambda config, dataset: checked.append(dataset))
    result = run_folds_trial(TrialTask(0, as_dict(config), str(tmp_path), dataset="a"), report)
    assert checked == ["a"], "once for all folds"
    done = [values[number] for number in range(1, 4) if number in (*known, *trained)]
    means = [sum(scores[:n]) / n for n in range(1, len(scores) + 1)]
    assert (result.state, ran) == (state, trained)
    assert result.score == (pytest.approx(means[-1]) if scores else None)
    assert told == [("fold", n, pytest.approx(mean)) for n, mean in enumerate(means, start=1)]
    assert result.cost.seconds["student"] == 2.0 * len(trained)
    assert result.extra["fold_scores"] == scores and result.extra["cache_hits"] == 2 * len(done)
    assert result.extra["teacher_score"] == pytest.approx(sum(done) / len(done) - 0.1)
    kept = [path.parent.name for path in tmp_path.rglob("*.safetensors")]
    assert kept == ([f"fold_{ends}"] if ends else [])
