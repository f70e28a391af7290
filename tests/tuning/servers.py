"""Private database servers on loopback, each with a random port and a password, for tests and benchmarks."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import psutil
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

START_SECONDS = 60.0
START_ATTEMPTS = 3
_PR_SET_PDEATHSIG = 1


class NoServer(Exception):
    """The server is not installed here; the message says what to install. One that fails is another error."""


class Server(ABC):
    """A server in a folder of its own.

    Args:
        folder: empty, owned by the user that the server runs as.
    """

    driver: ClassVar[str]
    """The Python package that connects to it."""
    extra: ClassVar[str]
    """The extra of Distune that brings the driver."""
    stop_signal: ClassVar[signal.Signals]
    """Ends the server without waiting for its clients."""

    def __init__(self, folder: Path):
        if importlib.util.find_spec(self.driver) is None:
            raise NoServer(f"{self.driver} is not installed: pip install 'distune[{self.extra}]'")
        self.folder = folder
        self.password = secrets.token_hex(12)
        self.port = 0
        self._output = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._create()

    @property
    @abstractmethod
    def url(self) -> str:
        """The SQLAlchemy URL of its database, password included."""

    @property
    @abstractmethod
    def version(self) -> str:
        """The server's name and version."""

    @abstractmethod
    def _create(self) -> None:
        """Makes the data folder.

        Raises:
            NoServer: the server is not installed.
        """

    @abstractmethod
    def _command(self) -> list[str | Path]:
        """What starts the server on `port`."""

    def start(self) -> None:
        """Starts the server and waits until it answers; the first time on a port that nobody uses.

        Raises:
            RuntimeError: it does not start.
        """
        ports = [self.port] if self.port else [free_port() for _ in range(START_ATTEMPTS)]
        for self.port in ports:
            if self._starts():
                return
        raise RuntimeError(f"the server does not start: {self._output.read_text()[-500:]}")

    def stop(self) -> None:
        """Stops the server at once: all connections break and open transactions are rolled back."""
        if self._process is not None:
            self._process.send_signal(self.stop_signal)
            self._process.wait(timeout=30)
            self._process = None

    def freeze(self) -> None:
        """Stops the work of all its processes; their connections stay, and the system answers for them."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it work on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        main = psutil.Process(self._process.pid)
        for process in (main, *main.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # that of a connection which ended meanwhile
                process.send_signal(number)

    def _starts(self) -> bool:
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/",
                start_new_session=True, preexec_fn=self._end_with_parent, **as_user(),
            )  # fmt: skip
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None:
                self._process = None  # another process may have taken the port meanwhile
                return False
            if time.monotonic() > until:
                raise RuntimeError(f"the server does not answer: {self._output.read_text()[-500:]}")
            time.sleep(0.05)
        return True

    def _answers(self) -> bool:
        engine = create_engine(self.url)
        try:
            engine.connect().close()
        except OperationalError:
            return False
        finally:
            engine.dispose()
        return True

    def _end_with_parent(self) -> None:
        """On Linux the kernel stops the server with the test or benchmark that started it, however that ends."""
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, self.stop_signal)


@contextmanager
def running(kind: type[Server]) -> Iterator[Server]:
    """A server that runs until the block ends; nothing of it stays.

    Raises:
        NoServer: it is not installed.
        RuntimeError: it is, and does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"distune_{kind.__name__.lower()}_"))
    server = None
    try:
        own(folder)
        server = kind(folder)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def run(*command: str | Path) -> str:
    """Runs a server's program as the user that the server runs as, and returns what it prints.

    Raises:
        RuntimeError: it fails.
    """
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/", **as_user())
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or str(error)
        raise RuntimeError(f"{Path(command[0]).name} fails: {reason.strip()[-500:]}") from None
    return done.stdout.strip()


def as_user() -> dict[str, Any]:
    """Options of a process: the servers refuse to run as root, so root runs them as somebody else."""
    if os.geteuid() != 0:
        return {}
    user = _somebody()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def own(path: Path) -> None:
    """Gives a file to the user that the servers run as."""
    if os.geteuid() == 0:
        user = _somebody()
        os.chown(path, user.pw_uid, user.pw_gid)


def _somebody() -> pwd.struct_passwd:
    for name in ("postgres", "mysql", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoServer("the servers refuse to run as root, and there is no user postgres, mysql or nobody")


def free_port() -> int:
    """A port on loopback that nobody uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
