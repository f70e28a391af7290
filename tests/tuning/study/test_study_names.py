"""Which study a command means, in storages of this process."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import TrialState, create_trial
from study_helpers import base_config, settings_of

from distune.errors import UserError
from distune.tuning.coordinator.leases import PREFIX, Lease, this_host
from distune.tuning.staged import SUFFIX, split_settings
from distune.tuning.study import names, read_only
from distune.tuning.study.names import (
    _can_resume,
    _newest,
    check_before_opening,
    commits_so_far,
    name_in,
    studies_in,
    study_to_continue,
)
from distune.tuning.study.open_study import (
    check_resumable,
    is_draft,
    is_made_by_tune,
    open_study,
    write_settings,
)
from distune.tuning.study.settings import COMMITS, StudySettings
from distune.tuning.study.storage import opened


def study_of(storage: BaseStorage, name: str, settings: StudySettings, finished: int) -> optuna.Study:
    study = open_study(storage, name, settings)
    for number in range(finished):
        state = TrialState.PRUNED if number % 2 else TrialState.COMPLETE
        value = None if number % 2 else 0.5
        study.add_trial(create_trial(state=state, value=value, user_attrs={"overrides": {}}))
    return study


@pytest.mark.parametrize(
    ("teachers", "students", "wanted", "resumes"),
    [(0, 3, 4, True), (0, 4, 4, False), (2, 1, 4, True), (2, 2, 4, False), (3, 1, 4, False)],
)
def test_a_study_is_resumed_while_it_and_its_teachers_lack_trials(
    teachers: int, students: int, wanted: int, resumes: bool
) -> None:
    teacher, student = split_settings(settings_of())
    storage = InMemoryStorage()
    study_of(storage, "s", student, students)
    if teachers:
        study_of(storage, "s" + SUFFIX, teacher, teachers)
    assert _can_resume("s", storage, student, wanted, teacher) is resumes
    assert _can_resume("s", storage, student, wanted, None) is (students < wanted), "a joint search has none"


@pytest.mark.parametrize("of", ["s", "s" + SUFFIX])
@pytest.mark.parametrize(
    ("host", "seconds", "ended", "resumes"),
    [("elsewhere", 0, None, False), ("elsewhere", 0, "timeout", True), ("elsewhere", 40, None, False),
     ("elsewhere", 61, None, True), (this_host(), 0, None, True)],
    ids=["alive", "ended", "silent", "dead", "gone"],
)  # fmt: skip
def test_a_study_is_left_to_the_coordinator_that_works_on_it_or_on_its_teachers(
    of: str, host: str, seconds: float, ended: str | None, resumes: bool, caplog: pytest.LogCaptureFixture
) -> None:
    teacher, student = split_settings(settings_of())
    storage = InMemoryStorage()
    for name, settings in (("s", student), ("s" + SUFFIX, teacher)):
        study = study_of(storage, name, settings, 1)
        if name == of:
            over = Lease("b", "elsewhere", 1, born=1e6, seen=time.time() - 90)
            study.set_user_attr(PREFIX + "b", over.__dict__)
            held = Lease("c", host, 1, born=1e6, seen=time.time() - seconds, ended=ended)  # no process here
            study.set_user_attr(PREFIX + "c", held.__dict__)
    assert _can_resume("s", storage, student, 4, teacher) is resumes
    assert ("--study-name s" in caplog.text) is not resumes


def test_a_study_on_another_question_or_of_another_program_is_not_resumed() -> None:
    teacher, student = split_settings(settings_of())
    storage = InMemoryStorage()
    study_of(storage, "s", student, 0)
    other, _ = split_settings(settings_of(base_config(teacher__epochs=9)))
    study_of(storage, "s" + SUFFIX, other, 0)
    assert not _can_resume("s", storage, student, 4, teacher), "its teachers are of another question"
    assert not _can_resume("s", storage, settings_of(seed=7), 4, None)
    assert not _can_resume("none", storage, student, 4, None)
    optuna.create_study(storage=storage, study_name="foreign", direction="maximize")
    assert not _can_resume("foreign", storage, student, 4, None)


@pytest.mark.parametrize(
    ("name", "found"),
    [(None, {"a": "two"}), ("one", {"a": "one"}), ("other", {"a": "other"}), ("bad", {}), ("no", {})],
)
def test_commits_are_those_of_the_study_that_is_named_or_the_newest_on_the_config_that_can_be_read(
    monkeypatch: pytest.MonkeyPatch, name: str | None, found: dict[str, str]
) -> None:
    storage, base = InMemoryStorage(), base_config()
    for held in ("bad", "other", "two", "one"):
        config = base_config(student__lr=0.5) if held == "other" else base
        study_of(storage, held, settings_of(config), 0).set_user_attr(COMMITS, {"a": held})
    optuna.load_study(storage=storage, study_name="bad").set_user_attr("base_config", 7)
    monkeypatch.setattr(names, "reading", lambda url: nullcontext(storage))
    monkeypatch.setattr(names, "_newest", lambda *_: ["bad", "other", "two", "one"])
    assert commits_so_far(Path("logs"), None, name, base) == found


def test_studies_of_a_config_and_runs_of_trials_are_known_by_their_whole_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    storage = InMemoryStorage()
    monkeypatch.setattr(names, "reading", lambda url: nullcontext(storage))
    for name in ("s_tuning_1", "s", "s2_tuning_1", "s_tuning_2"):
        optuna.create_study(storage=storage, study_name=name)
        (tmp_path / f"{name}.db").touch()
    for url in (None, "sqlite:///s.db"):
        assert _newest(tmp_path, url, "s") == ["s_tuning_2", "s_tuning_1"]
    for name in ("trial_0001", "trial_0001 (1)", "trial_"):
        (tmp_path / "trials" / name).mkdir(parents=True)
    (tmp_path / "trials/trial_0000").touch()
    assert [run.name for run in names._runs(tmp_path)] == ["trial_0000", "trial_0001"]


def test_the_teachers_study_is_part_of_its_own() -> None:
    storage = InMemoryStorage()
    for name in ("b", "a", "a_teacher", "lone_teacher"):
        optuna.create_study(storage=storage, study_name=name)
    assert studies_in(storage) == ["a", "b", "lone_teacher"]


@pytest.mark.parametrize(
    ("names", "asked", "own_file", "found"),
    [(["a"], "a", False, "a"), (["a"], "x", True, "a"), (["a"], "x", False, None), (["a", "b"], "x", True, None),
     (["a", "a_teacher"], "x", True, "a"), (["a", "a_teacher"], "a_teacher", False, "a_teacher"),
     ([], "x", True, None)],
)  # fmt: skip
def test_a_renamed_file_means_its_only_study(
    names: list[str], asked: str, own_file: bool, found: str | None
) -> None:
    storage = InMemoryStorage()
    for name in names:
        optuna.create_study(storage=storage, study_name=name)
    if found:
        assert name_in(storage, asked, "sqlite:///x.db", is_own_file=own_file) == found
        return
    with pytest.raises(UserError, match=", ".join(names) or "none"):
        name_in(storage, asked, "sqlite:///x.db", is_own_file=own_file)


@pytest.mark.parametrize(
    ("attributes", "direction", "trials", "made", "draft"),
    [
        ({}, "maximize", 0, False, True),
        ({}, "maximize", 1, False, False),
        ({}, "minimize", 0, False, False),
        ({"mine": 1}, "maximize", 0, False, False),
        ({"base_config": {}}, "maximize", 0, False, True),
        ({"base_config": {}}, "maximize", 1, False, False),
        ({"forked_from": "a"}, "maximize", 1, False, True),
        ({"ready": True}, "maximize", 0, False, False),
    ],
)
def test_whose_study_it_is(
    attributes: dict[str, object], direction: str, trials: int, made: bool, draft: bool
) -> None:
    study = optuna.create_study(direction=direction)
    for key, value in attributes.items():
        study.set_user_attr(key, value)
    for _ in range(trials):
        study.ask()
    assert (is_made_by_tune(study), is_draft(study)) == (made, draft)


def test_a_study_of_which_another_program_changed_a_trial_is_not_resumed() -> None:
    study = study_of(InMemoryStorage(), "s", settings_of(), 1)
    check_resumable(study, settings_of())
    study.add_trial(create_trial(value=0.5, user_attrs={"overrides": {}, "seconds": "long"}))
    with pytest.raises(UserError, match="trial 1: the attribute seconds"):
        check_resumable(study, settings_of())


def test_a_study_of_two_objectives_is_none_of_ours() -> None:
    study = optuna.create_study(directions=["maximize", "maximize"])
    assert not is_draft(study)
    write_settings(study, settings_of())
    assert not is_made_by_tune(study)


def test_a_study_is_ready_when_all_that_it_is_about_is_written() -> None:
    storage, wrote = InMemoryStorage(), []

    class Noting(InMemoryStorage):
        def set_study_user_attr(self, study_id: int, key: str, value: object) -> None:
            wrote.append(key)
            super().set_study_user_attr(study_id, key, value)

    study = open_study(Noting(), "s", settings_of())
    assert wrote[-1] == "ready" and set(wrote[:-1]) == set(settings_of().as_attributes())
    assert is_made_by_tune(study) and not is_draft(study)
    for missing in ("sampler", "base_config", "metric"):
        other = optuna.create_study(storage=storage, study_name=missing, direction="maximize")
        for key, value in study.user_attrs.items():
            if key != missing:
                other.set_user_attr(key, value)
        assert not is_made_by_tune(other)


def test_the_newest_studies_of_a_config_s_name_come_first(tmp_path: Path) -> None:
    for day in range(1, 26):
        (tmp_path / f"own_tuning_202601{day:02d}.db").touch()
    for name in ("own_20260199.db", "other_tuning_20260199.db", "own_tuning_20260199.txt"):
        (tmp_path / name).touch()
    found = _newest(tmp_path, None, "own")
    assert found == [f"own_tuning_202601{day:02d}" for day in range(25, 5, -1)]
    assert _newest(tmp_path / "nowhere", None, "own") == []


def test_looking_for_a_study_to_resume_makes_none_and_changes_no_other_program_s_file(tmp_path: Path) -> None:
    url, file = f"sqlite:///{tmp_path}/s.db", tmp_path / "s.db"
    assert _newest(tmp_path, url, "s") == [] and not file.exists()
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(UserError, match="holds no studies"):
        study_to_continue(tmp_path, url, settings_of(), 1)
    assert file.read_bytes() == before


def test_runs_that_a_study_does_not_know_are_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = InMemoryStorage()
    monkeypatch.setattr(names, "reading", lambda url: nullcontext(storage))

    def is_there() -> bool:
        return check_before_opening(
            tmp_path / "s", "sqlite:///s.db", "s", lambda study: None, is_own_file=True
        )

    study_of(storage, "s", settings_of(), 1)
    for place in ("trials", "teacher/trials"):
        for number in (0, 1):
            (tmp_path / "s" / place / f"trial_000{number}").mkdir(parents=True)
            (tmp_path / "s" / place / "trial_0000/mine.txt").touch()
    assert is_there(), "it knows trial 0, nothing is in the next, and it has no teachers"
    study_of(storage, "s" + SUFFIX, settings_of(), 0)
    with pytest.raises(UserError, match="teacher/trials/trial_0000 holds"):
        is_there()
    shutil.rmtree(tmp_path / "s/teacher")
    assert is_there()
    (tmp_path / "s/trials/trial_0001/mine.txt").touch()
    with pytest.raises(UserError, match="trial_0001 holds"):
        is_there()
    shutil.rmtree(tmp_path / "s/trials/trial_0001")
    (tmp_path / "s/trials/trial_0001").touch()
    with pytest.raises(UserError, match="trial_0001 holds"):
        is_there()


def test_no_second_folder_of_a_study_is_begun_below_its_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs/s").mkdir(parents=True)
    (tmp_path / "below/logs/here").mkdir(parents=True)
    (tmp_path / "logs/here").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    with pytest.raises(UserError, match="give the command in"):
        names._check_is_here("s", Path("logs/s"))
    for other in ("here", "new"):
        names._check_is_here(other, Path("logs") / other)


@pytest.mark.slow
def test_a_study_is_there_where_it_says_what_it_is_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    url, checked = f"sqlite:///{tmp_path}/s.db", []

    def is_there(name: str) -> bool:
        return check_before_opening(
            tmp_path / name, url, name, lambda study: checked.append(study.study_name), is_own_file=False
        )

    assert not is_there("s") and not list(tmp_path.iterdir())
    with opened(url) as storage:
        optuna.create_study(storage=storage, study_name="foreign", direction="maximize")
        open_study(storage, "s", settings_of())
        assert _newest(tmp_path, url, "s") == [] and _newest(tmp_path, url, "") == []
        for name in ("s_tuning_1", "s_tuning_2", "x_tuning_3"):
            optuna.create_study(storage=storage, study_name=name)
    assert [is_there(name) for name in ("s", "foreign", "none")] == [True, False, False]
    assert checked == ["s"], "nothing is wrong with one that is not there"
    for number in (0, 1):
        (tmp_path / f"s/trials/trial_000{number}").mkdir(parents=True)
    with opened(url) as storage:
        open_study(storage, "s", settings_of()).ask()
    (tmp_path / "s/trials/trial_0001/.DS_Store").touch()
    assert is_there("s"), "trial 0 is known, and nobody misses what is in the folder of trial 1"
    for file in ("results.json", "config.yaml", "mine.txt"):
        for number in (0, 1):
            (tmp_path / f"s/trials/trial_000{number}" / file).write_text("cut")
        with pytest.raises(UserError, match="trial_0001 holds what study s does not know"):
            is_there("s")
        (tmp_path / "s/trials/trial_0001" / file).unlink()
    (tmp_path / "s/trials/trial_0002").touch()
    with pytest.raises(UserError, match="trial_0002"):
        is_there("s")
    (tmp_path / "s/trials/trial_0002").unlink()
    (tmp_path / "s/teacher/trials/trial_0000").mkdir(parents=True)
    (tmp_path / "s/teacher/trials/trial_0000/mine.txt").touch()
    assert is_there("s"), "it has no teachers of its own"
    with opened(url) as storage:
        open_study(storage, "s" + SUFFIX, settings_of())
    with pytest.raises(UserError, match="teacher/trials/trial_0000 holds"):
        is_there("s")
    shutil.rmtree(tmp_path / "s/teacher")
    (tmp_path / "s/trials/trial_0001/mine.txt").touch()
    (tmp_path / "s/trials/trial_0001").rename(tmp_path / "s/trials/trial_0000 (1)")
    assert is_there("s"), "no trial will have that name"
    shutil.rmtree(tmp_path / "s")
    with monkeypatch.context() as busy:  # others write to it all the time
        busy.setattr(read_only, "COPY_ATTEMPTS", 0)
        assert is_there("s")
        assert _newest(tmp_path, url, "s") == [] and "changes too fast" in caplog.text
    assert _newest(tmp_path, url, "s") == ["s_tuning_2", "s_tuning_1"]


@pytest.mark.slow
def test_the_study_to_resume_is_looked_for_where_the_command_keeps_it(tmp_path: Path) -> None:
    url, settings = f"sqlite:///{tmp_path}/shared.db", settings_of()
    with opened(url) as storage:
        for number, finished in enumerate((1, 1, 4)):
            study_of(storage, f"{settings.base.name}_tuning_{number}", settings, finished)
    assert study_to_continue(tmp_path, url, settings, 4) == f"{settings.base.name}_tuning_1"
    assert study_to_continue(tmp_path, url, settings, 1) is None
    (tmp_path / f"{settings.base.name}_tuning_9.db").write_text("no database")
    assert study_to_continue(tmp_path, None, settings, 4) is None


def test_a_study_is_resumed_by_the_question_of_its_teachers_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    settings, teacher = settings_of(), settings_of(seed=9)
    with opened(f"sqlite:///{tmp_path}/s.db") as storage:
        open_study(storage, "s", settings)
    monkeypatch.setattr(names, "_newest", lambda *given: ["s"])
    monkeypatch.setattr(names, "_can_resume", lambda *given: asked.append((given[0], *given[2:])))
    assert study_to_continue(tmp_path, None, settings, 4, teacher) is None
    assert asked == [("s", settings, 4, teacher)]
