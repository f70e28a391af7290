"""Ctrl-C and SIGTERM as requests that a loop answers when it can."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupts:
    """Counts the signals that ask for an end; a call answers how many there were."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self) -> int:
        """0 go on, 1 stop in order, 2 or more stop at once."""
        return self._count

    def hear(self, number: int, _: object) -> None:
        """Counts one, as a signal handler."""
        self._count += 1


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Turns Ctrl-C and SIGTERM into counts; outside the main thread nothing is caught."""
    heard = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield heard
        return
    before = {number: signal.signal(number, heard.hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
