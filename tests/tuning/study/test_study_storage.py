from __future__ import annotations

import errno
import shutil
import sqlite3
import threading
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
import sqlalchemy.exc
from optuna.exceptions import StorageInternalError
from optuna.storages._rdb.models import NOT_FOUND_MSG
from optuna.trial import TrialState, create_trial
from sqlalchemy.engine import make_url
from study_helpers import base_config, settings_of, sqlite_study

from distune.cli import main
from distune.config import SearchParameter, parse_config
from distune.errors import UserError
from distune.tuning.coordinator.leases import Lease
from distune.tuning.coordinator.ledger import Ledger
from distune.tuning.space.build import build_space
from distune.tuning.study.names import commits_so_far, study_to_continue
from distune.tuning.study.open_study import check_study_name, new_name, open_study
from distune.tuning.study.read_only import COPY_ATTEMPTS, NoStudiesError, copy_sqlite, reading
from distune.tuning.study.settings import COMMITS, ENCODERS, StudySettings, differing
from distune.tuning.study.storage import (
    CONNECT_SECONDS,
    _with_its_reason,
    default_url,
    engine_options,
    lock_limit,
    open_engine,
    open_storage,
    parse_url,
    reason,
    with_tables,
)
from distune.tuning.study.storage_retry import FULL_SECONDS, OUTAGE_LIMIT, PARTING_SECONDS, StorageRetry
from distune.tuning.study.storage_url import hide_secrets, missing_driver, redacted, sqlite_file, sqlite_url
from distune.tuning.study.transactions import claim, claim_of_study, requeue_if_owned


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///logs/optuna/a.db", "sqlite:///logs/optuna/a.db"),
        ("postgresql+psycopg://me:hunter2@db/x", "postgresql+psycopg://me:***@db/x"),
        ("postgresql+psycopg://db/x?password=hunter2&sslmode=require", "postgresql+psycopg://db/x?password=REDACTED&sslmode=require"),
        ("mysql+pymysql://me@db/x?ssl_key=/k&auth_token=hunter2", "mysql+pymysql://me@db/x?auth_token=REDACTED&ssl_key=REDACTED"),
        ("postgresql+psycopg://me:hunter2@er2@db/x?sslmode=require", "postgresql+psycopg://me:***@db/x?sslmode=require"),
        ("postgresql+psycopg://me:hunter2?/@er2@db/x", "postgresql+psycopg://me:***@db/x"),
        ("postgresql+psycopg://me@db/x?options=a@hunter", "postgresql+psycopg://me@db/x?options=a%40hunter"),
        ("postgresql+psycopg:///x?host=a&host=b", "postgresql+psycopg:///x?host=a&host=b"),
        ("mssql+pyodbc:///?odbc_connect=DRIVER={x};SERVER=db;PWD=hunter2", "mssql+pyodbc:///?odbc_connect=REDACTED"),
        ("mssql+pyodbc:///?odbc_connect=SERVER%3Ddb%3BPwd%3Dhunter2", "mssql+pyodbc:///?odbc_connect=REDACTED"),
        ("postgresql+psycopg:///?dsn=host=db%20password=hunter2", "postgresql+psycopg:///?dsn=REDACTED"),
        ("hunter2", "(not a database URL)"),
    ],
)  # fmt: skip
def test_a_shown_url_has_no_secret(url, shown):
    assert redacted(url) == shown
    assert "hunter2" not in redacted(url)


def test_a_drivers_message_is_shown_without_the_secret():
    url = "postgresql+psycopg://me:hunter2@db/x?password=topsecret"
    text = hide_secrets(f"connection to {url} with hunter2 and topsecret failed", url)
    assert "hunter2" not in text and "topsecret" not in text and "db/x" in text


def test_only_secrets_are_taken_out_of_a_drivers_message():
    url = "postgresql://me:s3cret@host:5/db?connect_timeout=10&password=other&sslmode=require"
    said = f"no answer of host in 10 s (require, me, s3cret, other), {url}"
    shown = hide_secrets(said, url)
    assert shown.startswith(
        "no answer of host in 10 s (require, me, ***, ***), postgresql://me:***@host:5/db?"
    )
    assert "connect_timeout=10" in shown and "other" not in shown and "s3cret" not in shown


def test_a_drivers_message_is_shown_without_the_secret_within_a_part_of_the_query():
    url = "mssql+pyodbc:///?odbc_connect=SERVER%3Ddb%3BPWD%3Dhunter2%3BUID%3Dme"
    assert hide_secrets("login of me at db with hunter2 failed", url) == "login of me at db with *** failed"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "postgresql+psycopg://me:hunter2@er2@db/x",
            r"//me:\*\*\*@db/x: its password holds an @; write it as %40",
        ),
        ("postgres-without-slashes", "write it like sqlite:///"),
        ("nosuch://host/db", "cannot be opened"),
        ("mysql+pymysql://me:hunter2@127.0.0.1:1/x", "driver is not installed|cannot be opened"),
        ("postgresql+psycopg://me:hunter2@127.0.0.1:1/x?connect_timeout=1", "cannot be opened"),
    ],
)
def test_a_storage_that_cannot_be_opened_says_why_without_secrets(url, message):
    with pytest.raises(UserError, match=message) as caught:
        open_storage(url)
    assert not any(part in str(caught.value) for part in ("hunter2", "er2"))


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("mysql+pymysql://db/x", "; pip install 'distune[mysql]'"),
        ("mysql://db/x", "; write mysql+pymysql://... and pip install 'distune[mysql]'"),
        ("mariadb://db/x", "; write mysql+pymysql://... and pip install 'distune[mysql]'"),
        ("postgresql+psycopg://db/x", "; pip install 'distune[postgresql]'"),
        (
            "postgresql+psycopg2://db/x",
            "; write postgresql+psycopg://... and pip install 'distune[postgresql]'",
        ),
        ("mssql+pyodbc://db/x", ""),
    ],
)
def test_a_missing_driver_is_named_with_what_to_write_and_install(url, advice):
    assert missing_driver(url, ImportError("no X")) == f"its driver is not installed (no X){advice}"
    with pytest.raises(UserError, match="its driver is not installed"), open_engine(url):
        raise ImportError("no X")


@pytest.mark.parametrize("command", [["report", "some"], ["status", "some"]])
@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://me:hunter2@er2@127.0.0.1:1/x",
        "postgresql+psycopg://me:hunter2@127.0.0.1:1/x?connect_timeout=1&dsn=password=er2",
        "mssql+pyodbc:///?odbc_connect=SERVER=db;PWD=hunter2",
    ],
)
def test_a_command_whose_storage_cannot_be_opened_shows_no_secret(command, url, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["distune", *command, "--storage", url])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    assert ended.value.code == 2 and shown.err.startswith("error: storage ")
    assert not any(secret in shown.out + shown.err for secret in ("hunter2", "er2"))


def test_reading_makes_no_file(tmp_path):
    with pytest.raises(UserError, match="there is no file"), reading(default_url(tmp_path, "nothing")):
        pass
    assert list(tmp_path.iterdir()) == []


def test_sqlite_writes_ahead(tmp_path):
    with open_storage(default_url(tmp_path, "a")).engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1, "NORMAL"


@pytest.mark.parametrize(("said", "times"), [("no such column", 1), ("table studies already exists", 10)])
def test_what_other_coordinators_make_meanwhile_is_looked_at_again(said, times, monkeypatch):
    asked = []
    monkeypatch.setattr("time.sleep", asked.append)

    def make():
        asked.append("made")
        raise sqlalchemy.exc.OperationalError("CREATE", {}, sqlite3.OperationalError(said))

    with pytest.raises(sqlalchemy.exc.OperationalError, match=said):
        with_tables(make)
    assert asked.count("made") == times and asked[-1] == "made"


def test_a_row_that_another_coordinator_wrote_first_is_looked_at_again(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    answers = iter([sqlalchemy.exc.IntegrityError("INSERT", {}, sqlite3.IntegrityError("UNIQUE")), "opened"])

    def make():
        if isinstance(answer := next(answers), Exception):
            raise answer
        return answer

    assert with_tables(make) == "opened"


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("postgresql+psycopg://db/x", {"connect_timeout": CONNECT_SECONDS}),
        (
            "mysql+pymysql://db/x",
            {"connect_timeout": CONNECT_SECONDS, "read_timeout": 120, "write_timeout": 120},
        ),
        ("mysql+pymysql://db/x?connect_timeout=1&read_timeout=5", {"write_timeout": 120}),
        ("postgresql+psycopg://db/x?connect_timeout=1", {}),
        ("mssql+pyodbc://db/x", {}),
        ("sqlite:///a.db", {"timeout": 60}),
    ],
)
def test_an_attempt_to_reach_a_server_ends_soon_if_the_url_does_not_say_when(url, arguments):
    assert engine_options(make_url(url))["connect_args"] == arguments
    reads = engine_options(make_url(url), 10)["connect_args"]  # a reader says sooner that a server is frozen
    sooner = {120: 20, 60: 10}
    assert reads == {name: sooner.get(value, value) for name, value in arguments.items()}


class Time:
    """A clock that only sleeping and slow calls move."""

    def __init__(self):
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


@pytest.mark.parametrize(
    "error",
    [
        StorageInternalError("gone"),
        sqlalchemy.exc.OperationalError("select", {}, Exception("server closed the connection")),
    ],
)
def test_a_database_outage_is_waited_out(error):
    time = Time()
    answers = iter([error, error, error, "value"])

    def call():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert StorageRetry(sleep=time.sleep, clock=time)(call) == "value"
    assert time.pauses == [0.25, 0.5, 1.0]


def gone():
    raise StorageInternalError("gone")


def deleted():
    raise KeyError(NOT_FOUND_MSG)


def test_an_outage_without_end_is_given_up_and_other_errors_are_raised():
    time = Time()
    retrying = StorageRetry(limit=60, sleep=time.sleep, clock=time)
    with pytest.raises(UserError, match="does not answer \\(StorageInternalError\\)"):
        retrying(gone)
    assert 60 <= sum(time.pauses) < 70 and max(time.pauses) == 5.0
    time.pauses.clear()
    with pytest.raises(UserError):
        retrying(gone)
    assert time.pauses == [], "what is left to write is tried once"
    with pytest.raises(ZeroDivisionError):
        StorageRetry(sleep=time.sleep, clock=time)(lambda: 1 / 0)
    with pytest.raises(KeyError, match="mine"):
        StorageRetry(sleep=time.sleep, clock=time)(lambda: {}["mine"])
    with pytest.raises(UserError, match="deleted"):
        StorageRetry(sleep=time.sleep, clock=time)(deleted)


@pytest.mark.parametrize(
    "original",
    [sqlite3.OperationalError("database or disk is full"), OSError(errno.ENOSPC, "No space left on device")],
    ids=["bytes", "files"],
)
def test_a_full_disk_is_not_waited_for_as_long_and_named(tmp_path, original):
    time = Time()

    def full():
        raise StorageInternalError("no") from sqlalchemy.exc.OperationalError("insert", {}, original)

    with pytest.raises(OSError, match="no room") as refused:
        StorageRetry(sleep=time.sleep, clock=time)(full)
    assert refused.value.errno == errno.ENOSPC and sum(time.pauses) < 2 * FULL_SECONDS
    with pytest.raises(OSError, match=r"a\.db") as refused, open_engine("sqlite:///a.db", Path("a.db")):
        full()
    assert refused.value.errno == errno.ENOSPC


@pytest.mark.parametrize("kind", [LookupError, ValueError, RuntimeError, StorageInternalError])
def test_what_a_library_raises_when_a_storage_is_opened_is_one_sentence_without_secrets(kind):
    url = "postgresql+psycopg://me:hunter2@db/x"
    with pytest.raises(UserError, match=r"//me:\*\*\*@db/x cannot be opened") as refused, open_engine(url):
        raise kind("hunter2 is not let in")
    assert "hunter2" not in str(refused.value)
    with pytest.raises(ZeroDivisionError), open_engine(url):
        raise ZeroDivisionError


def test_a_full_disk_is_named_with_what_lies_on_it(tmp_path, monkeypatch):
    url = "postgresql+psycopg://me:hunter2@db/x"
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="no space") as refused, open_engine(url):
        raise StorageInternalError("no") from full
    assert refused.value.filename == "postgresql+psycopg://me:***@db/x"

    def no_file(dir):
        raise full

    monkeypatch.setattr("tempfile.TemporaryFile", no_file)
    closed = sqlite3.OperationalError("unable to open database file")  # which is all that SQLite says
    with (
        pytest.raises(OSError, match="no space") as refused,
        open_engine("sqlite:///a.db", tmp_path / "a.db"),
    ):
        raise StorageInternalError("no") from closed
    assert refused.value.filename == str(tmp_path / "a.db")


@pytest.mark.parametrize(
    ("url", "statements"),
    [
        ("postgresql+psycopg://db/x", ("SET lock_timeout = '60s'",)),
        ("mysql+pymysql://db/x", ("SET SESSION lock_wait_timeout = 60",)),
        ("mariadb+pymysql://db/x", ("SET SESSION lock_wait_timeout = 60",)),
        ("sqlite:///a.db", ()),
    ],
)
def test_a_connection_waits_no_longer_for_a_lock(url, statements):
    assert lock_limit(make_url(url), 60) == statements


def test_the_system_says_why_sqlite_can_make_no_file(tmp_path):
    storage = open_storage(default_url(tmp_path, "a"))
    file = tmp_path / "a.db"
    with sqlite3.connect(file) as other:
        other.execute("PRAGMA journal_mode=DELETE")
    (tmp_path / "a.db-wal").mkdir()  # in the way of SQLite alone
    with pytest.raises(sqlalchemy.exc.OperationalError, match="unable to open"), storage.engine.connect():
        pass
    (tmp_path / "a.db-wal").rmdir()
    about = SimpleNamespace(original_exception=sqlite3.OperationalError("unable to open database file"))
    about.statement = "INSERT"
    assert _with_its_reason(about, file) is None
    assert isinstance(_with_its_reason(about, tmp_path / "gone" / "a.db").orig, FileNotFoundError)


def test_a_value_that_is_refused_is_not_tried_again():
    time = Time()

    def refuse():
        raise StorageInternalError("no") from sqlalchemy.exc.DataError("insert", {}, Exception("too long"))

    with pytest.raises(UserError, match="refuses a value: too long"):
        StorageRetry(sleep=time.sleep, clock=time)(refuse)
    assert time.pauses == []


@pytest.mark.parametrize(("asked", "limit"), [(0, OUTAGE_LIMIT), (1, PARTING_SECONDS)])
def test_the_time_that_attempts_take_counts(asked, limit):
    time = Time()

    def blocks_and_fails():
        time.now += 10.0
        gone()

    with pytest.raises(UserError):
        StorageRetry(sleep=time.sleep, clock=time, interrupted=lambda: asked)(blocks_and_fails)
    assert limit <= time.now <= limit + 2 * 10.0 + max(time.pauses)


@pytest.mark.parametrize(("asked", "waits"), [(1, True), (2, False)])
def test_an_outage_is_not_waited_out_by_one_who_was_asked_to_end(asked, waits):
    time = Time()
    retrying = StorageRetry(sleep=time.sleep, clock=time, interrupted=lambda: asked)
    with pytest.raises(UserError, match="does not answer"):
        retrying(gone)
    assert (sum(time.pauses) > 0) is waits and sum(time.pauses) <= 2 * PARTING_SECONDS
    before = len(time.pauses)
    with pytest.raises(UserError):
        retrying(gone)
    assert len(time.pauses) == before


def test_an_outage_ends_with_the_first_signal_that_comes_while_it_is_waited_out():
    time = Time()
    retrying = StorageRetry(sleep=time.sleep, clock=time, interrupted=lambda: int(len(time.pauses) > 5))
    with pytest.raises(UserError):
        retrying(gone)
    assert len(time.pauses) == 6


@pytest.mark.parametrize("part", ["vision", "text"])
def test_a_study_of_models_with_fewer_encoders_is_another_question(part):
    alone = settings_of(base_config(**{f"student__{part}": "none", f"teacher__{part}": "none"}))
    for one, other in ((alone, settings_of()), (settings_of(), alone)):
        lines = differing(one.as_attributes(), other)
        assert any(line.startswith(f"base config student.{part}.name: ") for line in lines)
        assert not any(".revision" in line for line in lines)


@pytest.mark.parametrize("kept", [True, False], ids=["SQLite", "in memory"])
def test_an_attribute_of_a_study_is_claimed_by_whoever_knows_its_value(tmp_path, kept):
    study = optuna.create_study(storage=open_storage(default_url(tmp_path, "a")) if kept else None)

    def claimed(old, new):
        return claim_of_study(study._storage, study._study_id, "commits", old, new)

    assert claimed(None, {}) and claimed({}, {"b": "1", "a": ["2"]})
    assert study.user_attrs["commits"] == {"b": "1", "a": ["2"]}
    if kept:
        assert not claimed(None, {"b": "late"}) and not claimed({}, {"b": "late"})
        assert study.user_attrs["commits"] == {"b": "1", "a": ["2"]}
    assert claimed(study.user_attrs["commits"], {"b": "3"}) and study.user_attrs["commits"] == {"b": "3"}


@pytest.mark.slow
def test_one_of_many_claimants_wins(tmp_path):
    url = default_url(tmp_path, "a")
    study = optuna.create_study(storage=open_storage(url), study_name="a")
    nameless, stamped = study.ask(), study.ask()
    stamped.set_user_attr("coordinator", "dead")
    for trial, old in ((nameless, None), (stamped, "dead")):
        won: list[str] = []
        barrier = threading.Barrier(6)

        def run(name, trial=trial, old=old, won=won, barrier=barrier):
            storage = open_storage(url)
            barrier.wait()
            if claim(storage, trial._trial_id, "coordinator", old, name):
                won.append(name)

        threads = [threading.Thread(target=run, args=(f"c{i}",)) for i in range(6)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert len(won) == 1
        fresh = optuna.load_study(study_name="a", storage=url).trials[trial.number]
        assert fresh.user_attrs["coordinator"] == won[0]
    assert not claim(study._storage, stamped._trial_id, "coordinator", "dead", "late")


def opened(folder: Path, settings: StudySettings) -> optuna.Study:
    return open_study(open_storage(default_url(folder, "a")), "a", settings)


def test_a_study_is_set_up_once_and_opened_again(tmp_path):
    settings = settings_of()
    first, again = opened(tmp_path, settings), opened(tmp_path, settings)
    assert first._study_id == again._study_id
    known = again.user_attrs
    assert known["base_config"]["student"]["epochs"] == 4 and known["student_epochs"] == 4
    assert known["data_fingerprint"] == "sha256:0" and known["ready"] is True
    assert list(known["search_space"]) == list(settings.space.parameters)


def test_a_changed_question_is_refused_with_every_difference(tmp_path):
    opened(tmp_path, settings_of())
    raw = {
        "student": {"epochs": 5},
        "teacher": {"vision": "vit-large"},
        "search_space": {"alpha": {"type": "float", "low": 0.1, "high": 2}},
    }
    base = parse_config(raw)
    changed = StudySettings(
        base=base, space=build_space(base, only=("alpha", "T")), dataset="sha256:1", seed=7
    )
    with pytest.raises(UserError) as caught:
        opened(tmp_path, changed)
    text = str(caught.value)
    for line in (
        "study a exists and is about something else",
        "data_fingerprint: sha256:0 in the study, sha256:1 now",
        "seed: 42 in the study, 7 now",
        "base config student.epochs: 4 in the study, 5 now",
        "base config teacher.vision.name: vit-base in the study, vit-large now",
        "search space alpha: type float, low 0.5, high 2.0 in the study, type float, low 0.1, high 2.0 now",
        "search space beta: type float, low 50.0, high 200.0 in the study, absent now",
        "--fork NEW_NAME",
    ):
        assert line in text
    assert "teacher.text" not in text and "search space T:" not in text


def test_other_files_of_a_local_encoder_are_a_difference(tmp_path):
    """Also of one that only the search may draw; a study from before they were kept says nothing of them."""
    for name in ("base", "drawn"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    base = base_config(student__text=str(tmp_path / "base"))
    drawn = SearchParameter(type="categorical", choices=(str(tmp_path / "drawn"), "tiny-text"))
    settings = StudySettings(base, build_space(base, groups={"student_text": drawn}), "sha256:0")
    before = settings.as_attributes()
    assert differing(before, settings) == []
    for name in ("base", "drawn"):
        (tmp_path / name / "vocab.txt").write_text("a")
        (line,) = differing(before, settings)
        assert str(tmp_path / name) in line and "encoder" in line
        (tmp_path / name / "vocab.txt").unlink()
    (tmp_path / "base/vocab.txt").write_text("a")
    del before[ENCODERS]
    assert differing(before, settings) == []


@pytest.mark.slow
def test_several_coordinators_create_one_study(tmp_path):
    open_storage(default_url(tmp_path, "a"))
    found: list[int] = []
    settings = settings_of()
    threads = [
        threading.Thread(target=lambda: found.append(opened(tmp_path, settings)._study_id)) for _ in range(4)
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(found) == 4 and len(set(found)) == 1


def test_names():
    from datetime import datetime

    assert new_name("medpix", datetime(2025, 12, 16, 20, 31, 4)) == "medpix_tuning_20251216_203104"
    check_study_name("medpix_tuning_20251216_203104")
    for name in ("../up", "", "a/b", ".hidden", "a b"):
        with pytest.raises(UserError, match="plain name"):
            check_study_name(name)


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL])
def test_a_finished_trial_is_not_requeued_by_its_owner(tmp_path, state):
    """Its coordinator died after the result was written and before it knew."""
    storage = open_storage(f"sqlite:///{tmp_path}/s.db")
    study = optuna.create_study(storage=storage, study_name="s")
    trial = study.ask()
    claim(storage, trial._trial_id, "coordinator", None, "a")
    trial.report(0.25, 1)
    study.tell(trial, 0.5 if state == TrialState.COMPLETE else None, state)
    requeue_if_owned(storage, trial._trial_id, "coordinator", "a")
    assert optuna.load_study(study_name="s", storage=storage).trials[0].state == state


def test_a_copy_is_taken_again_where_the_database_changed_meanwhile(tmp_path, monkeypatch):
    source, log = tmp_path / "s.db", tmp_path / "s.db-wal"
    source.write_bytes(b"old")
    log.write_bytes(b"log")
    copied, copyfile = [], shutil.copyfile

    def while_others_write(file, target):
        copyfile(file, target)
        copied.append(file.name)
        if len(copied) <= changes:
            source.write_bytes(b"x" * len(copied))

    monkeypatch.setattr(shutil, "copyfile", while_others_write)
    changes = 3
    copy_sqlite(source, tmp_path / "copy.db")
    assert copied == ["s.db", "s.db-wal"] * 3
    assert (tmp_path / "copy.db").read_bytes() == b"xxx" and (tmp_path / "copy.db-wal").read_bytes() == b"log"
    changes = 1000
    with pytest.raises(UserError, match="too fast"):
        copy_sqlite(source, tmp_path / "copy.db")
    assert len(copied) == 6 + 2 * COPY_ATTEMPTS


@pytest.mark.slow
def test_the_newest_study_on_the_same_question_that_lacks_trials_is_resumed(tmp_path):
    settings = settings_of()
    names = [f"medpix_tuning_2026010{day}" for day in (1, 2, 3)]
    studies = [sqlite_study(tmp_path, settings, name) for name in names[:2]]
    studies.append(sqlite_study(tmp_path, settings_of(seed=7), names[2]))  # about something else
    for study in studies:
        for value in (0.5, 0.6):
            study.add_trial(
                create_trial(state=TrialState.COMPLETE, value=value, user_attrs={"overrides": {}})
            )

    def resumed(n_trials):
        return study_to_continue(tmp_path, None, settings, n_trials)

    assert [resumed(count) for count in (2, 3)] == [None, names[1]]
    lease = Lease.new(1)
    studies[1].set_user_attr(f"coordinator:{lease.coordinator}", lease.__dict__)
    assert resumed(3) == names[0], "another process is at work on the newer one"
    closed = lease.closed("interrupted")
    studies[1].set_user_attr(f"coordinator:{lease.coordinator}", closed.__dict__)
    assert resumed(3) == names[1]


@pytest.mark.slow
def test_a_study_that_is_resumed_keeps_the_commits_of_its_models(tmp_path):
    base = base_config()
    names = [f"medpix_tuning_2026010{day}" for day in (1, 2, 3)]
    for name, config, commits in zip(
        names, (base, base, base_config(student__lr=0.5)), ({"a": "1"}, {"a": "2"}, {"a": "3"}), strict=True
    ):
        sqlite_study(tmp_path, settings_of(config), name).set_user_attr(COMMITS, commits)

    def found(name=None, config=base, storage=None, logs=tmp_path):
        return commits_so_far(logs, storage, name, config)

    assert found() == {"a": "2"}, "the newest on this config"
    optuna.create_study(storage=f"sqlite:///{tmp_path}/foreign.db", study_name="foreign").set_user_attr(
        "x", 1
    )
    assert found("foreign") == {}, "another program's says nothing of a config"
    assert found(names[0]) == {"a": "1"} and found(names[2]) == {"a": "3"}, "the one that was named"
    assert found(config=base_config(name="other")) == found(config=base_config(student__lr=0.25)) == {}
    assert found("no_such") == found(logs=tmp_path / "nowhere") == {}
    assert found(names[0], storage=f"sqlite:///{tmp_path}/{names[1]}.db") == {}, "another file holds it"
    assert found(storage=f"sqlite:///{tmp_path}/{names[0]}.db") == {"a": "1"}
    sqlite_study(tmp_path, settings_of(base), "medpix_tuning_20260104")
    (tmp_path / "medpix_tuning_20260105.db").write_text("no database")
    assert found() == {}, "a newer study on this config that knows none"


def test_why_a_storage_cannot_be_used_is_what_lies_behind_in_one_line():
    url = "postgresql+psycopg://me:hunter2@db/x"
    error = StorageInternalError("outer")
    assert reason(error, url) == "outer"
    error.__cause__ = ValueError("no hunter2 here\nand more")
    assert reason(error, url) == "no *** here"
    error.__cause__ = AssertionError()
    assert reason(error, url) == "AssertionError"
    error.__cause__ = ImportError("no psycopg")
    assert reason(error, url) == missing_driver(url, error.__cause__)


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("logs/a.db", "sqlite:///logs/a.db"),
        ("logs/a b.db", "sqlite:///logs/a b.db"),
        ("/x/a?b.db", None),
        ("/x/100%25.db", None),
    ],
)
def test_an_sqlite_file_may_have_any_name(path, url):
    found = sqlite_url(Path(path))
    assert sqlite_file(make_url(found)) == Path(path) and (url is None or found == url)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///file:a%2520b.db?uri=true", "a b.db"),
        ("sqlite:///file:a.db", "file:a.db"),
        ("sqlite:///a.db?uri=true", "a.db"),
    ],
)
def test_only_an_uri_is_read_as_one(url, path):
    assert sqlite_file(make_url(url)) == Path(path)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_database_in_memory_is_no_storage(url):
    with pytest.raises(UserError, match="in memory"):
        parse_url(url)


@pytest.mark.parametrize(
    ("url", "isolation", "password"),
    [
        ("mysql+pymysql://me:p%C3%A4ss@db/x", "READ COMMITTED", "p\u00e4ss".encode()),
        ("mariadb+pymysql://db/x", "READ COMMITTED", None),
        ("postgresql+psycopg://me:pass@db/x", None, None),
    ],
)
def test_how_a_server_is_spoken_to(url, isolation, password):
    options = engine_options(make_url(url))
    assert options["pool_pre_ping"] is True and options.get("isolation_level") == isolation
    assert options["connect_args"].get("password") == password


def test_a_scores_owner_alone_starts_a_trial_over(tmp_path):
    study = sqlite_study(tmp_path, settings_of())
    mine, other = Ledger(study, "mine"), Ledger(study, "other")
    trial, beside = mine.ask(), mine.ask()
    mine.report(trial, 1, 0.5)
    mine.report(beside, 1, 0.25)
    other.start_over(trial, {"smaller": True})
    assert study.trials[0].intermediate_values == {1: 0.5} and "smaller" not in study.trials[0].user_attrs
    mine.start_over(trial, {"smaller": True})
    assert study.trials[0].intermediate_values == {} and study.trials[0].user_attrs["smaller"] is True
    assert study.trials[1].intermediate_values == {1: 0.25}, "another trial's"
    assert trial._cached_frozen_trial.intermediate_values == {}


def test_a_database_that_is_being_made_holds_no_studies_yet_and_is_not_written(tmp_path):
    """Optuna would add the row that its maker is about to add: one of both would fail."""
    open_storage(f"sqlite:///{tmp_path}/a.db").engine.dispose()
    with sqlite3.connect(tmp_path / "a.db") as other:
        other.execute("DELETE FROM version_info")
    with pytest.raises(NoStudiesError, match="version_info"), reading(f"sqlite:///{tmp_path}/a.db"):
        pass


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        ("sqlite:///a b.db", "sqlite:///{here}/a b.db"),
        ("sqlite+pysqlite:///logs/a.db?timeout=9", "sqlite+pysqlite:///{here}/logs/a.db?timeout=9"),
        ("sqlite:////tmp/a.db", "sqlite:////tmp/a.db"),
        ("sqlite://", "sqlite://"),
        ("sqlite.db", "sqlite.db"),
        ("sqlite://host:port/a.db", "sqlite://host:port/a.db"),
        ("postgresql://me:secret@host/a", "postgresql://me:secret@host/a"),
        (None, None),
    ],
)
def test_the_url_of_a_file_leads_to_it_from_everywhere(
    given: str | None, whole: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distune.tuning.study.storage_url import url_in_full

    monkeypatch.chdir(tmp_path)
    assert url_in_full(given) == (whole and whole.format(here=tmp_path))
