"""A signal ends a command without a traceback, and leaves no draft behind."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from distune.cli import main, run_command
from distune.cli.error_handling import INTERRUPTED, one_message
from distune.cli.output import outlive_terminal
from distune.cli.signals import EndByException, end_at_once
from distune.tuning.coordinator.interrupts import PATIENCE_SECONDS, interrupts
from distune.utils.files.atomic import replacing
from distune.utils.files.new_folder import new_folder
from distune.utils.progress import progress_to
from distune.utils.signals import SIGNALS, SignalsHandled
from distune.utils.threads import threaded

SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture(autouse=True)
def handlers_are_put_back() -> Iterator[None]:
    """The tests may run under nohup or in the background, where some of the signals are ignored."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    default = dict.fromkeys(SIGNALS, signal.SIG_DFL) | {signal.SIGINT: signal.default_int_handler}
    for number, handler in default.items():
        signal.signal(number, handler)
    yield
    assert {number: signal.getsignal(number) for number in SIGNALS} == default
    for number, handler in before.items():
        signal.signal(number, handler)


def test_what_comes_before_the_first_handler_takes_no_time() -> None:
    heavy = {"typer", "typing", "re", "enum", "warnings", "contextlib", "logging", "threading", "pathlib"}
    seen = f"import sys, distune.cli, distune.__main__; print({heavy} & set(sys.modules))"
    # -I -S: nothing that a site brings along
    path = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); {seen}"
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c", path], capture_output=True, text=True, check=True
    )
    assert found.stdout == "set()\n"


def test_a_signal_among_the_imports_has_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    for number in (signal.SIGINT, signal.SIGTERM):
        end_at_once(number, None)
    assert ended == [130, 143]


def test_an_interrupt_between_the_handlers_has_the_exit_code_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("distune.cli.application.run_application", interrupted)
    with pytest.raises(SystemExit) as ended:
        run_command()
    assert ended.value.code == 130


@pytest.mark.parametrize(
    ("handler", "after"),
    [(signal.default_int_handler, signal.SIG_DFL), (signal.SIG_IGN, signal.SIG_IGN)],
    ids=["heard", "ignored"],
)
def test_an_interrupt_while_the_interpreter_closes_raises_nothing(
    monkeypatch: pytest.MonkeyPatch, handler: Any, after: Any
) -> None:
    monkeypatch.setattr("distune.cli.run_command", lambda: sys.exit(2))
    signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(SystemExit):
            main()
        assert signal.getsignal(signal.SIGINT) is after
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_an_import_is_left_at_once(number: int) -> None:
    child = os.fork()
    if child == 0:
        with SignalsHandled(end_at_once):
            try:
                os.kill(os.getpid(), number)
            finally:  # as an import that takes an interrupt for a fault of its own
                os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 128 + number


@pytest.mark.parametrize("number", SIGNALS)
def test_drafts_are_removed(tmp_path: Path, number: int) -> None:
    kind = KeyboardInterrupt if number == signal.SIGINT else SystemExit
    with (
        pytest.raises(kind) as ended,
        SignalsHandled(EndByException()),
        replacing(tmp_path / "file") as draft,
    ):
        draft.touch()
        os.kill(os.getpid(), number)
    with pytest.raises(kind), SignalsHandled(EndByException()), new_folder(tmp_path / "folder") as folder:
        (folder / "file").touch()
        os.kill(os.getpid(), number)
    assert list(tmp_path.iterdir()) == []
    assert kind is KeyboardInterrupt or ended.value.code == 128 + number


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_does_not_disturb_what_the_first_has_begun_to_remove(number: int) -> None:
    removed = False
    with pytest.raises(KeyboardInterrupt), SignalsHandled(EndByException()):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            os.kill(os.getpid(), number)
            removed = True
    assert removed


@pytest.mark.parametrize("number", SIGNALS)
def test_a_study_hears_what_its_parent_does_not_ignore(number: int) -> None:
    with interrupts() as asked:
        os.kill(os.getpid(), number)
        assert asked() == 1
    signal.signal(number, signal.SIG_IGN)
    try:
        with interrupts() as asked:
            os.kill(os.getpid(), number)
            assert asked() == 0
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def test_who_asks_a_third_time_is_not_made_to_wait_for_a_call_that_never_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As of a server that is frozen; signals that come close together disturb no clean-up."""
    now = [100.0]
    monkeypatch.setattr("distune.tuning.coordinator.interrupts.time.monotonic", lambda: now[0])
    with interrupts() as asked:
        for _ in range(5):
            os.kill(os.getpid(), signal.SIGTERM)
        assert asked() == 5
        now[0] += PATIENCE_SECONDS
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.slow
def test_a_closed_stream_is_not_taken_by_the_next_file(tmp_path: Path) -> None:
    """A process, as the numbers of the first three files are those of the whole process."""
    code = (
        "import os; [os.close(number) for number in range(3)]; from distune.cli.output import "
        "open_closed_streams; open_closed_streams(); file = open('seen', 'w'); print(file.fileno(), file=file)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(SOURCE)}, check=True)
    assert int((tmp_path / "seen").read_text()) > 2


def _handled(number: int, frame: object) -> None:
    """As a program that uses the package may handle a signal."""


@pytest.mark.parametrize("handler", [signal.SIG_IGN, _handled], ids=["ignored", "handled"])  # nohup ignores
@pytest.mark.parametrize("ours", [end_at_once, EndByException()])
def test_a_signal_that_is_ignored_or_handled_stays_so(
    handler: signal.Handlers, ours: signal.Handlers
) -> None:
    before = signal.signal(signal.SIGHUP, handler)
    try:
        with SignalsHandled(ours):
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is handler and signal.getsignal(signal.SIGTERM) is ours
        assert signal.getsignal(signal.SIGHUP) is handler
    finally:
        signal.signal(signal.SIGHUP, before)


def test_ctrl_c_in_the_words_of_a_library_is_still_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    def imported() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise ImportError("the module could not be initialised")  # noqa: B904

    with pytest.raises(SystemExit) as ended, one_message():
        imported()
    assert ended.value.code == INTERRUPTED and capsys.readouterr() == ("", "interrupted\n")


def test_an_interrupt_waits_for_no_item_that_is_not_begun() -> None:
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        time.sleep(0.01)

    def stopped(step: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), progress_to(stopped):
        list(threaded(work, range(1000), threads=1, step="decoding"))
    assert len(begun) < 100


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_command_outlives_its_terminal(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """As one that a shell disowned: no signal ends it, and what it would show is lost."""
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as terminal, monkeypatch.context() as patch:
        for stream in ("stdout", "stderr"):
            patch.setattr(sys, stream, terminal if stream == name else io.StringIO())
        outlive_terminal()
        print("seen", file=getattr(sys, name))
        assert os.read(master, 100) == b"seen\r\n"
        os.close(master)
        for _ in range(2):
            print("unseen", file=getattr(sys, name))
            getattr(sys, name).flush()


def test_a_study_of_another_thread_catches_no_signal() -> None:
    def run() -> int:
        with interrupts() as asked:
            return asked()

    with ThreadPoolExecutor(1) as other:
        assert other.submit(run).result() == 0
