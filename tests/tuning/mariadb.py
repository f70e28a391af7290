"""A private MariaDB server."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from servers import NoServer, Server, own, run

AS_NEWER_VERSIONS = ("--character-set-server=utf8mb4", "--loose-innodb-snapshot-isolation=ON")
"""What MariaDB 11.6 and later do by themselves, so that the version here matters less."""


class MariaDB(Server):
    """MariaDB with a database `distune` and a user who may do everything in it."""

    driver = "pymysql"
    extra = "mysql"
    stop_signal = signal.SIGTERM

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of its database, password included."""
        return f"mysql+pymysql://distune:{self.password}@127.0.0.1:{self.port}/distune"

    @property
    def version(self) -> str:
        """The server's name and version."""
        return "MariaDB " + run(find_program("mariadbd"), "--version").partition("Ver ")[2]

    def _create(self) -> None:
        self._data, self._statements = self.folder / "data", self.folder / "statements.sql"
        find_program("my_print_defaults")  # mariadb-install-db calls it, and Debian packs it with the client
        run(
            find_program("mariadb-install-db"), "--no-defaults", f"--datadir={self._data}", "--skip-test-db",
            "--skip-name-resolve",
        )  # fmt: skip
        user = "distune@127.0.0.1"
        self._statements.write_text(
            "CREATE DATABASE IF NOT EXISTS distune;\n"
            f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL ON distune.* TO {user};\n"
        )
        own(self._statements)

    def _command(self) -> list[str | Path]:
        return [
            find_program("mariadbd"), "--no-defaults", f"--datadir={self._data}", f"--port={self.port}",
            "--bind-address=127.0.0.1", "--skip-name-resolve", f"--socket={self.folder / 'socket'}",
            f"--pid-file={self.folder / 'pid'}", f"--init-file={self._statements}",
            "--innodb-flush-log-at-trx-commit=2", *AS_NEWER_VERSIONS,
        ]  # fmt: skip


def find_program(name: str) -> str:
    """A program of the server; Debian keeps the server itself where only root's PATH looks."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    if found is None:
        raise NoServer("no MariaDB: apt-get install mariadb-server-core mariadb-client-core")
    return found
