"""A private PostgreSQL server on loopback, with a random port and a password, for tests and benchmarks."""

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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START_SECONDS = 60.0
START_ATTEMPTS = 3
_PR_SET_PDEATHSIG = 1


class NoPostgreSQL(Exception):
    """PostgreSQL is not installed here; the message says what to install. One that fails is another error."""


class Server:
    """A server in a folder of its own.

    Args:
        folder: empty, owned by the user that the server runs as.
        programs: holds `initdb` and `postgres`.
    """

    def __init__(self, folder: Path, programs: Path):
        self._data = folder / "data"
        self._output = folder / "server.log"
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None
        self.password = secrets.token_hex(12)
        self.port = 0
        secret = folder / "password"
        secret.write_text(self.password)
        own(secret)
        self._run(
            "initdb", "--username=distune", f"--pwfile={secret}", "--auth=scram-sha-256",
            "--encoding=UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of its database, password included."""
        return f"postgresql+psycopg://distune:{self.password}@127.0.0.1:{self.port}/postgres"

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

    def _starts(self) -> bool:
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    self._programs / "postgres", "-D", self._data, "-p", str(self.port),
                    "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "unix_socket_directories=",
                ],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/",
                start_new_session=True, preexec_fn=_end_with_parent, **as_user(),
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

    def stop(self) -> None:
        """Stops the server at once: all connections break and open transactions are rolled back."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=30)
            self._process = None

    def _answers(self) -> bool:
        import psycopg

        plain = self.url.replace("+psycopg", "")
        try:
            psycopg.connect(plain).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        try:
            subprocess.run(
                [self._programs / program, "-D", self._data, *arguments],
                check=True, capture_output=True, text=True, cwd="/", **as_user(),
            )  # fmt: skip
        except (OSError, subprocess.CalledProcessError) as error:
            reason = getattr(error, "stderr", None) or str(error)
            raise RuntimeError(f"{program} fails: {reason.strip()[-500:]}") from None


@contextmanager
def running_server() -> Iterator[Server]:
    """A server that runs until the block ends; nothing of it stays.

    Raises:
        NoPostgreSQL: it is not installed.
        RuntimeError: it is, and does not start.
    """
    if importlib.util.find_spec("psycopg") is None:
        raise NoPostgreSQL("psycopg is not installed: pip install 'distune[postgresql]'")
    folder = Path(tempfile.mkdtemp(prefix="distune_postgresql_"))
    server = None
    try:
        own(folder)
        server = Server(folder, find_programs())
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def find_programs() -> Path:
    """The folder of `postgres`: on the PATH, of Debian's package, or of the package pgserver from PyPI."""
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if debian:
        return debian[-1].parent
    spec = importlib.util.find_spec("pgserver")
    if spec is not None and spec.origin:
        bundled = Path(spec.origin).parent / "pginstall" / "bin"
        if (bundled / "postgres").exists():
            return bundled
    raise NoPostgreSQL("no PostgreSQL: apt-get install postgresql, or pip install pgserver")


def as_user() -> dict[str, Any]:
    """Options of a process: PostgreSQL refuses to run as root, so root runs it as somebody else."""
    if os.geteuid() != 0:
        return {}
    user = _somebody()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def own(path: Path) -> None:
    """Gives a file to the user that the server runs as."""
    if os.geteuid() == 0:
        user = _somebody()
        os.chown(path, user.pw_uid, user.pw_gid)


def _somebody() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoPostgreSQL("PostgreSQL refuses to run as root, and there is no user postgres or nobody")


def _end_with_parent() -> None:
    """On Linux the kernel stops the server with the test or benchmark that started it, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def free_port() -> int:
    """A port on loopback that nobody uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
