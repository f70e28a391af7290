"""The list of studies: all of a folder or of a shared storage, each in one line, whatever lies beside them."""

from __future__ import annotations

from datetime import datetime, timedelta

import optuna
from optuna.trial import TrialState, create_trial
from study_helpers import base_config, settings_of, sqlite_study
from typer.testing import CliRunner

from distune.cli import app
from distune.errors import UserError
from distune.tuning.coordinator.leases import Lease
from distune.tuning.staged import SUFFIX, split_settings
from distune.tuning.status import StudyStatus, UnreadableStudy, _expected_end, read_studies
from distune.tuning.study.open_study import open_study
from distune.tuning.study.storage import open_storage


def add_complete(study, value):
    study.add_trial(create_trial(state=TrialState.COMPLETE, value=value, user_attrs={"overrides": {}}))


def with_lease(study, ended):
    lease = Lease.new(2, ["cpu"], n_trials=5)
    lease = lease.closed(ended) if ended else lease
    study.set_user_attr(f"coordinator:{lease.coordinator}", lease.__dict__)


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
    students_study.set_user_attr("teachers", {"base": {}})
    assert [study.name for study in read_studies(storage=url)] == ["other", "s"]


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
