"""Teachers first, by their own scores; then students with the best teachers as a choice."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from closed_form_trials import score_at, teacher_score
from optuna.trial import TrialState
from simulated_workers import Work
from study_helpers import (
    base_config,
    coordinator,
    in_this_process,
    memory_study,
    settings_of,
    states,
    tune_request,
)
from tune_process import start

from distune.config import load_config, value_at, with_values
from distune.errors import UserError
from distune.tuning.coordinator.proposals import TeacherProposals, suggest
from distune.tuning.search.pruners import make_pruner
from distune.tuning.space.build import build_space
from distune.tuning.space.groups import fusion_group, loss_group
from distune.tuning.space.without_effect import fields_without_effect
from distune.tuning.staged import (
    StudentSpace,
    best_teachers,
    describe_budget,
    outline,
    settle,
    split_settings,
    stage_budgets,
)
from distune.tuning.status import read_status
from distune.tuning.study.settings import StudySettings
from distune.tuning.study.storage import open_storage
from distune.tuning.summary import config_of_trial
from distune.tuning.tune import _run_staged, tune

HERE = Path(__file__).parent
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@pytest.mark.parametrize(
    ("n_trials", "teachers", "students"),
    [(30, 10, 20), (50, 16, 34), (100, 33, 67), (16, 5, 11), (15, 5, 10), (7, 5, 2), (6, 5, 1), (5, 4, 1),
     (2, 1, 1), (1, 0, 1)],
)  # fmt: skip
def test_a_third_of_the_trials_at_least_five_are_teachers(n_trials, teachers, students):
    assert stage_budgets(n_trials) == (teachers, students)


@pytest.mark.parametrize(("n_trials", "shares", "says_enough"), [(1, None, False), (7, (5, 2), True),
                                                                 (14, (5, 9), True), (15, (5, 10), False)])  # fmt: skip
def test_the_budget_of_each_stage_is_said_and_what_would_be_enough(n_trials, shares, says_enough):
    said = describe_budget(n_trials)
    found = re.search(r"teachers \D*(\d+) .*students (\d+) ", said)
    assert (found and tuple(map(int, found.groups()))) == shares and ("15 or more" in said) is says_enough


def whole(base, **groups):
    space = build_space(base, groups={**fusion_group(), **loss_group(base)} if groups else {},
                        ignored=fields_without_effect(base))  # fmt: skip
    return StudySettings(base=base, space=space, dataset="sha256:0")


def test_the_space_is_split_into_the_teachers_and_the_rest():
    teacher, students = split_settings(whole(base_config()))
    assert (teacher.strategy, students.strategy) == ("teacher", "staged")
    of_groups = split_settings(whole(base_config(), groups=True))
    asked = [{key for each in of.space.ignored for key in each.when} for of in of_groups]
    assert "teacher.fusion" in asked[0] and "distillation.loss" in asked[1]
    assert not any(key.startswith(("student", "distillation")) for key in asked[0])
    assert set(teacher.space.parameters) == {
        "teacher_lr", "teacher_fusion_dim", "teacher_fusion_layers", "teacher_fusion_heads", "teacher_dropout",
    }  # fmt: skip
    assert set(students.space.parameters) == {
        "student_lr", "alpha", "beta", "T", "student_fusion_dim", "student_fusion_layers", "student_fusion_heads",
        "student_dropout",
    }  # fmt: skip
    assert teacher.as_attributes()["pruner_settings"] == {"n_startup_trials": 5, "n_warmup_steps": 1}
    assert students.as_attributes()["pruner_settings"] == {"n_startup_trials": 5, "n_warmup_steps": 2}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"distillation__loss": "none"}, "the loss none asks no teacher"),
        ({"search_space": {"teacher": {"type": "int", "low": 8, "high": 16, "key": "training.batch_size"}}},
         "rename that parameter"),
    ],
)  # fmt: skip
def test_a_question_without_a_teacher_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        split_settings(whole(base_config(**changes)))


def test_a_search_of_the_student_alone_is_refused():
    with pytest.raises(UserError, match="no parameter"):
        split_settings(
            StudySettings(base_config(), build_space(base_config(), only=("alpha", "T")), "sha256:0")
        )


TEACHERS = {
    "teacher 3": {"overrides": {"teacher.lr": 3e-5, "teacher.fusion": "simple"}},
    "base": {"overrides": {}},
}


def drawn(space, base, seed):
    return suggest(optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask(), space, base)


def test_a_chosen_teacher_stands_for_its_values():
    base = base_config()
    space = StudentSpace.offering(TEACHERS, split_settings(whole(base))[1].space)
    assert space.overrides({"teacher": "teacher 3", "alpha": 0.7}) == {
        "teacher.lr": 3e-5, "teacher.fusion": "simple", "distillation.alpha": 0.7,
    }  # fmt: skip
    assert space.overrides({"teacher": "base", "alpha": 0.7}) == {"distillation.alpha": 0.7}
    assert space.base_values(base)["teacher"] == "base"
    assert {drawn(space, base, seed)["teacher"] for seed in range(20)} == {"teacher 3", "base"}
    assert set(space.always_active(base)) == set(space.parameters)
    assert next(iter(space.parameters)) == "teacher", "it is drawn first"


def test_no_teacher_is_drawn_for_a_loss_that_asks_none():
    base = base_config()
    space = StudentSpace.offering(TEACHERS, split_settings(whole(base, groups=True))[1].space)
    found = [drawn(space, base, seed) for seed in range(60)]
    assert all(("teacher" in params) == (params["loss"] != "none") for params in found)
    assert "none" in {params["loss"] for params in found}
    assert "teacher" not in space.always_active(base)


def test_a_condition_on_the_teacher_follows_the_chosen_one():
    entry = {"type": "float", "low": 0.1, "high": 1.0, "when": {"teacher_fusion": ["simple"]}}
    base = base_config(search_space={"gamma": entry})
    asked = build_space(base, groups=fusion_group(), ignored=fields_without_effect(base))
    space = StudentSpace.offering(TEACHERS, split_settings(StudySettings(base, asked, "sha256:0"))[1].space)
    found = [drawn(space, base, seed) for seed in range(20)]
    assert all(("gamma" in params) == (params["teacher"] == "teacher 3") for params in found)
    assert "gamma" not in space.always_active(base)
    assert space.deciding("gamma") == {"teacher"} and space.deciding("alpha") == set()


def test_the_best_few_different_teachers_are_kept_and_the_base():
    study = optuna.create_study(direction="maximize")
    lrs = optuna.distributions.FloatDistribution(0, 10)

    def add(value, lr, state=TrialState.COMPLETE, **attributes):
        overrides = {} if attributes else {"teacher.lr": lr}
        study.add_trial(optuna.trial.create_trial(
            state=state, value=value, params={"teacher_lr": lr}, distributions={"teacher_lr": lrs},
            user_attrs={"overrides": overrides, **attributes},
        ))  # fmt: skip

    add(0.5, 1.0, baseline=True)
    add(0.7, 2.0)
    add(0.9, 3.0, TrialState.PRUNED)
    add(0.8, 4.0)
    add(0.8, 4.0)
    add(0.6, 5.0)
    add(0.55, 6.0)
    kept = best_teachers(study)
    assert list(kept) == ["teacher 3", "teacher 1", "teacher 5", "base"]
    assert kept["teacher 3"] == {
        "number": 3, "score": 0.8, "params": {"teacher_lr": 4.0}, "overrides": {"teacher.lr": 4.0},
    }  # fmt: skip
    assert (kept["base"]["number"], kept["base"]["overrides"]) == (0, {})
    study = optuna.create_study(direction="maximize")
    add(0.7, 2.0)
    add(0.5, 1.0, baseline=True)
    assert list(best_teachers(study)) == ["teacher 0", "base"], "wherever the base stands"


def test_the_choice_of_teachers_is_made_once():
    base, study = base_config(), optuna.create_study()
    students = split_settings(whole(base))[1]
    without = settle(study, {}, students)
    only = {"number": None, "score": None, "params": {}, "overrides": {}}
    assert study.user_attrs["teachers"] == {"base": only}
    assert without.space.parameters["teacher"].choices == ("base",)
    first = optuna.create_study()
    found = settle(first, TEACHERS, students)
    assert found.space.parameters["teacher"].choices == tuple(TEACHERS) == tuple(first.user_attrs["teachers"])
    assert first.user_attrs["search_space"] == found.space.as_dict() != students.space.as_dict()
    assert found.space.overrides({"teacher": "teacher 3"})["teacher.lr"] == 3e-5
    again = settle(first, {"teacher 9": {"overrides": {}}}, students)
    assert again.space.parameters["teacher"].choices == tuple(TEACHERS)


def test_the_teachers_study_in_numbers():
    study = optuna.create_study(study_name="s_teacher", direction="maximize")
    counts = {"finished": 0, "complete": 0, "pruned": 0, "failed": 0}
    assert outline(study) == {**counts, "name": "s_teacher", "best": None, "score": None, "seconds": 0}
    for state, value, seconds in (
        ("COMPLETE", 0.5, 1.0),
        ("COMPLETE", 0.7, 2.0),
        ("PRUNED", 0.9, 4.0),
        ("FAIL", None, 8.0),
    ):
        about = {"seconds": seconds, "failure_kind": "crash", "overrides": {}}
        study.add_trial(optuna.trial.create_trial(state=TrialState[state], value=value, user_attrs=about))
    study.add_trial(optuna.trial.create_trial(state=TrialState.RUNNING))
    assert outline(study) == {
        "name": "s_teacher", "finished": 3, "complete": 2, "pruned": 1, "failed": 1, "best": 1, "score": 0.7,
        "seconds": 15.0,
    }  # fmt: skip


# Studies on real workers, without training.


def request(folder, **options):
    defaults = {
        "config": base_config(student__epochs=6),
        "n_trials": 9,
        "study_name": "study",
        "strategy": "staged",
        "logs": folder,
        "dataset": "sha256:0",
        "trial_function": "closed_form_trials:quick",
        "teacher_trial_function": "closed_form_trials:quick_teacher",
    }
    return tune_request(**{**defaults, **options})


def studies_in(folder, name="study"):
    storage = open_storage(f"sqlite:///{folder}/{name}.db")
    return [optuna.load_study(study_name=n, storage=storage) for n in (f"{name}_teacher", name)]


def check(folder, name="study"):
    """Every score is what its config gives, and every student learns from one of the kept teachers."""
    teachers, students = studies_in(folder, name)
    kept = students.user_attrs["teachers"]
    for trial in teachers.get_trials(states=FINISHED):
        config = config_of_trial(teachers, trial).model_dump()
        for epoch, score in trial.intermediate_values.items():
            assert score == teacher_score(config, epoch)
    for trial in students.get_trials(states=(TrialState.COMPLETE,)):
        config = config_of_trial(students, trial)
        assert trial.value == score_at(config.model_dump(), 6)
        chosen = kept[trial.params["teacher"]]
        source = config_of_trial(teachers, teachers.trials[chosen["number"]])
        assert source.teacher == config.teacher
        assert all(value_at(config, key) == value for key, value in chosen["overrides"].items())
    return teachers, students


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    with in_this_process():
        return folder, tune(request(folder, n_trials=16, sampler="random"))


@pytest.mark.slow
def test_a_staged_study_from_a_config_to_its_files(undisturbed):
    folder, result = undisturbed
    teachers, students = check(folder)
    assert result.reason == "finished"
    assert (len(teachers.trials), len(students.trials)) == stage_budgets(16) == (5, 11)
    complete = sorted((t for t in teachers.trials if t.state == TrialState.COMPLETE), key=lambda t: -t.value)
    names = ["base" if trial.number == 0 else f"teacher {trial.number}" for trial in complete[:3]]
    kept = list(students.user_attrs["teachers"])
    assert kept == (names if "base" in names else [*names, "base"])
    assert {trial.params["teacher"] for trial in students.trials} == set(kept)
    first = students.trials[0]
    assert first.user_attrs["overrides"] == {} and first.params["teacher"] == "base"
    best = config_of_trial(students, students.best_trial)
    assert load_config(result.best_config) == best
    summary = json.loads((result.folder / "study_summary.json").read_text())
    assert summary["strategy"] == "staged" and set(summary["teachers"]) == set(kept)
    assert summary["teacher_study"] == {
        "name": "study_teacher", "finished": 5, "complete": len(complete), "pruned": 5 - len(complete), "failed": 0,
        "best": complete[0].number, "score": complete[0].value,
        "seconds": pytest.approx(sum(trial.user_attrs["seconds"] for trial in teachers.trials)),
    }  # fmt: skip
    assert summary["search_space"]["teacher"] == {"key": "teacher", "type": "categorical", "choices": kept}


def test_weak_teachers_stop_after_their_second_epoch(tmp_path):
    entries = {"teacher_lr": {"type": "float", "low": 1e-6, "high": 1e-2, "log": True}}
    base = base_config(search_space=entries)
    settings, _ = split_settings(StudySettings(base, build_space(base), "sha256:0", sampler="random"))
    study = memory_study(settings)
    study.pruner = make_pruner("median", base.teacher.epochs, settings.warmup)

    def teaching(task):
        for epoch in range(1, task.config["teacher"]["epochs"] + 1):
            yield Work(10.0, "teacher", epoch, teacher_score(task.config, epoch))

    coordinator(study, settings, tmp_path, teaching, n_trials=12, proposals=TeacherProposals(settings)).run()
    assert states(study)["PRUNED"] >= 2 and study.trials[0].user_attrs["overrides"] == {}
    for trial in study.trials:
        assert set(trial.user_attrs["overrides"]) in (
            set(),
            {settings.space.key(name) for name in trial.params},
        )
        assert len(trial.intermediate_values) == (2 if trial.state == TrialState.PRUNED else 3)


def interrupted_study(folder):
    """Interrupts a study while its third teacher trains; returns its name."""
    process = start(folder, 16, function="held", strategy="staged", sampler="random", study_name=None)
    until = time.monotonic() + 120.0
    while not (held := list(folder.glob("*/teacher/trials/trial_0002/held"))):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    (held[0].parents[1] / "go").touch()
    code, output = process.ended()
    assert code == 0 and "reason interrupted" in output, output
    return held[0].parents[3].name


@pytest.mark.slow
def test_an_interrupted_study_resumes_with_the_same_points(undisturbed, tmp_path):
    name = interrupted_study(tmp_path)
    teachers, students = studies_in(tmp_path, name)
    assert len(teachers.trials) == 3 and students.trials == []
    assert not (tmp_path / name / "best_config.yaml").exists()
    summary = json.loads((tmp_path / name / "study_summary.json").read_text())
    assert (summary["reason"], summary["teacher_study"]["finished"]) == ("interrupted", 2)
    shown = read_status(name, logs=tmp_path)
    assert (shown.name, shown.n_trials, shown.ended) == (f"{name}_teacher", 5, "interrupted")
    result = tune(request(tmp_path, n_trials=16, study_name=None))
    assert result.study_name == name and result.reason == "finished"
    shown = read_status(name, logs=tmp_path)
    assert (shown.name, shown.n_trials) == (name, 11)
    for found, expected in zip(check(tmp_path, name), studies_in(undisturbed[0]), strict=True):
        assert [(t.params, t.value) for t in found.trials] == [(t.params, t.value) for t in expected.trials]


@pytest.mark.slow
@pytest.mark.usefixtures("virtual_workers")
def test_more_trials_later_are_students_of_the_same_teachers(tmp_path):
    tune(request(tmp_path, n_trials=6, study_name=None))
    name = next(tmp_path.glob("*.db")).stem
    kept = studies_in(tmp_path, name)[1].user_attrs["teachers"]
    again = tune(request(tmp_path, n_trials=9, study_name=None))
    assert again.study_name == name
    teachers, students = check(tmp_path, name)
    assert (len(teachers.trials), len(students.trials)) == (5, 4)
    assert students.user_attrs["teachers"] == kept


@pytest.mark.slow
@pytest.mark.usefixtures("virtual_workers")
def test_one_trial_is_the_base_config_and_no_teacher_is_tried(tmp_path, caplog):
    result = tune(request(tmp_path, n_trials=1))
    assert describe_budget(1) in caplog.text
    teachers, students = studies_in(tmp_path)
    assert (len(teachers.trials), len(students.trials)) == (0, 1)
    assert load_config(result.best_config) == base_config(student__epochs=6)


@pytest.mark.slow
@pytest.mark.usefixtures("virtual_workers")
def test_teachers_that_all_fail_end_the_study_with_their_failure(tmp_path):
    result = tune(request(tmp_path, teacher_trial_function="closed_form_trials:broken"))
    assert result.reason == "failed_alike" and result.failure.message == "division by zero"
    assert result.summary["teacher_study"]["failed"] > 0
    assert studies_in(tmp_path)[1].trials == []


@pytest.mark.slow
@pytest.mark.usefixtures("virtual_workers")
def test_another_strategy_or_another_teacher_s_space_is_another_question(tmp_path):
    tune(request(tmp_path, n_trials=6))
    with pytest.raises(UserError, match=r"strategy: staged .* joint"):
        tune(request(tmp_path, strategy="joint"))
    narrow = {"teacher_lr": {"type": "float", "low": 1e-5, "high": 1e-4, "log": True}}
    changed = with_values(base_config(student__epochs=6), {"search_space": narrow})
    with pytest.raises(UserError, match=r"study_teacher exists .*\n.* teacher_lr"):
        tune(request(tmp_path, config=changed))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "nested"}, "study.strategy: .*'joint' or 'staged'"),
        ({"fork": "other"}, "fork copies the trials of a joint search"),
        ({"prune_teacher": True}, "prune-teacher is for a joint search"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        tune(request(tmp_path, **options))


@pytest.mark.slow
def test_two_coordinators_share_both_stages(tmp_path):
    options = {"function": "quick", "strategy": "staged", "as_threads": True}
    for process in [start(tmp_path, 7, **options) for _ in range(2)]:
        code, output = process.ended()
        assert code == 0 and "reason finished" in output, output
    for study, wanted in zip(check(tmp_path), stage_budgets(7), strict=True):
        assert len(study.get_trials(states=FINISHED)) == wanted


@pytest.mark.slow
@pytest.mark.usefixtures("virtual_workers")
def test_prune_teacher_is_switched_on_by_the_request(tmp_path):
    entries = {"teacher_lr": {"type": "float", "low": 1e-6, "high": 1e-2, "log": True}}
    config = base_config(student__epochs=1, search_space=entries)
    options = {
        "config": config, "strategy": "joint", "n_trials": 16, "sampler": "random",
        "trial_function": "closed_form_trials:quick_with_teacher",
    }  # fmt: skip
    result = tune(request(tmp_path, prune_teacher=True, **options))
    storage = open_storage(f"sqlite:///{tmp_path}/study.db")
    study = optuna.load_study(study_name="study", storage=storage)
    pruned = [trial for trial in study.trials if trial.state == TrialState.PRUNED]
    assert len(pruned) >= 2 and all(trial.intermediate_values == {} for trial in pruned)
    assert result.summary["prune_teacher"] is True
    assert settings_of().prune_teacher is False


@pytest.mark.parametrize(
    ("reason", "tried", "is_settled", "runs"),
    [
        ("finished", 6, False, [("teachers", 6), ("students", 14)]),
        ("interrupted", 2, False, [("teachers", 6)]),
        ("finished", 9, False, [("teachers", 6), ("students", 11)]),  # of an earlier, larger budget
        ("finished", 5, True, [("students", 15)]),
        ("finished", 30, True, [("students", 0)]),
    ],
)
def test_students_get_what_the_teachers_left(
    monkeypatch: pytest.MonkeyPatch, reason: str, tried: int, is_settled: bool, runs: list[Any]
) -> None:
    first, attrs, ran = SimpleNamespace(name="teachers"), {"teachers": {}} if is_settled else {}, []
    study = SimpleNamespace(
        name="students", study_name="s", user_attrs=attrs, set_user_attr=attrs.__setitem__
    )

    def run(study: Any, settings: Any, folder: Path, n_trials: int) -> SimpleNamespace:
        ran.append((study.name, n_trials))
        return SimpleNamespace(reason=reason)

    for name, stub in {
        "_open": lambda *given: (first, "teacher"),
        "outline": lambda study: {"finished": tried},
        "best_teachers": lambda study: {},
        "settle": lambda study, teachers, settings: settings,
    }.items():
        monkeypatch.setattr(f"distune.tuning.tune.{name}", stub)
    request: Any = SimpleNamespace(asked=SimpleNamespace(n_trials=20))
    runner: Any = SimpleNamespace(run=run)
    ending = _run_staged(request, None, study, ("s", "t"), HERE, runner, lambda call: call())  # type: ignore[arg-type]
    assert ran == runs and ending.reason == reason
    assert attrs.get("teacher_study") == (None if is_settled else {"finished": tried}), "for the report"
