"""Signals that ask a command to end: none leaves a traceback, or a draft that nothing removes."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_BY_DEFAULT = (signal.SIG_DFL, signal.default_int_handler)


@contextmanager
def ends_at_once() -> Iterator[None]:
    """A signal ends the process in the middle of an import, where an exception would pass for a fault of the module."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        os._exit(128 + number)

    with _handled_by(end):
        yield


@contextmanager
def ends_by_exception() -> Iterator[None]:
    """A signal ends the process as an exception does, so that what was begun is removed or closed.

    By default that is so for Ctrl-C alone.
    """

    def end(number: int, _: FrameType | None) -> NoReturn:
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)

    with _handled_by(end):
        yield


@contextmanager
def _handled_by(handler: signal._HANDLER) -> Iterator[None]:
    """Handles the signals that nobody else does; one that is ignored, as by nohup, still is."""
    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in SIGNALS if is_main}
    ours = {number: known for number, known in before.items() if known in _BY_DEFAULT}
    for number in ours:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, known in ours.items():
            signal.signal(number, known)
