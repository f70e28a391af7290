from __future__ import annotations

import socket
import sqlite3
import sys
import threading
import urllib.request
from contextlib import closing, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from wsgiref.simple_server import WSGIRequestHandler, make_server

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial
from study_helpers import (
    base_config,
    coordinator,
    memory_study,
    settings_of,
    sqlite_study,
    states,
    training,
    tune_request,
)

from distune.analysis.records.sources import database_file, name_and_url, read_study
from distune.config import SearchParameter
from distune.errors import UserError
from distune.tuning.coordinator.leases import Lease
from distune.tuning.dashboard import ThreadedServer, copy_study, for_this_machine, open_dashboard
from distune.tuning.fork_study import FORKED_BY, fork, study_to_copy
from distune.tuning.status import read_status, status_of
from distune.tuning.study import names
from distune.tuning.study.names import check_before_opening
from distune.tuning.study.open_study import FORKED_FROM, open_study
from distune.tuning.study.storage import open_storage, opened
from distune.tuning.tune import tune
from tests.stand_ins import refusing_as


def accepted(_):
    """The check of a study that asks for nothing."""


def old_study(folder, settings=None, n_trials=8):
    settings = settings or settings_of(pruner="none")
    study = memory_study(settings)
    coordinator(study, settings, folder, n_trials=n_trials).run()
    return study


def forked(folder, old, settings):
    return fork(old, open_storage(f"sqlite:///{folder}/new.db"), "new", settings)


@pytest.mark.slow
def test_a_fork_with_a_narrower_range_copies_the_trials_inside(tmp_path):
    old = old_study(tmp_path)
    alpha = SearchParameter(type="float", low=0.5, high=1.5)
    settings = settings_of(base_config(search_space={"alpha": alpha.model_dump()}), pruner="none")
    new = forked(tmp_path, old, settings)
    inside = [trial for trial in old.trials if trial.params["alpha"] <= 1.5]
    assert 1 < len(inside) < 8
    assert [t.params for t in new.trials] == [t.params for t in inside]
    assert [t.value for t in new.trials] == [t.value for t in inside]
    assert new.trials[0].user_attrs["baseline"] is True
    assert [t.user_attrs["copied_from"][1] for t in new.trials] == [t.number for t in inside]
    new.pruner = old.pruner
    assert coordinator(new, settings, tmp_path, n_trials=10).run() == "finished"
    assert states(new) == {"COMPLETE": 10}
    assert forked(tmp_path, old, settings)._study_id == new._study_id, "opening it again copies nothing"
    assert len(new.trials) == 10


@pytest.mark.slow
def test_a_fork_with_another_base_value_of_a_searched_parameter_runs_the_new_base_first(tmp_path):
    old = old_study(tmp_path)
    settings = settings_of(base_config(distillation__alpha=1.5), pruner="none")
    new = forked(tmp_path, old, settings)
    assert states(new) == {"WAITING": 1, "COMPLETE": 8}
    new.pruner = old.pruner
    assert coordinator(new, settings, tmp_path, n_trials=9).run() == "finished"
    first = new.trials[0]
    assert first.user_attrs["baseline"] is True and first.params["alpha"] == 1.5
    assert states(new) == {"COMPLETE": 9}


@pytest.mark.parametrize(
    "changed",
    [
        settings_of(base_config(training__batch_size=8)),
        replace(settings_of(), dataset="sha256:1"),
        settings_of(base_config(student__epochs=5)),
    ],
)
def test_trials_that_would_run_otherwise_now_are_not_copied(tmp_path, changed, caplog):
    with caplog.at_level("INFO", "distune"):
        new = forked(tmp_path, old_study(tmp_path, n_trials=3), changed)
    assert states(new) == {"WAITING": 1}
    assert [each.levelname for each in caplog.records if "copied 0 trials" in each.getMessage()] == [
        "WARNING"
    ]


@pytest.mark.slow
def test_a_fork_that_was_killed_half_way_is_made_again(tmp_path):
    old = old_study(tmp_path, n_trials=4)
    storage = open_storage(f"sqlite:///{tmp_path}/new.db")
    half = optuna.create_study(storage=storage, study_name="new", direction="maximize")
    half.set_user_attr(FORKED_FROM, old.study_name)
    half.add_trial(old.trials[0])
    assert states(forked(tmp_path, old, settings_of(pruner="none"))) == {"COMPLETE": 4}


@pytest.mark.slow
def test_a_fork_that_takes_long_says_that_it_is_at_work(tmp_path, monkeypatch):
    monkeypatch.setattr("distune.tuning.fork_study.BEAT_SECONDS", -1.0)
    new = forked(tmp_path, old_study(tmp_path, n_trials=3), settings_of(pruner="none"))
    assert new.user_attrs[FORKED_BY]["beat"] == 2, "one for each trial after the base"


@pytest.mark.parametrize("attributes", [{}, {"ready": True}, {"base_config": {}}])
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_another_programs_study_is_neither_worked_on_nor_replaced(tmp_path, attributes, direction):
    storage = open_storage(f"sqlite:///{tmp_path}/new.db")
    theirs = optuna.create_study(storage=storage, study_name="new", direction=direction)
    theirs.add_trial(create_trial(value=0.9))
    for key, value in attributes.items():
        theirs.set_user_attr(key, value)
    old = memory_study(settings_of())
    for work in (
        lambda: open_study(storage, "new", settings_of()),
        lambda: fork(old, storage, "new", settings_of()),
    ):
        with pytest.raises(UserError, match="new"):
            work()
    assert [trial.value for trial in theirs.trials] == [0.9] and theirs.user_attrs == attributes
    for file, name in (("new", "new"), ("new", "other"), ("none", "none")):
        with (
            pytest.raises(UserError, match=f"^fork: there is no study {name}"),
            study_to_copy(f"sqlite:///{tmp_path}/{file}.db", name),
        ):
            pass


def test_a_study_whose_direction_another_program_changed_is_read_by_nothing(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    open_study(open_storage(url), "s", settings_of()).add_trial(create_trial(value=0.5))
    with closing(sqlite3.connect(tmp_path / "s.db")) as database, database:
        database.execute("UPDATE study_directions SET direction = 'MINIMIZE'")
    for read in (lambda: read_status("s", storage=url), lambda: read_study("s", url)):
        with pytest.raises(UserError, match="direction"):
            read()


def test_a_fork_has_the_name_that_is_asked_for():
    assert fork(memory_study(settings_of()), InMemoryStorage(), "new", settings_of()).study_name == "new"


def test_a_fork_takes_no_other_studys_place(tmp_path):
    storage, settings = open_storage(f"sqlite:///{tmp_path}/new.db"), settings_of()
    open_study(storage, "new", settings)
    with pytest.raises(UserError, match="no fork of"):
        fork(memory_study(settings), storage, "new", settings)


@pytest.mark.slow
def test_a_trial_that_another_program_added_is_not_copied(tmp_path):
    settings = settings_of(pruner="none")
    old = old_study(tmp_path, settings, n_trials=2)
    old.add_trial(create_trial(value=0.9))
    assert states(forked(tmp_path, old, settings)) == {"COMPLETE": 2}


@pytest.mark.slow
def test_status_tells_the_running_the_interrupted_and_the_failed(tmp_path):
    settings = settings_of(pruner="none")
    study = sqlite_study(tmp_path, settings)

    def script(task):
        if task.number == 1:
            raise MemoryError("none left")
        yield from training(task)

    coordinator(study, settings, tmp_path, script, n_trials=3).run()
    alive = replace(Lease.new(2, ["cpu"], 10), coordinator="alive")
    dead = replace(alive, coordinator="dead", pid=2**22 - 1, started=0.0)
    for lease in (alive, dead):
        study.set_user_attr(f"coordinator:{lease.coordinator}", lease.__dict__)
    for owner in ("alive", "dead"):
        trial = study.ask()
        trial.set_user_attr("coordinator", owner)
        trial.set_user_attr("worker", "worker-1")
        trial.set_user_attr("started", "2026-01-02T03:04:05+00:00")
        trial.report(0.4, 1)
        trial.report(0.5, 2)
    now = datetime.now(UTC)
    status = status_of(study, "sqlite:///x", now)
    assert (status.counts.complete, status.counts.failed, status.failures) == (3, 1, {"out_of_memory": 1})
    assert (status.n_trials, status.workers, status.ended) == (10, 2, None)
    running = status.running[0]
    assert (running.number, running.worker, running.epoch, running.score) == (4, "worker-1", 2, 0.5)
    assert status.interrupted == (5,)
    assert status.ends - now == timedelta(seconds=50.0 * 7 / 2)
    assert status.counts.best == (study.best_trial.number, study.best_value)
    study.set_user_attr("coordinator:alive", alive.closed("timeout").__dict__)
    after = status_of(study, "sqlite:///x", now)
    assert (after.running, after.interrupted, after.ended, after.ends) == ((), (4, 5), "timeout", None)


@pytest.mark.slow
def test_reading_a_status_changes_nothing(tmp_path):
    settings = settings_of()
    sqlite_study(tmp_path, settings, "some")
    status = read_status("some", logs=tmp_path)
    assert (status.name, status.counts.finished, status.running) == ("some", 0, ())
    with pytest.raises(UserError, match="there is no file"):
        read_status("other", logs=tmp_path)
    assert not (tmp_path / "other.db").exists()
    url = f"sqlite:///{tmp_path}/some.db"
    with pytest.raises(UserError, match="no study other"):
        read_status("other", storage=url)
    with pytest.raises(UserError, match="study name"):
        read_status("../some", logs=tmp_path / "in")
    optuna.create_study(storage=url, study_name="a / b")
    assert read_status("a / b", storage=url).name == "a / b", "another program may call its study anything"


@pytest.mark.slow
def test_a_file_that_was_renamed_stands_for_its_only_study_and_no_storage_for_another(tmp_path):
    with opened(f"sqlite:///{tmp_path}/old.db") as storage:
        open_study(storage, "old", settings_of())
    file = (tmp_path / "old.db").rename(tmp_path / "new.db")
    assert name_and_url(file)[0] == read_study(file).name == "old"
    for read in (read_study, lambda name, url: read_status(name, storage=url)):
        with pytest.raises(UserError, match="it holds old"):
            read("new", f"sqlite:///{file}")
    with pytest.raises(UserError, match="Rename"):
        check_before_opening(tmp_path / "new", f"sqlite:///{file}", "new", accepted, is_own_file=True)
    check_before_opening(tmp_path / "new", f"sqlite:///{file}", "new", accepted, is_own_file=False)
    check_before_opening(tmp_path / "old", f"sqlite:///{file}", "old", accepted, is_own_file=True)
    check_before_opening(
        tmp_path / "none", f"sqlite:///{tmp_path}/none.db", "none", accepted, is_own_file=True
    )


def test_a_folder_whose_database_is_elsewhere_is_named_as_such(tmp_path):
    (tmp_path / "trials").mkdir()
    with pytest.raises(UserError, match="not beside"):
        database_file(tmp_path)


@pytest.mark.slow
def test_the_dashboard_shows_a_copy(tmp_path):
    settings = settings_of()
    study = sqlite_study(tmp_path, settings, "some")
    coordinator(study, settings, tmp_path, n_trials=2).run()
    url = copy_study("some", tmp_path / "copy.db", logs=tmp_path)
    with sqlite3.connect(tmp_path / "copy.db") as connection:
        assert connection.execute("SELECT COUNT(*) FROM trials").fetchone() == (2,)
        connection.execute("DELETE FROM trials")
    connection.close()
    assert url == f"sqlite:///{tmp_path}/copy.db"
    assert len(sqlite_study(tmp_path, settings, "some").trials) == 2
    assert all(t.state == TrialState.COMPLETE for t in study.trials)


def test_a_study_is_copied_from_its_own_file_where_no_storage_is_named(tmp_path):
    with pytest.raises(UserError, match="there is no file"):
        copy_study("none", tmp_path / "copy.db", logs=tmp_path)


def test_a_dashboard_says_no_name_as_it_stands(tmp_path, capfd):
    name = "\x1b[31mred"
    optuna.create_study(storage=f"sqlite:///{tmp_path}/some.db", study_name=name)
    capfd.readouterr()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    copy_study(name, tmp_path / "copy.db", storage=f"sqlite:///{tmp_path}/some.db")
    assert "red" not in "".join(capfd.readouterr())


def test_a_connection_that_asks_for_nothing_holds_no_other_up():
    def answers(environ, start_response):
        start_response("200 OK", [])
        return [b"the page"]

    with make_server("127.0.0.1", 0, answers, ThreadedServer, handler_class=Silent) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with (
            socket.create_connection(server.server_address),
            urllib.request.urlopen(url, timeout=5) as answer,
        ):
            assert answer.read() == b"the page"
        server.shutdown()


class Silent(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def test_the_dashboard_names_its_package(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="optuna-dashboard"):
        open_dashboard("some", logs=tmp_path)


def test_the_dashboard_serves_a_copy_of_the_study_that_is_named(tmp_path, monkeypatch):
    copied, served = [], []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "optuna_dashboard", SimpleNamespace(wsgi=lambda url: served.append(url)))
    monkeypatch.setitem(sys.modules, "bottle", SimpleNamespace(run=lambda app, **how: served.append(how)))
    copy = refusing_as(copy_study, lambda name, target, **where: copied.append((name, where)) or "the copy")
    monkeypatch.setattr("distune.tuning.dashboard.copy_study", copy)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    open_dashboard("some", logs=tmp_path, storage="sqlite:///s.db", port=port)
    assert copied == [("some", {"logs": tmp_path, "storage": "sqlite:///s.db"})]
    assert served == ["the copy", {"host": "127.0.0.1", "port": port, "server_class": ThreadedServer}]


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        *[(name + port, True) for name in ("127.0.0.1", "localhost", "LocalHost", "[::1]") for port in ("", ":80")],
        *[(name, False) for name in ("", "evil.example:8080", "localhost.evil.example", "10.0.0.1", "localhost:x")],
    ],
)  # fmt: skip
def test_the_dashboard_answers_those_alone_who_ask_for_this_machine(host, is_own):
    """A page of the web may give its name this machine's address."""
    heard = []
    guarded = for_this_machine(lambda environ, start: heard.append(environ) or [b"the page"])
    answer = guarded({"HTTP_HOST": host}, lambda status, headers: heard.append(status))
    assert (b"the page" in answer) is is_own and len(heard) == 1
    assert is_own or heard[0].startswith("403")


@pytest.mark.slow
@pytest.mark.parametrize("is_own_file", [True, False])
@pytest.mark.parametrize("kind", ["trials", "teacher"])
def test_no_study_begins_in_the_folder_of_another_one(tmp_path, kind, is_own_file):
    (tmp_path / "some" / kind).mkdir(parents=True)
    url = f"sqlite:///{tmp_path}/some.db"
    with pytest.raises(UserError, match="holds the trials"):
        check_before_opening(tmp_path / "some", url, "some", accepted, is_own_file=is_own_file)
    with opened(url) as storage:
        open_study(storage, "some", settings_of())
    check_before_opening(tmp_path / "some", url, "some", accepted, is_own_file=is_own_file)
    with pytest.raises(UserError, match="it holds some.*Rename" if is_own_file else "it holds some"):
        check_before_opening(tmp_path / "some", url, "other", accepted, is_own_file=is_own_file)
    check_before_opening(tmp_path / "new", url, "other", accepted, is_own_file=False)


@pytest.mark.slow
def test_a_study_in_a_storage_gets_no_second_folder_below_its_first(tmp_path, monkeypatch):
    url, folder = f"sqlite:///{tmp_path}/all.db", Path("logs", "some")
    with opened(url) as storage:
        open_study(storage, "some", settings_of())
    (tmp_path / folder / "trials").mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    for place, is_there in ((tmp_path, True), (tmp_path / "notes", False)):
        monkeypatch.chdir(place)
        with nullcontext() if is_there else pytest.raises(UserError, match="its folder is"):
            assert check_before_opening(folder, url, "some", accepted, is_own_file=False)


def test_a_study_that_another_command_makes_meanwhile_is_no_lost_one(tmp_path, monkeypatch):
    """It makes the study first, and its folder afterwards."""
    url = f"sqlite:///{tmp_path}/some.db"
    look = names.reading

    def reading_too_early(url):
        (tmp_path / "some" / "trials").mkdir(parents=True)
        return look(url)

    monkeypatch.setattr(names, "reading", reading_too_early)
    check_before_opening(tmp_path / "some", url, "some", accepted, is_own_file=True)
    assert (tmp_path / "some" / "trials").is_dir(), "the folder came while the storage was looked at"


@pytest.mark.parametrize("old", ["gone", "foreign"])
def test_a_fork_of_what_is_no_study_of_ours_leaves_nothing(tmp_path, old):
    optuna.create_study(storage=f"sqlite:///{tmp_path}/foreign.db", study_name="foreign")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match=old):
        tune(tune_request(logs=tmp_path, name=old, fork="new"))
    assert sorted(tmp_path.iterdir()) == before


def test_a_port_in_use_is_named_by_the_dashboard(tmp_path):
    pytest.importorskip("optuna_dashboard")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UserError, match=f"{port}.*--port"):
            open_dashboard("some", logs=tmp_path, port=port)


@pytest.mark.parametrize("port", [0, -1, 99999, True, "80", 80.5])
def test_a_port_that_is_none_is_refused(tmp_path, port):
    with pytest.raises(UserError, match="port"):
        open_dashboard("some", logs=tmp_path, port=port)


@pytest.mark.slow
def test_a_fork_that_another_command_makes_is_left_to_it(tmp_path):
    storage, old = open_storage(f"sqlite:///{tmp_path}/new.db"), memory_study(settings_of())
    half = optuna.create_study(storage=storage, study_name="new", direction="maximize")
    half.set_user_attr(FORKED_FROM, old.study_name)
    half.set_user_attr(FORKED_BY, Lease.new(1).__dict__)
    with pytest.raises(UserError, match="another command"):
        fork(old, storage, "new", settings_of())
    half.set_user_attr(FORKED_BY, replace(Lease.new(1), pid=2**22 - 1).__dict__)
    assert states(fork(old, storage, "new", settings_of())) == {"WAITING": 1}


def test_a_fork_that_another_command_has_just_begun_is_given_the_time_to_say_so(tmp_path, monkeypatch):
    storage, old = open_storage(f"sqlite:///{tmp_path}/new.db"), memory_study(settings_of())
    half = optuna.create_study(storage=storage, study_name="new", direction="maximize")
    half.set_user_attr(FORKED_FROM, old.study_name)
    lease = Lease.new(1).__dict__
    monkeypatch.setattr("time.sleep", lambda seconds: half.set_user_attr(FORKED_BY, lease))
    with pytest.raises(UserError, match="another command"):
        fork(old, storage, "new", settings_of())


def closed_study(folder, settings, name, trials=0, **attributes):
    """A study in one plain file, which no connection holds open."""
    with opened(f"sqlite:///{folder}/{name}.db") as storage:
        study = open_study(storage, name, settings)
        for _ in range(trials):
            study.ask()
        for key, value in attributes.items():
            study.set_user_attr(key, value)


def _other_question(folder):
    closed_study(folder, settings_of(base_config(training__batch_size=8)), "s")


def _foreign(folder):
    optuna.create_study(storage=f"sqlite:///{folder}/s.db", study_name="s").add_trial(create_trial(value=1.0))


def _deleted_trials(folder):
    closed_study(folder, settings_of(), "s", trials=3)
    with sqlite3.connect(folder / "s.db") as other:
        other.execute("DELETE FROM trials WHERE number = 1")


def _no_parameters(folder):
    closed_study(folder, settings_of(), "s", search_space={"alpha": {"low": 0}})


def _another_programs(folder, table):
    with sqlite3.connect(folder / "s.db") as other:
        other.execute(f"CREATE TABLE {table} (url TEXT)")


def _linked(folder, name):
    """A study of somebody who wants `tune` to write into what is not theirs."""
    closed_study(folder, settings_of(), "s")
    (folder / "s" / name).parent.mkdir(parents=True)
    (folder / "s" / name).symlink_to(folder / "old.db")


def _file_of_its_name(folder):
    closed_study(folder, settings_of(), "s")
    (folder / "s").write_text("notes")


REFUSED = [
    _other_question, _foreign, _deleted_trials, _no_parameters, _file_of_its_name,
    partial(_another_programs, table="bookmarks"), partial(_another_programs, table="studies"),
    partial(_linked, name="study.log"), partial(_linked, name="trials/trial_0000"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("make", REFUSED)
@pytest.mark.parametrize("options", [{"name": "s"}, {"name": "old", "fork": "s"}], ids=["tune", "fork"])
def test_a_study_that_is_refused_keeps_its_bytes(tmp_path, make, options):
    """A database that is opened for writing changes, whatever follows."""
    closed_study(tmp_path, settings_of(), "old")
    make(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises((UserError, OSError), match=r"study s|s\.db|a link|is a file"):
        tune(tune_request(logs=tmp_path, **options))
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "attributes", "said", "is_shared"),
    [
        (settings_of(), {}, "no fork of old", True),
        (settings_of(base_config(training__batch_size=8)), {"forked_from": "old"}, "something else", False),
    ],
)
def test_a_fork_that_is_refused_keeps_its_bytes(tmp_path, settings, attributes, said, is_shared):
    names = ("all", "all") if is_shared else ("old", "s")
    for file, name, own, known in zip(
        names, ("old", "s"), (settings_of(), settings), ({}, attributes), strict=True
    ):
        with opened(f"sqlite:///{tmp_path}/{file}.db") as storage:
            study = open_study(storage, name, own)
            for key, value in known.items():
                study.set_user_attr(key, value)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    shared = {"storage": f"sqlite:///{tmp_path}/all.db"} if is_shared else {}
    with pytest.raises(UserError, match=said):
        tune(tune_request(logs=tmp_path, name="old", fork="s", **shared))
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_study_is_not_begun_in_the_renamed_file_of_another_one(tmp_path):
    closed_study(tmp_path, settings_of(), "old")
    (tmp_path / "old.db").rename(tmp_path / "new.db")
    with pytest.raises(UserError, match="Rename"):
        tune(tune_request(logs=tmp_path, name="new"))


def test_what_ended_as_complete_or_pruned_is_copied_with_all_that_it_says(tmp_path):
    settings = settings_of(pruner="none")
    old = memory_study(settings)
    lr = {"teacher_lr": 1e-5}
    for number, state in enumerate(
        (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.PRUNED)
    ):
        has_value = state == TrialState.COMPLETE
        overrides = {} if number == 0 else {"student.dropout": 0.1 + number / 100, "training.accumulation": 4}
        about = {
            "overrides": overrides,
            "coordinator": "dead",
            "seconds": 3.0,
            "baseline": number == 0,
            "fixed_params": lr,
        }
        old.add_trial(create_trial(state=state, value=0.5 if has_value else None, user_attrs=about,
                                   intermediate_values={1: 0.25, 2: 0.5}))  # fmt: skip
    new = fork(old, InMemoryStorage(), "new", settings)
    assert [trial.user_attrs["copied_from"][1] for trial in new.trials] == [0, 1, 3]
    assert [trial.state for trial in new.trials] == [
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.PRUNED,
    ]
    base, pruned, _ = new.trials
    assert base.user_attrs["baseline"] is True and base.user_attrs["overrides"] == {} and base.value == 0.5
    assert pruned.intermediate_values == {1: 0.25, 2: 0.5} and pruned.params["student_dropout"] == 0.11
    assert pruned.user_attrs["overrides"]["training.accumulation"] == 4
    assert pruned.user_attrs["seconds"] == 3.0
    assert not {"coordinator", "baseline", "fixed_params"} & set(pruned.user_attrs)
    other = fork(old, InMemoryStorage(), "new", settings_of(pruner="none", folds=3))
    assert [trial.state for trial in other.trials] == [TrialState.WAITING], (
        "another metric: only the base is to run"
    )
    elsewhere = replace(settings, dataset="sha256:1")
    assert len(fork(old, InMemoryStorage(), "new", elsewhere).trials) == 1
