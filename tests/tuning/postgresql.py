"""A private PostgreSQL server."""

from __future__ import annotations

import importlib.util
import shutil
import signal
from pathlib import Path

from servers import NoServer, Server, own, run


class PostgreSQL(Server):
    """PostgreSQL with a superuser `distune`."""

    driver = "psycopg"
    extra = "postgresql"
    stop_signal = signal.SIGINT

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of its database, password included."""
        return f"postgresql+psycopg://distune:{self.password}@127.0.0.1:{self.port}/postgres"

    @property
    def version(self) -> str:
        """The server's name and version."""
        return run(self._programs / "postgres", "--version")

    def _create(self) -> None:
        self._programs, self._data = find_programs(), self.folder / "data"
        secret = self.folder / "password"
        secret.write_text(self.password)
        own(secret)
        run(
            self._programs / "initdb", "-D", self._data, "--username=distune", f"--pwfile={secret}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip

    def _command(self) -> list[str | Path]:
        return [
            self._programs / "postgres", "-D", self._data, "-p", str(self.port),
            "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "unix_socket_directories=",
        ]  # fmt: skip


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
    raise NoServer("no PostgreSQL: apt-get install postgresql, or pip install pgserver")
