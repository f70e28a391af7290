"""The list of studies: all of a folder or of a shared storage, each in one line, whatever lies beside them."""

from __future__ import annotations

from datetime import datetime, timedelta

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial
from study_helpers import base_config, settings_of, sqlite_study
from typer.testing import CliRunner

from distune.cli import app
from distune.errors import UserError
from distune.tuning.coordinator.leases import PREFIX, Lease
from distune.tuning.staged import SUFFIX, split_settings
from distune.tuning.status import (
    StudyStatus,
    UnreadableStudy,
    _expected_end,
    _status_in,
    read_status,
    read_studies,
    status_of,
)
from distune.tuning.study.open_study import open_study, write_settings
from distune.tuning.study.storage import open_storage


def add_complete(study, value):
    study.add_trial(create_trial(state=TrialState.COMPLETE, value=value, user_attrs={"overrides": {}}))


def with_lease(study, ended):
    lease = Lease.new(2, ["cpu"], n_trials=5)
    lease = lease.closed(ended) if ended else lease
    study.set_user_attr(f"coordinator:{lease.coordinator}", lease.__dict__)


@pytest.mark.slow
def test_studies_of_a_folder_are_listed_with_what_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    logs = tmp_path / "logs" / "optuna"
    logs.mkdir(parents=True)
    finished = sqlite_study(logs, settings_of(), "finished")
    add_complete(finished, 0.25)
    add_complete(finished, 0.75)
    with_lease(finished, "finished")
    running = sqlite_study(logs, settings_of(), "running")
    with_lease(running, None)
    optuna.create_study(
        directions=["maximize", "minimize"], study_name="two", storage=f"sqlite:///{logs}/two.db"
    )
    (logs / "damaged.db").write_bytes(b"SQLite format 3\x00 and no more")
    for left in ("._running.db", "Thumbs.db"):  # by a Mac and by Windows
        (logs / left).write_bytes(b"no study")
    before = {path: path.read_bytes() for path in logs.iterdir()}
    found = {study.name: study for study in read_studies(logs=logs)}
    assert list(found) == ["damaged", "finished", "running", "two"]
    assert isinstance(found["damaged"], UnreadableStudy) and isinstance(found["two"], UnreadableStudy)
    assert (found["finished"].counts.finished, found["finished"].counts.best) == (2, (1, 0.75))
    shown = CliRunner().invoke(app, ["status"])
    lines = {line.split()[0]: line.split()[1:] for line in shown.output.splitlines()}
    assert shown.exit_code == 0 and len(lines) == 5
    assert lines["finished"] == ["2/5", "0.7500", "finished"]
    assert lines["running"][:3] == ["0/5", "-", "running,"]
    assert lines["damaged"][2] == lines["two"][2] == "unreadable:"
    assert {path: path.read_bytes() for path in logs.iterdir()} == before
    del running, finished  # kept till here: who writes closes its database, and empties its log, when it goes


@pytest.mark.slow
def test_both_stages_of_a_staged_search_are_one_study_of_the_list(tmp_path):
    teacher, students = split_settings(settings_of(base_config()))
    url = f"sqlite:///{tmp_path}/shared.db"
    storage = open_storage(url)
    open_study(storage, "s", students)
    first = open_study(storage, "s" + SUFFIX, teacher)
    add_complete(first, 0.5)
    open_study(storage, "other", settings_of())
    found = read_studies(storage=url)
    assert all(isinstance(study, StudyStatus) for study in found)
    assert [study.name for study in found] == ["other", "s" + SUFFIX], "it is at its teachers"
    students_study = optuna.load_study(study_name="s", storage=storage)
    students_study.set_user_attr("teachers", {"base": {"overrides": {}}})
    other, both = read_studies(storage=url)
    assert (other.name, both.name) == ("other", "s")
    assert other.teachers is None and both.teachers.finished == 1 and both.teachers.best == (0, 0.5)
    shown = CliRunner().invoke(app, ["status", "s", "--storage", url]).output
    assert "teachers  1 finished before: 1 complete, 0 pruned; 0 failed; best 0.5000, trial 0" in shown
    listed = CliRunner().invoke(app, ["status", "--storage", url]).output
    assert "other" in listed and "no studies" not in listed


def test_what_is_no_study_is_listed_as_unreadable_and_what_a_system_leaves_is_not(tmp_path):
    for name in ("damaged.db", "._damaged.db", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"no study")
    (found,) = read_studies(logs=tmp_path)
    assert isinstance(found, UnreadableStudy) and found.name == "damaged"
    with pytest.raises(UserError, match="study name"):
        read_status("../damaged", logs=tmp_path / "in")


def test_a_folder_without_studies_and_a_list_that_is_watched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    empty = CliRunner().invoke(app, ["status"])
    assert empty.exit_code == 0 and "no studies in" in empty.output and not list(tmp_path.iterdir())
    watched = CliRunner().invoke(app, ["status", "--watch"])
    assert isinstance(watched.exception, UserError) and "name it" in str(watched.exception)


def test_the_end_is_expected_from_the_mean_trial_and_the_workers_that_are_there():
    now = datetime(2026, 1, 1, 12)
    study = optuna.create_study()
    for state, seconds in ((TrialState.COMPLETE, 100.0), (TrialState.PRUNED, 20.0), (TrialState.FAIL, 900.0)):
        value = 0.5 if state == TrialState.COMPLETE else None
        study.add_trial(
            create_trial(state=state, value=value, user_attrs={"seconds": seconds, "overrides": {}})
        )
    trials = study.get_trials(deepcopy=False)
    assert _expected_end(trials, 12, 4, now) == now + timedelta(seconds=60 * 10 / 4)
    assert _expected_end(trials, 1, 4, now) == now
    assert [_expected_end(trials, *asked, now) for asked in ((None, 4), (12, 0))] == [None, None]
    assert _expected_end([], 12, 4, now) is None


def test_a_study_with_two_objectives_has_no_status_and_one_that_minimises_has_its_own_best():
    now = datetime(2026, 1, 1, 12).astimezone()
    both = optuna.create_study(directions=["maximize", "minimize"])
    with pytest.raises(UserError, match="2 objectives"):
        status_of(both, "url", now)
    lowest = optuna.create_study(direction="minimize")
    for value in (0.5, 0.25, 0.75):
        lowest.add_trial(create_trial(value=value))
    found = status_of(lowest, "url", now)
    assert (found.counts.best, found.is_ours, found.counts.foreign) == ((1, 0.25), False, 0)
    assert (found.n_trials, found.workers, found.ended, found.ends) == (None, 0, None, None)
    assert found.teacher_warning is None and found.storage == "url"


def test_the_last_coordinator_says_how_many_trials_are_wanted_and_why_it_ended():
    now = datetime(2026, 1, 1, 12).astimezone()
    at = now.timestamp()
    study = optuna.create_study(direction="maximize")
    write_settings(study, settings_of())
    for name, started, seen, wanted, ended in (
        ("first", at - 100, at, 30, "timeout"), ("last", at - 50, at - 40, 40, "interrupted"),
    ):  # fmt: skip
        lease = Lease(
            name, "elsewhere/boot", 1, 0.0, n_trials=wanted, started=started, seen=seen, ended=ended
        )
        study.set_user_attr(PREFIX + name, lease.__dict__)
    trial = study.ask()
    study.enqueue_trial({})
    found = status_of(study, "url", now)
    assert (found.n_trials, found.ended, found.workers) == (40, "interrupted", 0)
    assert found.interrupted == (trial.number, trial.number + 1) and found.running == ()
    alive = Lease("alive", "elsewhere/boot", 1, 0.0, workers=3, n_trials=50, started=at, seen=at)
    study.set_user_attr(PREFIX + "alive", alive.__dict__)
    trial.set_user_attr("coordinator", "alive")
    for epoch, score in ((2, 0.5), (5, 0.25)):
        trial.report(score, epoch)
    trial.set_user_attr("attempts", 2)
    found = status_of(study, "url", now)
    assert (found.n_trials, found.ended, found.workers) == (50, None, 3)
    (running,) = found.running
    assert (running.host, running.epoch, running.score, running.attempts) == ("elsewhere", 5, 0.25, 2)
    assert (running.worker, running.started, found.interrupted) == ("", None, (trial.number + 1,))


def test_a_staged_search_is_at_its_teachers_until_the_choice_is_made():
    teacher, students = split_settings(settings_of(base_config()))
    storage = InMemoryStorage()
    study = open_study(storage, "s", students)
    assert _status_in(storage, "s", "url").name == "s", "it has not begun"
    add_complete(open_study(storage, "s" + SUFFIX, teacher), 0.5)
    assert _status_in(storage, "s", "sqlite:///x.db").name == "s" + SUFFIX
    study.set_user_attr("teachers", {"base": {"overrides": {}}})
    found = _status_in(storage, "s", "postgresql+psycopg://me:secret@db/x")
    assert found.name == "s" and "secret" not in found.storage
