"""Saying that a storage is waited for: a driver waits for a frozen server, or for a lock, without a word."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

QUIET_SECONDS = 3.0
"""Seconds after which it is said; most answers come within milliseconds."""
_CALLS = ("connect", "do_ping", "do_execute", "do_executemany", "do_execute_no_params", "do_commit")
_log = logging.getLogger(__name__)


class Watch:
    """Notes when the call of each thread began; a thread of its own says which ones last."""

    def __init__(self) -> None:
        self._calls: dict[int, tuple[float, str]] = {}
        self._thread = threading.Thread()
        # Never set: a wait that whoever replaces `time.sleep` leaves alone.
        self._pause = threading.Event()

    @contextmanager
    def __call__(self, shown: str) -> Iterator[None]:
        """Says it where the block lasts.

        Args:
            shown: the storage's URL without secrets.
        """
        caller = threading.get_ident()
        if caller in self._calls:  # part of a call that is watched
            yield
            return
        if not self._thread.is_alive():  # nor is it in a forked process
            self._thread = threading.Thread(target=self._run, name="distune-slow-answers", daemon=True)
            self._thread.start()
        self._calls[caller] = (time.monotonic(), shown)
        try:
            yield
        finally:
            del self._calls[caller]

    def _run(self) -> None:
        said: set[tuple[float, str]] = set()
        while True:
            self._pause.wait(QUIET_SECONDS / 3)
            late = time.monotonic() - QUIET_SECONDS
            lasting = {call for call in list(self._calls.values()) if call[0] < late}
            for _, shown in lasting - said:
                _log.warning(
                    "%s has not answered for %g s and is waited for: it may be frozen, out of reach, or locked by "
                    "another program",
                    shown, QUIET_SECONDS,
                )  # fmt: skip
            said = lasting


waiting_for = Watch()


def say_slow_answers(engine: Engine, shown: str) -> None:
    """Says when a call of an engine's driver lasts.

    Args:
        engine: of a storage.
        shown: its URL without secrets.
    """

    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def watching(*given: Any, **named: Any) -> Any:
            with waiting_for(shown):
                return call(*given, **named)

        return watching

    for name in _CALLS:
        setattr(engine.dialect, name, watched(getattr(engine.dialect, name)))
