"""A study's file that is cut, deleted, replaced, locked or read-only in mid-study, its folder that is deleted, and a
clock that is set: named, and nothing is lost."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import sqlite3
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import optuna
import psutil
import pytest
import sqlalchemy.exc
from sqlalchemy import create_engine
from study_helpers import coordinator, settings_of, sqlite_study, training

from distune.errors import UserError
from distune.tuning.coordinator.leases import Lease, leases
from distune.tuning.study import slow_answers
from distune.tuning.study.storage_retry import StorageRetry, _said
from distune.tuning.summary import write_summary


class Waits:
    """Counts the pauses of a `StorageRetry` and takes none."""

    def __init__(self):
        self.seconds = []

    def retry(self):
        clock = iter(range(0, 10_000, 100))
        return StorageRetry(sleep=self.seconds.append, clock=lambda: next(clock))


@pytest.fixture
def study(tmp_path):
    return sqlite_study(tmp_path, settings_of())


def test_a_cut_file_is_named_at_once(tmp_path, study):
    with sqlite3.connect(tmp_path / "study.db") as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    study._storage._backend.engine.dispose()
    whole = (tmp_path / "study.db").read_bytes()
    (tmp_path / "study.db").write_bytes(whole[: 4 * 4096])
    waits = Waits()
    with pytest.raises(UserError, match="damaged"):
        waits.retry()(lambda: study.set_user_attr("a", 1))
    assert waits.seconds == []


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_file_that_is_cut_in_mid_study_is_named_and_not_written_into(tmp_path, study, share):
    file = tmp_path / "study.db"
    study.set_user_attr("a", 1)
    with sqlite3.connect(file) as other:
        other.execute("PRAGMA wal_checkpoint")
    study.set_user_attr("a", 2)
    os.truncate(file, int(file.stat().st_size * share) // 4096 * 4096)
    cut = file.read_bytes()
    for _ in range(2):
        with pytest.raises(UserError, match="became smaller"):
            StorageRetry()(lambda: study.set_user_attr("a", 3))
    assert file.read_bytes() == cut


@pytest.mark.parametrize("damage", ["param_value = 'x'", "distribution_json = '{}'"])
def test_a_value_that_another_program_damages_is_named(tmp_path, study, damage):
    def damage_and_train(task):
        yield from training(task)
        with sqlite3.connect(tmp_path / "study.db") as other:
            other.execute(f"UPDATE trial_params SET {damage}")

    with pytest.raises(UserError, match="damaged"):
        coordinator(study, settings_of(), tmp_path, damage_and_train).run()


def test_a_deleted_file_is_named_and_not_made_again(tmp_path, study):
    """What is written into a file without a name is lost, and an empty one in its place would look like a study."""
    for path in tmp_path.glob("study.db*"):
        path.unlink()
    with pytest.raises(UserError, match="deleted or replaced"):
        StorageRetry()(lambda: study.set_user_attr("a", 1))
    study._storage._backend.engine.dispose()
    with pytest.raises(UserError, match="deleted or replaced"):
        StorageRetry()(lambda: study.set_user_attr("a", 1))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_into_a_file_that_takes_the_place(tmp_path, study):
    sqlite_study(tmp_path, settings_of(), "other")._storage._backend.engine.dispose()
    (tmp_path / "other.db").replace(tmp_path / "study.db")
    before = (tmp_path / "study.db").read_bytes()
    with pytest.raises(UserError, match="deleted or replaced"):
        coordinator(study, settings_of(), tmp_path).run()
    assert (tmp_path / "study.db").read_bytes() == before


@pytest.mark.slow
def test_a_study_that_another_program_deletes_is_named(tmp_path, study):
    def delete_and_train(task):
        optuna.delete_study(study_name="study", storage=f"sqlite:///{tmp_path}/study.db")
        yield from training(task)

    with pytest.raises(UserError, match="was deleted"):
        coordinator(study, settings_of(), tmp_path, delete_and_train).run()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE study_directions SET direction = 'MINIMIZE'", "changed what"),
        ("UPDATE study_user_attributes SET value_json = '{}' WHERE key = 'base_config'", "changed what"),
        ("DELETE FROM study_user_attributes WHERE key = 'metric'", "changed what"),
        ("DELETE FROM trials WHERE number = 0", "deleted trials"),
    ],
)
def test_what_another_program_changes_about_a_study_is_said(tmp_path, study, change, said):
    """Its other scores would be counted, ranked and resumed as if they were of one kind."""

    def change_and_train(task):
        yield from training(task)
        if task.number == 1:
            with sqlite3.connect(tmp_path / "study.db") as other:
                other.execute(change)

    with pytest.raises(UserError, match=said):
        coordinator(study, settings_of(), tmp_path, change_and_train, n_trials=3).run()


@pytest.mark.slow
def test_a_study_continues_without_the_folders_that_are_deleted(tmp_path, study):
    folder = tmp_path / "study"

    def delete_and_train(task):
        yield from training(task)
        shutil.rmtree(folder / "trials", ignore_errors=True)

    assert coordinator(study, settings_of(), folder, delete_and_train, n_trials=3).run() == "finished"
    shutil.rmtree(folder)
    summary = write_summary(study, folder, storage="", reason="finished")
    assert summary["trials"]["finished"] == 3 and (folder / "best_config.yaml").is_file()


def test_a_file_that_cannot_be_written_is_waited_for_and_named(study, caplog):
    """As of a disk that turned read-only, which may be put right while the coordinator waits."""
    from sqlalchemy import event

    engine = study._storage._backend.engine
    event.listen(engine, "checkout", lambda connection, *_: connection.execute("PRAGMA query_only=ON"))
    waits = Waits()
    with pytest.raises(UserError, match="cannot be written"):
        waits.retry()(lambda: study.set_user_attr("a", 1))
    assert len(waits.seconds) > 2 and "readonly" in caplog.text


def test_a_file_that_may_not_grow_is_said_to_be_too_large(study):
    """SQLite calls what the limit refuses a fault of the disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, before[1]))
    try:
        with pytest.raises(OSError, match="too large") as failed:
            Waits().retry()(lambda: study.set_user_attr("a", "x" * 2**17))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert failed.value.errno == errno.EFBIG


@pytest.mark.slow
def test_a_lock_of_another_program_is_waited_out_and_said(tmp_path, study, monkeypatch, caplog):
    monkeypatch.setattr(slow_answers, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(slow_answers, "waiting_for", slow_answers.Watch())
    other = sqlite3.connect(tmp_path / "study.db", check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    threading.Timer(0.3, other.rollback).start()
    assert coordinator(study, settings_of(), tmp_path, n_trials=2).run() == "finished"
    assert time.monotonic() - began >= 0.3
    assert [line for line in caplog.messages if "study.db has not answered" in line]
    other.close()


def test_a_driver_whose_cursors_show_no_connection_is_watched_too():
    engine = create_engine("sqlite://")
    slow_answers.say_slow_answers(engine, "of another driver")
    asked = []
    cursor = SimpleNamespace(execute=lambda *given: asked.append(given))
    engine.dialect.do_execute(cursor, "SELECT 1", ())
    assert asked == [("SELECT 1", ())]


def test_a_server_that_is_slow_is_named_and_keeps_its_connection(monkeypatch, caplog):
    monkeypatch.setattr(slow_answers, "QUIET_SECONDS", 0.015)
    ours, servers = socket.socketpair()
    with ours, servers:
        with slow_answers.Watch()("of a slow server", ours):
            time.sleep(0.06)
        assert ours.send(b"x") == 1 and "of a slow server has not answered" in caplog.text


def test_the_connection_of_a_cursor_is_ended_where_its_server_is_frozen(monkeypatch):
    monkeypatch.setattr(slow_answers, "QUIET_SECONDS", 0.015)
    monkeypatch.setattr(slow_answers, "FROZEN_SECONDS", 0.02)
    monkeypatch.setattr(slow_answers, "waiting_for", slow_answers.Watch())
    engine = create_engine("sqlite://")
    slow_answers.say_slow_answers(engine, "of a frozen server")
    for call, given in (("do_execute", [()]), ("do_executemany", [[]]), ("do_execute_no_params", [])):
        ours, servers = socket.socketpair()
        with ours, servers:
            ours.settimeout(2)
            heard = []

            def wait(*_, heard=heard, connection=ours):
                heard.append(connection.recv(1))

            cursor = SimpleNamespace(connection=ours, execute=wait, executemany=wait)
            getattr(engine.dialect, call)(cursor, "SELECT 1", *given)
            assert heard == [b""], call


def test_a_forked_process_ends_no_connection_of_its_parent(monkeypatch):
    monkeypatch.setattr(slow_answers, "QUIET_SECONDS", 0.03)
    monkeypatch.setattr(slow_answers, "FROZEN_SECONDS", 0.05)
    ours, servers = socket.socketpair()
    with ours, servers:
        with slow_answers.Watch()("of the parent", ours):
            monkeypatch.setattr(os, "getpid", lambda: 0)  # as if what watches were in the child
            time.sleep(0.15)
        assert ours.send(b"x") == 1


def test_a_living_coordinator_stays_alive_when_the_clock_is_set(monkeypatch):
    """The kernel's time of its start moves with the clock, and with it when every process seems to have begun."""
    lease, created, booted = Lease.new(1), psutil.Process.create_time, psutil.boot_time
    assert not lease.process_is_gone()
    monkeypatch.setattr(psutil, "boot_time", lambda: booted() + 3600.0)
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: created(process) + 3600.0)
    assert not lease.process_is_gone()
    assert replace(lease, born=lease.born - 2.0).process_is_gone(), "another process of that number"


def test_what_is_no_lease_is_passed_over_and_one_of_a_newer_version_is_read(study):
    lease = Lease.new(1)
    study.set_user_attr("coordinator:number", 5)
    study.set_user_attr("coordinator:half", {"pid": 1})
    study.set_user_attr("coordinator:newer", {**lease.__dict__, "of_tomorrow": 1})
    assert leases(study.user_attrs) == {lease.coordinator: lease}


@pytest.mark.parametrize(
    "part",
    [
        "coordinator",
        "host",
        "pid",
        "born",
        "beat",
        "workers",
        "n_trials",
        "started",
        "seen",
        "ended",
        "devices",
    ],
)
@pytest.mark.parametrize("odd", [-1, 1e300, float("nan"), {}, True])
def test_a_lease_whose_parts_are_odd_is_passed_over(part, odd):
    lease = Lease.new(1)
    assert leases({"coordinator:odd": {**lease.__dict__, part: odd}}) == {}


def test_a_lease_of_an_older_version_is_read():
    lease = replace(Lease.new(1), born=psutil.Process().create_time())
    assert not lease.process_is_gone() and replace(lease, born=lease.born - 2.0).process_is_gone()


class InterfaceError(Exception):
    """As drivers have them."""


class DeniedError(Exception):
    """As drivers of PostgreSQL have them, where the server says something."""

    diag = SimpleNamespace(message_primary="permission denied")


class OperationalError(Exception):
    """As drivers of MySQL have them, with the number of the error."""


@pytest.mark.parametrize(
    ("original", "said"),
    [
        (sqlite3.OperationalError("database is locked\nat host"), "InterfaceError: database is locked"),
        (sqlite3.OperationalError(), "InterfaceError: "),
        (ConnectionRefusedError(111, "Connection refused", "host"), "InterfaceError: Connection refused"),
        (ValueError("password of host"), "InterfaceError: ValueError"),
        (InterfaceError("password of host"), "InterfaceError"),
        (OperationalError(2003, "Can't connect to 'host'"), "InterfaceError: OperationalError"),
        (InterfaceError(0, ""), "InterfaceError"),
        (OperationalError(1290, "runs with --read-only"), "InterfaceError: runs with --read-only"),
        (
            OperationalError(2003, "at 'h' ([Errno 111] No route)"),
            "InterfaceError: OperationalError: No route",
        ),
        (InterfaceError("to h failed: at h failed: refused\n\tat h?"), "InterfaceError: refused"),
        (InterfaceError("to h failed: FATAL:  too many clients"), "InterfaceError: too many clients"),
        (DeniedError("at host"), "InterfaceError: DeniedError: permission denied"),
    ],
)
def test_an_error_of_a_database_is_said_without_addresses(original: BaseException, said: str) -> None:
    assert _said(sqlalchemy.exc.InterfaceError("SELECT 1", {}, original)) == said
    assert _said(original) == type(original).__name__
