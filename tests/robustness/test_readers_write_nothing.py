"""What only looks leaves what it looks at byte for byte as it was."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from typer.testing import CliRunner

from distune.cli import app
from distune.errors import UserError
from distune.tuning.dashboard import copy_study
from distune.tuning.study.read_only import copy_sqlite, reading
from distune.tuning.study.storage import opened
from tests.forked import forked

State = Callable[[Path], object]


def tuned(file: Path) -> None:
    """A study as a coordinator leaves it."""
    with opened(f"sqlite:///{file}") as storage:
        study = optuna.create_study(storage=storage, study_name=file.stem, direction="maximize")
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)


def foreign(file: Path) -> None:
    study = optuna.create_study(storage=f"sqlite:///{file}", study_name=file.stem)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)


def live(file: Path) -> object:
    """A study whose last trials are in the write-ahead log only, its writer at work."""
    foreign(file)
    writer = sqlite3.connect(file)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("UPDATE trial_values SET value = value + 1")
    writer.commit()
    assert file.with_name(f"{file.name}-wal").stat().st_size > 0
    return writer


def no_study(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE patients (name TEXT)")


def empty(file: Path) -> None:
    file.touch()


def text(file: Path) -> None:
    file.write_text("not a database at all, but a long enough text to look like a page " * 100)


COMMANDS = {
    "status": ["status", "{study}"],
    "report": ["report", "{study}", "--out", "{out}"],
    "compare": ["compare", "{study}"],
    "confirm": ["confirm", "{study}"],
}


def state_of(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder",
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("make", [tuned, foreign, live, no_study, empty, text])
def test_a_reading_command_changes_no_byte(
    make: State, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    monkeypatch.chdir(tmp_path)
    kept = make(logs / "study.db")
    before = state_of(logs)
    words = [word.format(study=logs / "study.db", out=tmp_path / "out") for word in COMMANDS[command]]

    result = CliRunner().invoke(app, words)

    assert state_of(logs) == before
    if make in (no_study, empty, text):
        assert isinstance(result.exception, UserError)
        assert "study.db" in str(result.exception)
    del kept


def studies_in(folder: Path) -> int:
    with reading(f"sqlite:///{folder}/study.db") as storage:
        return len(storage.get_all_studies())


def read_without_being_able_to_write(folder: Path) -> None:
    studies_in(folder)  # imports what another user may not be able to read
    folder.chmod(0o555)
    if os.geteuid() == 0:  # who writes everywhere
        os.setgid(1001)
        os.setuid(1001)
    with pytest.raises(PermissionError):
        (folder / "new").touch()
    assert studies_in(folder) == 1


@pytest.mark.slow
def test_a_study_on_a_read_only_disk_is_read() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are shut to others
        tuned(Path(name) / "study.db")
        process = forked(read_without_being_able_to_write, Path(name))
        process.start()
        process.join()
        assert process.exitcode == 0


@pytest.mark.slow
def test_what_is_in_the_log_only_is_read_too(tmp_path: Path) -> None:
    writer = live(tmp_path / "study.db")
    with reading(f"sqlite:///{tmp_path}/study.db") as storage:
        study = optuna.load_study(study_name="study", storage=storage)
        assert all(1 <= trial.value <= 2 for trial in study.trials if trial.value is not None)
        assert len(study.trials) == 3
    del writer


@pytest.mark.slow
def test_a_copy_is_never_of_two_states(tmp_path: Path) -> None:
    """The log that belongs to the copied file is copied, however often its writer starts it again."""
    live(tmp_path / "study.db")
    copy_sqlite(tmp_path / "study.db", tmp_path / "copy.db")
    with sqlite3.connect(tmp_path / "copy.db") as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.slow
def test_the_dashboard_shows_a_copy_of_a_foreign_study(tmp_path: Path) -> None:
    foreign(tmp_path / "study.db")
    before = state_of(tmp_path)
    url = copy_study("study", tmp_path.parent / "copied.db", logs=tmp_path)
    assert state_of(tmp_path) == before
    assert len(optuna.load_study(study_name="study", storage=url).trials) == 3


def test_a_closed_study_is_one_plain_file(tmp_path: Path) -> None:
    tuned(tmp_path / "study.db")
    assert [path.name for path in tmp_path.iterdir()] == ["study.db"]
    with sqlite3.connect(tmp_path / "study.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="database in memory"), opened(url):
        pass
