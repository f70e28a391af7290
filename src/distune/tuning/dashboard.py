"""optuna-dashboard on a copy of a study, on this machine only."""

from __future__ import annotations

import importlib.util
import re
import socket
import tempfile
from collections.abc import Iterable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIServer

from distune.errors import UserError
from distune.tuning.study.names import name_in
from distune.tuning.study.open_study import check_study_name
from distune.tuning.study.read_only import reading
from distune.tuning.study.storage import default_url
from distune.utils.arguments import check_number
from distune.utils.files.default_folders import STUDIES

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

HOST = "127.0.0.1"
NAMES = (HOST, "localhost", "[::1]")
"""What this machine calls itself; a port that is forwarded may be another one."""


class ThreadedServer(ThreadingMixIn, WSGIServer):
    """One that answers while a browser holds a connection open on which it asks for nothing."""

    daemon_threads = True


def open_dashboard(name: str, *, logs: Path = STUDIES, storage: str | None = None, port: int = 8080) -> None:
    """Serves optuna-dashboard until it is interrupted; what is changed in it changes the copy only.

    Args:
        name: of the study.
        logs: where studies live.
        storage: SQLAlchemy URL; empty is the study's SQLite file in `logs`.
        port: on 127.0.0.1.

    Raises:
        UserError: no such study, the port is in use, or optuna-dashboard is not installed.
    """
    check_number("port", port, least=1, most=65535, whole=True)
    if importlib.util.find_spec("optuna_dashboard") is None:
        raise UserError("the dashboard needs optuna-dashboard: pip install 'distune[dashboard]'")
    import bottle  # type: ignore[import-untyped]
    from optuna_dashboard import wsgi  # type: ignore[import-untyped]

    with socket.socket() as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            asked.bind((HOST, port))
        except OSError as error:
            raise UserError(
                f"port {port} of {HOST}: {error.strerror}; choose another one with --port"
            ) from None
    with tempfile.TemporaryDirectory(prefix="distune-dashboard-", ignore_cleanup_errors=True) as folder:
        copy = copy_study(name, Path(folder) / "copy.db", logs=logs, storage=storage)
        bottle.run(for_this_machine(wsgi(copy)), host=HOST, port=port, server_class=ThreadedServer)


def for_this_machine(application: WSGIApplication) -> WSGIApplication:
    """An application that answers those alone who ask for this machine by a name of its own.

    A page of the web may give its name this machine's address, and would be let read what lies under its name.
    """

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        name = re.sub(r":\d*$", "", str(environ.get("HTTP_HOST", "")))
        if name.lower() in NAMES:
            return application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
        return [f"ask for {HOST} or localhost\n".encode()]

    return guarded


def copy_study(name: str, target: Path, *, logs: Path = STUDIES, storage: str | None = None) -> str:
    """Copies a study, also while it runs, into an SQLite file of its own.

    Returns:
        The URL of the copy.

    Raises:
        UserError: there is no such study.
    """
    import optuna

    if storage is None:
        check_study_name(name)
    url = storage or default_url(logs, name)
    copy_url = f"sqlite:///{target.as_posix()}"
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would say the name of the copy as it stands
    with reading(url) as source:
        name_in(source, name, url)
        optuna.copy_study(from_study_name=name, from_storage=source, to_storage=copy_url)
    return copy_url
