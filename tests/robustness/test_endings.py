"""A command ends with one message and the right exit code, whatever it met."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import optuna
import pytest

from distune.cli.address_space import LEAST_MB, RoomForLibraries, most_mb
from distune.cli.error_handling import TerminalFormatter, ending_of, one_message
from distune.cli.signals import CLEANUP_SECONDS, EndByException
from distune.errors import ConfigError, DataError, MachineError, UserError
from distune.plugins import load_plugins
from distune.store import cache_folder

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
        (MachineError("a.csv: Input/output error"), 1, "a.csv"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 4, "/x/y"),
        (OSError(errno.EFBIG, "File too large", "/x/y"), 4, "/x/y"),
        (OSError(errno.EFBIG, "File too large"), 4, "ulimit"),
        (OSError(errno.EDQUOT, "Quota exceeded"), 4, "disk is full"),
        (RuntimeError("(sqlite3.OperationalError) database or disk is full"), 4, "disk is full"),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"), 2, "TMPDIR"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), 2, "working folder"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/x/y"), 2, "/x/y: No such file"),
        (FileNotFoundError(errno.ENOENT, "Gone", "/temporary/distune-x"), 2, "TMPDIR"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), 2, "/x/y"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/x/y"), 2, "/x/y"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300), 2, "too long"),
        (OSError(errno.EADDRINUSE, "Address already in use"), 2, "in use"),
        (RuntimeError("Symlink loop from '/x/y'"), 2, "/x/y"),
        (OSError(errno.EIO, "Input/output error"), 1, "traceback"),
        (OSError(errno.EIO, "Input/output error", "/x/y"), 1, "/x/y: Input/output error: a disk"),
        (OSError(errno.ESTALE, "Stale file handle", "/x/y"), 1, "a disk"),
        (OSError(errno.EROFS, "Read-only file system", "/x"), 2, "Read-only"),
        (FloatingPointError("teacher epoch 1: the loss is nan"), 1, "learning rate"),
        (MemoryError(), 1, "accumulation"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), 1, "accumulation"),
        (OSError(errno.EMFILE, "Too many open files", "/x/y"), 1, "ulimit"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 1, "out of memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), 1, "out of memory"),
        (RuntimeError("could not create a primitive"), 1, "out of memory"),
        (RuntimeError("std::bad_alloc"), 1, "out of memory"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), 1, "out of memory"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), 1, "ulimit"),
        (RuntimeError("can't start new thread"), 1, "ulimit"),
        (KeyError("x"), 1, "traceback"),
    ],
)
def test_each_error_has_its_code(
    error: Exception, code: int, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/temporary")
    found, message = ending_of(error)
    assert found == code
    assert token in message


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize(("error", "code"), [(UserError("rule"), 2), (KeyboardInterrupt(), 130)])
def test_an_error_that_cannot_be_printed_keeps_its_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/full").open("w") as full, pytest.raises(SystemExit) as ended:
        monkeypatch.setattr(sys, "stderr", full)
        with one_message():
            raise error
    assert ended.value.code == code


def test_a_reader_that_left_ends_a_command_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        with pytest.raises(SystemExit) as ended, one_message():
            print("x", flush=True)
        assert ended.value.code == 1 and capsys.readouterr().err == ""
        print("what the interpreter flushes at its end goes nowhere", flush=True)


def test_a_reader_that_left_is_noticed_before_the_interpreter_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        with pytest.raises(SystemExit) as ended, one_message():
            print("little, which stays in the buffer")
        assert ended.value.code == 1


def test_an_unforeseen_error_keeps_its_traceback_in_a_file() -> None:
    try:
        raise ZeroDivisionError("nobody thought of it")
    except ZeroDivisionError as error:
        _, message = ending_of(error)
    log = Path(message.rpartition(" ")[2])
    assert "test_an_unforeseen_error" in log.read_text()
    log.unlink()


def test_a_traceback_that_holds_half_a_character_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert "traceback is in" in ending_of(ZeroDivisionError("a\udcffb"))[1]
    (file,) = tmp_path.iterdir()
    assert "a\\udcffb" in file.read_text()


def test_all_bad_examples_are_in_a_file_where_a_message_does_not_name_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    of_three, of_four = (DataError("d", ["bad"], [f"row {n}" for n in range(count)]) for count in (3, 4))
    assert ending_of(of_three) == (2, str(of_three)) and not list(tmp_path.iterdir())
    code, message = ending_of(of_four)
    (file,) = tmp_path.iterdir()
    assert (
        code == 2
        and message.startswith(str(of_four))
        and message.endswith(f"all 4 examples are listed in {file}")
    )
    assert file.read_text() == "row 0\nrow 1\nrow 2\nrow 3\n"
    code, message = ending_of(
        ConfigError("c.yaml", ["student.lr: too large", "4 are missing"], of_four.examples)
    )
    assert code == 2 and Path(message.rsplit(" ", 1)[1]).read_text() == file.read_text()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    assert str(tmp_path) not in ending_of(of_four)[1]
    assert "ZeroDivisionError" in ending_of(ZeroDivisionError("x"))[1].splitlines()[-1], (
        "the traceback itself"
    )


def test_a_full_disk_is_named_by_the_file_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    copied = OSError(errno.ENOSPC, "No space left on device", "/from", None, "/to")
    assert "/to" in ending_of(copied)[1] and "/from" not in ending_of(copied)[1]
    assert "TMPDIR" not in ending_of(copied)[1]
    assert "TMPDIR" in ending_of(OSError(errno.ENOSPC, "No space", str(tmp_path / "distune-x")))[1]
    assert "TMPDIR" not in ending_of(OSError(errno.ENOSPC, "No space", str(tmp_path / "out")))[1], "theirs"
    assert ending_of(OSError(errno.EACCES, "Permission denied", "/from", None, "/to"))[1].startswith("/to: ")
    assert ending_of(OSError(errno.EFBIG, "File too large", "/from", None, "/to"))[1].startswith("/to: ")
    assert ending_of(MemoryError())[1].startswith("out of memory: no message; ")
    assert "second" not in ending_of(MemoryError("first\nsecond"))[1]


def test_an_interrupt_within_another_error_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    def imported_halfway() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise ImportError("half a module") from error

    for act, code, said in (
        (imported_halfway, 130, "interrupted\n"),
        (lambda: sys.exit(3), 3, ""),
        (lambda: int("x"), 1, "error: internal error: ValueError: "),
    ):
        with pytest.raises(SystemExit) as ended, one_message():
            act()
        assert ended.value.code == code
        errors = capsys.readouterr().err
        assert errors.startswith(said) and bool(errors) == bool(said)


def test_log_lines_move_no_cursor() -> None:
    record = logging.LogRecord("x", logging.INFO, "f.py", 1, "a\x1b[31m\rb", None, None)
    mark = "\N{REPLACEMENT CHARACTER}"
    assert TerminalFormatter("%(message)s").format(record) == f"a{mark}[31m{mark}b"


def test_a_second_signal_is_heard_only_after_the_time_for_cleaning_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    handler = EndByException()
    with pytest.raises(KeyboardInterrupt):
        handler(signal.SIGINT, None)
    now[0] += CLEANUP_SECONDS - 0.1
    handler(signal.SIGTERM, None)
    now[0] += 0.2
    with pytest.raises(SystemExit) as ended:
        handler(signal.SIGTERM, None)
    assert ended.value.code == 143


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


def test_an_out_path_that_is_a_file_is_refused(
    distune: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "taken").touch()
    code, _, errors = distune("data", "demo", "taken")
    assert code == 2 and "Traceback" not in errors and "taken" in errors


def test_in_a_deleted_working_folder_no_command_begins(
    distune: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for command in (("check", str(tmp_path / "c.yaml")), ("cache", "list")):
        code, _, errors = distune(*command)
        assert code == 2 and "working folder" in errors


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
    ended = run("check", str(config), "--no-estimate", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert ended.returncode == 0 and "sound" in ended.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["größe.yaml"]  # a check makes no demo set
    assert "Traceback" not in ended.stderr and "UnicodeEncodeError" not in ended.stderr


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


@pytest.mark.parametrize("name", ["./study.db", "study"])
def test_a_study_in_the_working_folder_is_found(
    name: str, distune: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    optuna.create_study(storage=f"sqlite:///{tmp_path}/study.db", study_name="study")
    assert distune("status", name)[0] == 0


@pytest.mark.parametrize(
    "raised",
    [
        "MemoryError()",
        "RuntimeError('could not create a primitive')",
        "OSError(28, 'No space left on device')",
        'RuntimeError("can\'t start new thread")',
    ],
)
def test_what_has_run_out_is_not_blamed_on_what_was_given(
    raised: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"plugin_{abs(hash(raised))}"
    (tmp_path / f"{name}.py").write_text(f"raise {raised}")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises((MemoryError, RuntimeError, OSError)):
        load_plugins([name])


def test_a_cache_where_no_folder_can_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "gone").symlink_to("nothing")
    (tmp_path / "circle").symlink_to("circle")
    for place in ("file", "file/cache", "gone", "circle/cache"):
        for name in ("XDG_CACHE_HOME", "DISTUNE_CACHE"):
            with monkeypatch.context() as patch, pytest.raises(UserError, match="no folder"):
                patch.delenv("DISTUNE_CACHE", raising=False)
                patch.setenv(name, str(tmp_path / place))
                cache_folder()
    monkeypatch.setenv("DISTUNE_CACHE", "s3://bucket/cache")
    with pytest.raises(UserError, match="is a URL"):
        cache_folder()


@pytest.mark.parametrize(("limit", "is_enough"), [(None, True), (LEAST_MB, True), (LEAST_MB - 1, False)])
def test_a_library_that_would_end_the_process_is_not_begun(
    limit: int | None, is_enough: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distune.cli.address_space.most_mb", lambda: limit)
    with nullcontext() if is_enough else pytest.raises(MemoryError) as raised:
        assert RoomForLibraries().find_spec("torch", None) is None
    assert RoomForLibraries().find_spec("json", None) is None
    if raised is not None:
        code, message = ending_of(raised.value)
        assert code == 1 and str(LEAST_MB) in message and "ulimit -v" in message


def test_a_library_that_is_there_and_cannot_be_imported_is_not_called_missing() -> None:
    for name, whose in (("onnxruntime", "install it again"), ("distune.api", "fault of Distune")):
        code, message = ending_of(ImportError("libx.so: cannot open shared object file", name=name))
        assert code == 1 and name.partition(".")[0] in message.lower() and whose in message


@pytest.mark.parametrize(("limit", "mb"), [(500 * 2**20, 500), (-1, None)])
def test_how_much_this_process_may_map(limit: int, mb: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "RLIM_INFINITY", -1)
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limit, -1))
    assert most_mb() == mb
