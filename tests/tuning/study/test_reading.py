"""Reading a database without changing it, and opening a study that another coordinator makes just now."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import InMemoryStorage
from sqlalchemy import inspect
from study_helpers import base_config, settings_of

from distune.errors import UserError
from distune.tuning.study import open_study as module
from distune.tuning.study import read_only
from distune.tuning.study.open_study import is_made_by_tune, load, open_study, write_settings
from distune.tuning.study.read_only import NoStudiesError, _stamps, copy_sqlite, reading
from distune.tuning.study.storage import opened


def test_a_database_and_its_log_are_copied_as_one_whatever_their_names(tmp_path: Path) -> None:
    source, target = tmp_path / "own.sqlite3", tmp_path / "copy" / "c.db"
    target.parent.mkdir()
    writer = sqlite3.connect(source)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("CREATE TABLE t (x)")
    writer.execute("INSERT INTO t VALUES (7)")
    writer.commit()
    assert (tmp_path / "own.sqlite3-wal").stat().st_size
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    copy_sqlite(source, target)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    copied = sqlite3.connect(target)
    assert copied.execute("SELECT x FROM t").fetchall() == [(7,)], "which stands in the log alone"
    copied.close()
    writer.close()


def test_a_database_that_is_read_is_watched_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched: list[Any] = []
    monkeypatch.setattr(read_only, "say_slow_answers", lambda engine, shown: watched.append((engine, shown)))
    optuna.create_study(storage=f"sqlite:///{tmp_path}/s.db")
    with reading(f"sqlite:///{tmp_path}/s.db") as storage:
        assert watched == [(storage.engine, f"sqlite:///{tmp_path}/s.db")]  # type: ignore[attr-defined]


def test_a_change_that_keeps_the_size_is_one(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    assert _stamps(file, file) == (None, None)
    file.write_bytes(b"a")
    first = _stamps(file)
    os.utime(file, ns=(1, 1))
    assert _stamps(file) != first and _stamps(file)[0] == (1, 1)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_not_copied(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "s.db"
    place.mkdir() if kind == "folder" else os.mkfifo(place)
    with pytest.raises(UserError, match="name an SQLite file"):
        copy_sqlite(place, tmp_path / "copy.db")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("studies (study_id, study_name)", "trials, version_info"),
        ("studies (study_id, patient)", "studies is another table"),
        ("trials (id)", "trials is another table"),
        ("version_info (schema_version)", "version_info is another table"),
    ],
)
def test_a_database_without_studies_is_named_and_stays_so(tmp_path: Path, table: str, said: str) -> None:
    file = tmp_path / "s.db"
    with sqlite3.connect(file) as connection:
        connection.execute(f"CREATE TABLE {table}")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(UserError, match=said) as refused, reading(f"sqlite:///{file}"):
        pass
    # What lacks tables may be a database that is being made, to which `tune` adds them.
    assert isinstance(refused.value, NoStudiesError) == ("," in said)
    assert file.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["s.db"]


def test_a_reader_makes_no_table(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    with opened(url) as storage:
        open_study(storage, "s", settings_of())
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("DROP TABLE trial_heartbeats")
    connection.close()
    with reading(url) as storage:
        assert "trial_heartbeats" not in inspect(storage.engine).get_table_names()
        assert load(storage, "s") is not None


def test_attributes_of_a_study_of_another_program_may_be_anything(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"
    optuna.create_study(study_name="s", storage=url).set_user_attr("sampler", 7)
    with reading(url) as storage:
        found = load(storage, "s")
        assert found is not None and found.user_attrs == {"sampler": 7}


@pytest.mark.parametrize("table", ["trial_values", "alembic_version"])
def test_a_view_in_place_of_a_table_is_never_asked(tmp_path: Path, table: str) -> None:
    """In a foreign file it may compute without end."""
    url = f"sqlite:///{tmp_path / 's.db'}"
    optuna.create_study(study_name="s", storage=url)
    with sqlite3.connect(tmp_path / "s.db") as connection:
        endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"
        connection.executescript(f"DROP TABLE {table}; CREATE VIEW {table} AS {endless}")
    connection.close()
    with pytest.raises(UserError, match=f"'{table}' is a view"), reading(url):
        pass


@pytest.mark.slow
def test_what_a_reader_meets_is_said_in_a_sentence(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    with opened(url) as storage:
        study = open_study(storage, "s", settings_of())
        trial = study.ask()
        trial.set_user_attr("seconds", 1.0)
    with reading(url) as storage:
        assert load(storage, "none") is None, "what is not there is no damage"
        with pytest.raises(KeyError):
            storage.get_trial(999)
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("UPDATE trial_user_attributes SET value_json = '{'")
    connection.close()
    with reading(url) as storage:
        found = load(storage, "s")
        assert found is not None
        for read in (lambda: found.get_trials(deepcopy=False), lambda: storage.get_trial(trial._trial_id)):
            with pytest.raises(UserError, match=rf"{tmp_path}/s\.db cannot be read"):
                read()
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("UPDATE study_user_attributes SET value_json = '7' WHERE key = 'sampler'")
    connection.close()
    with reading(url) as storage, pytest.raises(UserError, match="study s: the attribute sampler"):
        load(storage, "s")


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(module.time, "sleep", waited.append)
    return waited


def test_a_study_that_another_coordinator_makes_just_now_is_waited_for(
    no_waiting: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, settings = InMemoryStorage(), settings_of()
    theirs = optuna.create_study(storage=storage, study_name="s", direction="maximize")
    wrote: list[str] = []

    def quicker(**_: Any) -> Any:
        raise DuplicatedStudyError

    def later(seconds: float) -> None:
        no_waiting.append(seconds)
        if len(no_waiting) == 3:
            write_settings(theirs, settings)

    monkeypatch.setattr(module, "load", lambda storage, name: None)
    monkeypatch.setattr(module.optuna, "create_study", quicker)
    monkeypatch.setattr(module.time, "sleep", later)
    monkeypatch.setattr(module, "write_settings", lambda study, settings: wrote.append("ours"))
    found = open_study(storage, "s", settings)
    assert found._study_id == theirs._study_id and no_waiting == [0.25] * 3 and wrote == []


def test_a_study_whose_maker_died_is_made_whole(no_waiting: list[float]) -> None:
    storage, settings = InMemoryStorage(), settings_of()
    half = optuna.create_study(storage=storage, study_name="s", direction="maximize")
    half.set_user_attr("base_config", {})
    found = open_study(storage, "s", settings)
    assert sum(no_waiting) == pytest.approx(10.0) and is_made_by_tune(found)
    assert found.user_attrs["base_config"] == settings.as_attributes()["base_config"]


def test_a_study_that_minimises_or_is_another_program_s_is_refused(no_waiting: list[float]) -> None:
    storage, settings = InMemoryStorage(), settings_of()
    many = {"foreign": ["maximize"], "minimises": ["minimize"], "of two aims": ["maximize", "maximize"]}
    for name, directions in many.items():
        study = optuna.create_study(storage=storage, study_name=name, directions=directions)
        study.set_user_attr("mine", 1)
        if name != "foreign":
            write_settings(study, settings)
        known = dict(study.user_attrs)
        with pytest.raises(UserError, match="not made by distune"):
            open_study(storage, name, settings)
        assert study.user_attrs == known and no_waiting == []
    open_study(storage, "s", settings)
    with pytest.raises(UserError, match="seed: 42 in the study, 7 now"):
        open_study(storage, "s", settings_of(seed=7))
    with pytest.raises(UserError, match=r"student\.lr"):
        open_study(storage, "s", settings_of(base_config(student__lr=0.5)))


def test_what_was_read_counts_where_its_copy_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    url = f"sqlite:///{tmp_path}/s.db"
    optuna.create_study(study_name="s", storage=url)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr("os.rmdir", refuse)
        with reading(url) as storage:
            assert load(storage, "s") is not None


def test_a_fault_of_the_disk_is_looked_for_in_the_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    seen: list[Any] = []
    optuna.create_study(study_name="s", storage=url)
    opened = read_only._opened
    monkeypatch.setattr(read_only, "_opened", lambda *given: seen.append(given) or opened(*given))
    with reading(url):
        ((read, shown, copy),) = seen
        assert (read, shown) == (f"sqlite:///{copy}", url) and copy.is_file()
