"""A command ends with one message and the right exit code, whatever it met."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from distune.cli.error_handling import ending_of, one_message
from distune.errors import ConfigError, DataError, UserError

SOURCE = Path(__file__).parents[2] / "src"
DEMO = Path(__file__).parents[2] / "config" / "demo.yaml"


def run(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {**os.environ, "PYTHONPATH": str(SOURCE), **environment}
    return subprocess.run(
        [sys.executable, "-m", "distune", *words],
        cwd=cwd,
        env=known,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("error", "code", "token"),
    [
        (UserError("rule"), 2, "rule"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 4, "/x/y"),
        (OSError(errno.EFBIG, "File too large", "/x/y"), 4, "/x/y"),
        (OSError(errno.EFBIG, "File too large"), 4, "ulimit"),
        (OSError(errno.EDQUOT, "Quota exceeded"), 4, "disk is full"),
        (RuntimeError("(sqlite3.OperationalError) database or disk is full"), 4, "disk is full"),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"), 2, "TMPDIR"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), 2, "working folder"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), 2, "/x/y"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/x/y"), 2, "/x/y"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300), 2, "too long"),
        (OSError(errno.EADDRINUSE, "Address already in use"), 2, "in use"),
        (OSError(errno.EROFS, "Read-only file system", "/x"), 2, "Read-only"),
        (FloatingPointError("teacher epoch 1: the loss is nan"), 1, "learning rate"),
        (MemoryError(), 1, "accumulation"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), 1, "accumulation"),
        (OSError(errno.EMFILE, "Too many open files", "/x/y"), 1, "ulimit"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 1, "out of memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), 1, "out of memory"),
        (RuntimeError("could not create a primitive"), 1, "out of memory"),
        (RuntimeError("std::bad_alloc"), 1, "out of memory"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), 1, "ulimit"),
        (RuntimeError("can't start new thread"), 1, "ulimit"),
        (KeyError("x"), 1, "traceback"),
    ],
)
def test_each_error_has_its_code(error: Exception, code: int, token: str) -> None:
    found, message = ending_of(error)
    assert found == code
    assert token in message


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize(("error", "code"), [(UserError("rule"), 2), (KeyboardInterrupt(), 130)])
def test_an_error_that_nobody_can_read_keeps_its_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/full").open("w") as full, pytest.raises(SystemExit) as ended:
        monkeypatch.setattr(sys, "stderr", full)
        with one_message():
            raise error
    assert ended.value.code == code


def test_an_unforeseen_error_keeps_its_traceback_in_a_file() -> None:
    try:
        raise ZeroDivisionError("nobody thought of it")
    except ZeroDivisionError as error:
        _, message = ending_of(error)
    log = Path(message.rpartition(" ")[2])
    assert "test_an_unforeseen_error" in log.read_text()
    log.unlink()


@pytest.mark.parametrize(
    "words",
    [
        ["status", "no\x1b]0;title\x07such"],
        ["check", "no\x1b[31msuch.yaml"],
        ["status", "no\rerror: none"],
        ["report", "\x9b31m"],
    ],
)
def test_control_sequences_do_not_reach_the_terminal(
    words: list[str], distune: Callable[..., tuple[int, str, str]]
) -> None:
    code, printed, errors = distune(*words)
    assert code == 2 and errors
    assert not any((ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 for c in printed + errors)


@pytest.mark.slow
def test_an_out_path_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    ended = run("data", "demo", "taken", cwd=tmp_path)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr and "taken" in ended.stderr


@pytest.mark.slow
def test_a_deleted_working_folder_is_one_sentence(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f"cd {gone} && rmdir {gone} && exec {sys.executable} -m distune data demo here"
    ended = subprocess.run(
        ["sh", "-c", script], env={**os.environ, "PYTHONPATH": str(SOURCE)}, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr and "working folder" in ended.stderr


@pytest.mark.slow
def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    script = f"{sys.executable} -m distune encoders list | head -1"
    ended = subprocess.run(
        ["sh", "-c", script],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(SOURCE)}, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.stderr == ""


@pytest.mark.slow
def test_a_terminal_of_few_characters_is_enough(tmp_path: Path) -> None:
    config = tmp_path / "größe.yaml"
    shutil.copy(DEMO, config)
    ended = run("check", str(config), cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert ended.returncode == 0 and "sound" in ended.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["größe.yaml"]  # a check makes no demo set
    assert "Traceback" not in ended.stderr and "UnicodeEncodeError" not in ended.stderr


@pytest.mark.slow
def test_many_bad_examples_are_all_listed_in_a_file() -> None:
    lines = [f"metadata_train.csv:{row}: image file is missing: '{row}.png'" for row in range(2, 40)]
    code, message = ending_of(DataError("data", ["image file is missing (38 examples)"], lines))
    assert code == 2 and message.startswith("data: image file is missing")
    listed = Path(message.rsplit(" ", 1)[1])
    assert listed.read_text().splitlines() == lines
    listed.unlink()
    code, message = ending_of(
        ConfigError("c.yaml", ["student.lr: too large", "38 images are missing"], lines)
    )
    listed = Path(message.rsplit(" ", 1)[1])
    assert code == 2 and listed.read_text().splitlines() == lines
    listed.unlink()
    assert "listed in" not in ending_of(DataError("data", ["one"], lines[:1]))[1]


@pytest.mark.slow
def test_a_full_temporary_folder_is_named(tmp_path: Path) -> None:
    """TMPDIR is a file system of its own, too small for the copy of a study that readers make."""
    optuna.create_study(storage=f"sqlite:///{tmp_path}/study.db", study_name="study")
    small = tmp_path / "small"
    small.mkdir()
    mount = f"mount -t tmpfs -o size=64k none {small} || exit 99; exec {sys.executable} -m distune status study.db"
    try:
        ended = subprocess.run(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount],
            cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": str(SOURCE), "TMPDIR": str(small)},
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("no command unshare")
    if ended.returncode in (1, 99):
        pytest.skip(f"no file system of its own: {ended.stderr}")
    assert ended.returncode == 4
    assert f"while writing {small}" in ended.stderr and "TMPDIR" in ended.stderr


@pytest.mark.slow
def test_a_study_in_the_working_folder_is_found(tmp_path: Path) -> None:
    optuna.create_study(storage=f"sqlite:///{tmp_path}/study.db", study_name="study")
    for name in ("./study.db", "study"):
        assert run("status", name, cwd=tmp_path).returncode == 0
