"""Status, summary, teachers and forks of studies whose trials and leases are written by hand."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import create_engine
from study_helpers import base_config, memory_study, settings_of, sqlite_study, tune_request

from distune.config import SearchParameter
from distune.errors import UserError
from distune.tuning import staged
from distune.tuning.coordinator.active_trial import ActiveTrial
from distune.tuning.coordinator.leases import PREFIX, Lease
from distune.tuning.coordinator.ledger import OWNER
from distune.tuning.dashboard import copy_study
from distune.tuning.fork_study import _copy, _is_fork_of, _point
from distune.tuning.search.teacher_pruner import TEACHER_SCORES
from distune.tuning.space.space import DEFAULT_SPACE, Space, choice_of
from distune.tuning.space.without_effect import Ignored
from distune.tuning.status import RunningTrial, StudyStatus, status_of
from distune.tuning.study.attributes import OVERRIDES
from distune.tuning.study.fast_storage import DamagedValueError
from distune.tuning.study.open_study import is_made_by_tune
from distune.tuning.study.settings import COMMITS, differing
from distune.tuning.study.storage import begin_sessions, default_url, opened
from distune.tuning.study.storage_retry import StorageRetry
from distune.tuning.summary import _configured, _entry, base_trial, config_of_trial, warning_of
from distune.tuning.trials.folds import FOLD_SCORES
from distune.tuning.trials.messages import EpochReported
from distune.tuning.trials.trial import TEACHER_SCORE
from distune.tuning.tune import _open, _with_encoders

NOW = datetime.now().astimezone()


def status(study: optuna.Study, *leases: Lease, **attributes: Any) -> StudyStatus:
    for lease in leases:
        study.set_user_attr(PREFIX + lease.coordinator, lease.__dict__)
    for key, value in attributes.items():
        study.set_user_attr(key, value)
    return status_of(study, "the storage", NOW)


def add(study: optuna.Study, state: TrialState, owner: str | None = None, **about: Any) -> None:
    value = about.pop("value", 0.5 if state == TrialState.COMPLETE else None)
    scores = about.pop("scores", {})
    attributes = {OVERRIDES: {}, **({} if owner is None else {OWNER: owner}), **about}
    study.add_trial(create_trial(state=state, value=value, user_attrs=attributes, intermediate_values=scores))


LIVING = replace(Lease.new(2, n_trials=30), coordinator="living", started=200.0)
KILLED = replace(LIVING, coordinator="killed", started=100.0, pid=2**22 + os.getpid(), workers=7, n_trials=9)
ENDED = replace(LIVING, coordinator="ended", started=300.0, ended="timeout", workers=5, n_trials=40)


def test_a_study_that_coordinators_work_on(tmp_path: Path) -> None:
    study = memory_study(settings_of())
    (tmp_path / "progress.txt").write_text("targets 3 of 9")
    add(study, TrialState.COMPLETE, "living", seconds=100.0, value=0.75)
    add(study, TrialState.PRUNED, "ended", seconds=20.0)
    add(study, TrialState.RUNNING, "living", scores={1: 0.5, 3: 0.25}, worker="worker-1", attempts=2,
        folder=str(tmp_path), started="2026-01-02T03:04:05+00:00")  # fmt: skip
    add(study, TrialState.RUNNING, "killed")
    add(study, TrialState.WAITING, "living")
    add(study, TrialState.FAIL, failure_kind="crash")
    found = status(study, LIVING, KILLED, ENDED)
    assert (found.storage, found.workers, found.n_trials, found.ended) == ("the storage", 2, 40, None)
    assert found.interrupted == (3, 4) and found.failures == {"crash": 1} and found.is_ours
    host = LIVING.host.partition("/")[0]
    started = datetime.fromisoformat("2026-01-02T03:04:05+00:00")
    assert found.running == (RunningTrial(2, "worker-1", host, 3, 0.25, started, 2, "targets 3 of 9"),)
    assert found.ends is not None and (found.ends - NOW).total_seconds() == 60.0 * 38 / 2
    assert (found.counts.finished, found.counts.best) == (2, (0, 0.75))
    assert found.folds is None and status(memory_study(settings_of(folds=3))).folds == 3


@pytest.mark.parametrize(("leases", "ended"), [((KILLED,), None), ((KILLED, ENDED), "timeout"), ((), None)])
def test_a_study_that_nobody_works_on(leases: tuple[Lease, ...], ended: str | None) -> None:
    study = memory_study(settings_of())
    add(study, TrialState.COMPLETE, seconds=100.0)
    add(study, TrialState.RUNNING, "killed")
    found = status(study, *leases)
    assert (found.ended, found.workers, found.ends, found.running) == (ended, 0, None, ())
    assert found.interrupted == (1,)
    assert found.n_trials == (leases[-1].n_trials if leases else None)


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_teacher_with_little_to_teach_is_one_of_a_study_that_has_teachers(is_ours: bool) -> None:
    study = memory_study(settings_of()) if is_ours else optuna.create_study(direction="maximize")
    add(study, TrialState.COMPLETE, value=0.9, teacher_score=0.1)
    found = status(study)
    assert (found.teacher_warning is not None) is found.is_ours is is_ours


def test_a_study_of_several_objectives_has_no_status() -> None:
    with pytest.raises(UserError, match="2 objectives"):
        status(optuna.create_study(directions=["maximize", "minimize"]))


def test_a_trial_s_config_has_its_own_values_and_the_study_s_commits() -> None:
    study = memory_study(settings_of(base_config(student__vision__name="deit-tiny")))
    name = study.user_attrs["base_config"]["student"]["vision"]["name"]
    study.set_user_attr(COMMITS, {name: "a" * 40})
    config = _configured(study, {"student.lr": 0.125})
    assert (config.student.lr, config.student.vision.revision) == (0.125, "a" * 40)
    trial = create_trial(value=0.5, user_attrs={OVERRIDES: {"student.lr": 0.25}})
    assert config_of_trial(study, trial).student.lr == 0.25


def test_a_trial_in_a_summary() -> None:
    about = {"best_epoch": 1, "folder": "f", TEACHER_SCORE: 0.1, "fixed_params": {"alpha": 9.0}}
    trial = create_trial(value=0.75, user_attrs=about, intermediate_values={1: 0.75, 2: 0.5})
    found = _entry(trial)
    assert found is not None and "below" in found.pop("teacher_warning")
    assert found == {
        "number": trial.number, "value": 0.75, "params": {"alpha": 9.0}, "best_epoch": 1, "folder": "f",
    }  # fmt: skip
    assert _entry(None) is None


def test_a_study_in_a_folder_of_any_name_is_left_as_one_plain_file(tmp_path: Path) -> None:
    url = default_url(tmp_path / "what? 100%", "s")
    with opened(url):
        pass
    file = tmp_path / "what? 100%" / "s.db"
    assert [path.name for path in file.parent.iterdir()] == ["s.db"]
    with closing(sqlite3.connect(file)) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("delete",), "a read-only disk can hold it"


def test_a_study_that_others_have_open_is_left_as_it_is(tmp_path: Path) -> None:
    url, file = default_url(tmp_path, "s"), tmp_path / "s.db"
    with opened(url) as storage:
        optuna.create_study(study_name="s", storage=storage)
        other = sqlite3.connect(file)
        other.execute("BEGIN").execute("SELECT * FROM studies").fetchall()
    with closing(other):
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_single_trial_whose_value_is_damaged_is_named_as_such(tmp_path: Path) -> None:
    study = sqlite_study(tmp_path, settings_of())
    trial = study.ask()
    trial.suggest_float("alpha", 0.5, 1.0)
    backend = study._storage._backend  # type: ignore[attr-defined]
    assert backend.get_trial(trial._trial_id).params.keys() == {"alpha"}
    with closing(sqlite3.connect(tmp_path / "study.db")) as other, other:
        other.execute("UPDATE trial_params SET distribution_json = '{}'")
    with pytest.raises(DamagedValueError):
        backend.get_trial(trial._trial_id)
    with pytest.raises(KeyError):
        backend.get_trial(10**6)


def test_what_a_connection_begins_with_holds_after_its_first_transaction(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as other:
        other.execute("CREATE TABLE said (what TEXT)")
    engine = create_engine(f"sqlite:///{tmp_path}/x.db")
    begin_sessions(engine, ("INSERT INTO said VALUES ('a')", "INSERT INTO said VALUES ('b')"))
    engine.connect().close()
    assert other.execute("SELECT what FROM said").fetchall() == [("a",), ("b",)]
    engine.dispose()
    other.close()


@pytest.mark.parametrize(("folds", "on"), [(None, "on dev"), ([0.8, 0.9], "on 2 folds")])
def test_the_teacher_of_a_trial_is_compared_on_what_it_was_scored_on(folds: Any, on: str) -> None:
    attributes = {TEACHER_SCORE: 0.1, **({} if folds is None else {FOLD_SCORES: folds})}
    said = warning_of(create_trial(value=0.85, user_attrs=attributes))
    assert said is not None and on in said
    assert warning_of(create_trial(value=0.85, user_attrs={TEACHER_SCORE: 0.9})) is None
    assert warning_of(create_trial(value=0.85)) is None


def test_a_student_s_own_values_lie_over_those_of_its_teacher() -> None:
    teachers = {
        "base": {OVERRIDES: {}},
        "teacher 3": {OVERRIDES: {"teacher.lr": 0.5, "training.batch_size": 8}},
    }
    own = Space({"batch": choice_of(4, 16, key="training.batch_size")})
    space = staged.StudentSpace.offering(teachers, own)
    assert space.parameters["teacher"] == choice_of("base", "teacher 3", key="teacher"), (
        "as studies record it"
    )
    drawn = space.overrides({"teacher": "teacher 3", "batch": 4})
    assert drawn == {"teacher.lr": 0.5, "training.batch_size": 4}
    assert (
        space.overrides({"teacher": "base", "batch": 4})
        == {"training.batch_size": 4}
        == space.overrides({"batch": 4})
    )
    base = space.base_values(base_config())
    assert base == {"teacher": "base", "batch": base_config().training.batch_size}


@pytest.mark.parametrize(
    ("key", "is_theirs"),
    [
        ("teacher.lr", True),
        ("training.batch_size", True),
        ("data.image_size", True),
        ("student.lr", False),
        ("distillation.alpha", False),
    ],
)
def test_what_a_trained_teacher_depends_on_is_settled_with_the_teachers(key: str, is_theirs: bool) -> None:
    assert staged._is_for_teachers(key) is is_theirs


@pytest.mark.parametrize(
    ("base", "kept"),
    [
        (0.1, ["teacher 3", "teacher 2", "teacher 1", "base"]),  # worse, and a choice all the same
        (0.65, ["teacher 3", "base", "teacher 2"]),
    ],
)
def test_the_best_three_teachers_and_that_of_the_base_config(base: float, kept: list[str]) -> None:
    study = memory_study(settings_of())
    for number, value in enumerate((base, 0.5, 0.6, 0.7)):
        params = {"teacher_lr": number}
        add(study, TrialState.COMPLETE, value=value, fixed_params=params, baseline=number == 0)
    add(study, TrialState.PRUNED, value=None, scores={1: 0.99}, fixed_params={"teacher_lr": 9})
    found = staged.best_teachers(study)
    assert list(found) == kept
    assert found["teacher 3"] == {"number": 3, "score": 0.7, "params": {"teacher_lr": 3}, OVERRIDES: {}}


def test_a_teacher_that_equals_the_base_config_s_is_offered_once() -> None:
    study = memory_study(settings_of())
    for number, value in enumerate((0.1, 0.5, 0.6, 0.7)):
        params = {"teacher_lr": 1 if number in (0, 3) else number + 5}
        add(study, TrialState.COMPLETE, value=value, fixed_params=params, baseline=number == 0)
    assert list(staged.best_teachers(study)) == ["teacher 3", "teacher 2", "teacher 1"]


def of_alpha(alpha: float, **about: Any) -> FrozenTrial:
    attributes = {OVERRIDES: {"distillation.alpha": alpha}, OWNER: "somebody", "seconds": 9.0}
    return create_trial(value=0.5, user_attrs=attributes, intermediate_values={1: 0.25}, **about)


def test_a_trial_outside_of_the_new_ranges_is_not_copied() -> None:
    old = memory_study(settings_of())
    narrow = SearchParameter(type="float", low=0.5, high=1.5)
    settings = settings_of(base_config(search_space={"alpha": narrow.model_dump()}))
    settings = replace(settings, space=Space({"alpha": narrow}))
    inside, outside = (_copy(old, of_alpha(alpha), settings) for alpha in (1.25, 1.75))
    assert outside is None, "no sampler may learn from a point that it could not draw"
    assert inside is not None and inside.params == {"alpha": 1.25} and inside.intermediate_values == {1: 0.25}
    assert inside.user_attrs == {
        OVERRIDES: {"distillation.alpha": 1.25}, "seconds": 9.0, "copied_from": [old.study_name, -1],
    }  # fmt: skip
    assert _copy(old, create_trial(value=0.5), settings) is None, "nothing says what it ran"


def test_the_base_config_s_own_trial_is_copied_wherever_it_lies() -> None:
    base = base_config(distillation__alpha=1.75)
    narrow = SearchParameter(type="float", low=0.5, high=1.5)
    settings = replace(settings_of(base), space=Space({"alpha": narrow}))
    smaller = {"training.accumulation": 4}  # it was retried with smaller micro-batches
    for overrides in ({}, smaller):
        found = _copy(
            memory_study(settings), create_trial(value=0.5, user_attrs={OVERRIDES: overrides}), settings
        )
        assert found is not None and found.params == {}
        about = found.user_attrs
        assert (about["baseline"], about["fixed_params"], about[OVERRIDES]) == (
            True,
            {"alpha": 1.75},
            overrides,
        )
    assert (
        base_trial([create_trial(value=0.5), found]) is found
        and base_trial([create_trial(value=0.5)]) is None
    )


def test_the_point_of_a_config_in_another_space_has_what_has_an_effect() -> None:
    base = base_config(distillation__loss="none", distillation__alpha=0.75)
    both = {name: DEFAULT_SPACE[name] for name in ("alpha", "T")}
    of_none = Ignored("distillation.T", {"distillation.loss": frozenset({"none"})})
    settings = replace(settings_of(base), space=Space(both, [of_none]))
    assert _point(base, settings) == {"alpha": 0.75}


@pytest.mark.slow
def test_a_fork_keeps_the_commits_of_the_study_that_it_copies(tmp_path: Path) -> None:
    """The same trials at another commit would be trials of other models."""
    old = sqlite_study(tmp_path, settings_of(), "old")
    old.set_user_attr(COMMITS, {"own/model": "a" * 40})
    request = tune_request(fork="new", study_name="old", logs=tmp_path)
    with opened(f"sqlite:///{tmp_path}/new.db") as storage:
        study, _ = _open(request, storage, "new", settings_of(), StorageRetry())
        assert study.user_attrs[COMMITS] == {"own/model": "a" * 40}
        assert study.user_attrs["forked_from"] == "old" and _is_fork_of(study, old)
        study.set_user_attr("forked_from", "another")
        study.add_trial(create_trial(value=0.5, user_attrs={OVERRIDES: {}, "copied_from": ["old", 1]}))
        assert not _is_fork_of(study, old), "it was copied by way of another one"


def test_a_study_keeps_its_sampler_and_its_pruner_unless_asked_otherwise(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And what is asked for is kept with it, for reports."""
    storage = optuna.storages.InMemoryStorage()
    first = settings_of(sampler="random", pruner="none", prune_teacher=True)
    study, _ = _open(tune_request(), storage, "s", first, StorageRetry())
    before = dict(study.user_attrs)
    study, found = _open(tune_request(), storage, "s", settings_of(prune_teacher=True), StorageRetry())
    assert (found.sampler, found.pruner) == ("random", "none") and study.user_attrs == before
    asked = tune_request(sampler="qmc", pruner="median")
    study, found = _open(asked, storage, "s", settings_of(warmup=5, commits={"a": "1"}), StorageRetry())
    assert (found.sampler, found.pruner) == ("qmc", "median")
    assert {key: value for key, value in study.user_attrs.items() if value != before.get(key)} == {
        "sampler": "qmc", "pruner": "median", "prune_teacher": False, COMMITS: {"a": "1"},
        "pruner_settings": {"n_startup_trials": 5, "n_warmup_steps": 5},
    }  # fmt: skip
    study.add_trial(create_trial(value=0.5, user_attrs={OVERRIDES: {}}))
    before = dict(study.user_attrs)
    over = tune_request(sampler="tpe", pruner="none", n_trials=1)
    with caplog.at_level("WARNING"):
        _open(over, storage, "s", settings_of(), StorageRetry())
    assert "sampler: tpe has no effect" in caplog.text and study.user_attrs == before


def test_a_dashboard_of_a_study_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    sqlite_study(tmp_path, settings_of(), "some")
    with pytest.raises(UserError, match="holds no study other; it holds some"):
        copy_study("other", tmp_path / "copy.db", storage=f"sqlite:///{tmp_path}/some.db")
    with pytest.raises(UserError, match="study name"):
        copy_study("../some", tmp_path / "copy.db", logs=tmp_path / "in")
    assert not (tmp_path / "copy.db").exists()


KEPT = (
    "base_config",
    "search_space",
    "data_fingerprint",
    "metric",
    "strategy",
    "seed",
    "sampler",
    "pruner",
    "ready",
)


@pytest.mark.parametrize("lost", KEPT)
def test_a_study_that_lost_what_it_is_about_is_not_worked_on(lost: str) -> None:
    held = memory_study(settings_of())
    assert is_made_by_tune(held)
    study = optuna.create_study(direction="maximize")
    for key, value in held.user_attrs.items():
        if key != lost:
            study.set_user_attr(key, value)
    assert not is_made_by_tune(study)


def test_what_keeps_a_study_from_being_resumed() -> None:
    settings = settings_of()
    held = dict(settings.as_attributes())
    assert differing(held, settings) == []
    teachers = {"teacher": {"key": "teacher", "type": "categorical", "choices": ["base"]}}
    staged_one = {**held, "search_space": {**teachers, **held["search_space"]}}
    assert differing(staged_one, settings) == [], "it found its teachers on its way"
    named_so = {"teacher": {**teachers["teacher"], "key": "teacher.fusion"}}
    (line,) = differing({**held, "search_space": {**named_so, **held["search_space"]}}, settings)
    assert line.startswith("search space teacher: ") and line.endswith("absent now")
    inert = replace(settings, space=Space(settings.space.parameters, [Ignored("teacher.fusion", {})]))
    assert differing({**held, "search_space": {**named_so, **held["search_space"]}}, inert) == []
    for key, value in (
        ("seed", 7),
        ("strategy", "staged"),
        ("data_fingerprint", "x"),
        ("metric", "kappa"),
        ("folds", 3),
    ):
        (line,) = differing({**held, key: value}, settings)
        assert line.startswith(f"{key}: {value} in the study, ")
    for key in ("sampler", "pruner", "config_path", "distune_version"):
        assert differing({**held, key: "another"}, settings) == [], "that may change on the way"


def test_each_stage_of_a_staged_search_gets_its_own_settings_back_with_the_commits(tiny_config: Any) -> None:
    settings = settings_of(tiny_config())
    teacher = replace(settings, strategy="teacher")
    study = memory_study(settings)
    asked = tune_request(tiny_config(), dataset=None)
    for own in (None, teacher):
        found = _with_encoders(asked, study, settings, own, StorageRetry(), lambda: 0)
        assert found == (settings, own), "encoders of ours have no commits"
    assert study.user_attrs[COMMITS] == {}
    given = tune_request(tiny_config(), dataset="sha256:0")
    untouched = memory_study(settings)
    before = untouched.user_attrs
    assert _with_encoders(given, untouched, settings, teacher, StorageRetry(), lambda: 0) == (
        settings,
        teacher,
    )
    assert untouched.user_attrs == before


def test_a_teacher_s_scores_are_kept_by_epoch(tmp_path: Path) -> None:
    trial = memory_study(settings_of()).ask()
    active = ActiveTrial.of(trial, {}, {}, tmp_path, {})
    assert active.with_teacher_score(EpochReported(0, "teacher", 1, 0.5)) == {TEACHER_SCORES: {"1": 0.5}}
    assert active.with_teacher_score(EpochReported(0, "teacher", 2, 0.25)) == {
        TEACHER_SCORES: {"1": 0.5, "2": 0.25}
    }
    assert active.teacher_scores == {1: 0.5, 2: 0.25}
