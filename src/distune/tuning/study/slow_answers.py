"""Saying that a storage is waited for: a driver waits for a frozen server, or for a lock, without a word.

One that stays silent is given up: PostgreSQL's drivers have no limit of their own, and what TCP can tell ends at the
system of a server, which answers for a process that is frozen.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

QUIET_SECONDS = 3.0
"""Seconds after which it is said; most answers come within milliseconds."""
FROZEN_SECONDS = 120.0
"""Seconds after which a server counts as frozen; who waits for a lock is answered in half the time."""
_CALLS = (
    "connect", "do_ping", "do_execute", "do_executemany", "do_execute_no_params", "do_commit", "do_rollback",
)  # fmt: skip
_log = logging.getLogger(__name__)


class Watch:
    """Notes when the call of each thread began; a thread of its own says which ones last, and ends the frozen ones."""

    def __init__(self) -> None:
        self._calls: dict[tuple[int, int], tuple[float, str, Any]] = {}
        self._ends = threading.Lock()
        self._thread = threading.Thread()
        # Never set: a wait that whoever replaces `time.sleep` leaves alone.
        self._pause = threading.Event()

    @contextmanager
    def __call__(self, shown: str, connection: Any = None) -> Iterator[None]:
        """Says it where the block lasts.

        Args:
            shown: the storage's URL without secrets.
            connection: of a driver; it is ended where the server seems frozen, and the block raises the driver's error.
        """
        caller = os.getpid(), threading.get_ident()  # a forked process has its parent's connections
        if caller in self._calls:  # part of a call that is watched
            yield
            return
        if not self._thread.is_alive():  # nor is it in a forked process
            self._thread = threading.Thread(target=self._run, name="distune-slow-answers", daemon=True)
            self._thread.start()
        self._calls[caller] = (time.monotonic(), shown, connection)
        try:
            yield
        finally:
            with self._ends:
                del self._calls[caller]

    def _run(self) -> None:
        said: set[tuple[float, str]] = set()
        while True:
            self._pause.wait(QUIET_SECONDS / 3)
            now = time.monotonic()
            with self._ends:  # so that no connection is ended that its call has left
                calls = [call for (process, _), call in list(self._calls.items()) if process == os.getpid()]
                for began, _, connection in calls:
                    if began < now - FROZEN_SECONDS:
                        _end(connection)
            lasting = {(began, shown) for began, shown, _ in calls if began < now - QUIET_SECONDS}
            for _, shown in lasting - said:
                _log.warning(
                    "%s has not answered for %g s and is waited for: it may be frozen, out of reach, or locked by "
                    "another program",
                    shown, QUIET_SECONDS,
                )  # fmt: skip
            said = lasting


def _end(connection: Any) -> None:
    """Lets the driver that waits for an answer find that there is none; for drivers that show their socket."""
    with suppress(Exception):  # one without a socket, or closed meanwhile
        ended = socket.socket(fileno=connection.fileno())
        try:
            ended.shutdown(socket.SHUT_RDWR)
        finally:
            ended.detach()  # the driver closes it


waiting_for = Watch()


def say_slow_answers(engine: Engine, shown: str) -> None:
    """Says when a call of an engine's driver lasts, and gives it up where the server seems frozen.

    Args:
        engine: of a storage.
        shown: its URL without secrets.
    """

    def watched(name: str) -> Callable[..., Any]:
        call, is_of_cursor = getattr(engine.dialect, name), name.startswith("do_execute")

        @wraps(call)
        def watching(*given: Any, **named: Any) -> Any:
            first: Any = next(iter(given), None)  # a connection, or a cursor, which need not show its own
            with waiting_for(shown, getattr(first, "connection", None) if is_of_cursor else first):
                return call(*given, **named)

        return watching

    for name in _CALLS:
        setattr(engine.dialect, name, watched(name))
