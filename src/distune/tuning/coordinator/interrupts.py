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
        """0 continue, 1 stop at the next epoch, 2 or more stop now."""
        return self._count

    def handler(self, number: int, _: object) -> None:
        """Counts one, as a signal handler."""
        self._count += 1


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Turns Ctrl-C and SIGTERM into counts; outside the main thread nothing is caught."""
    counted = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield counted
        return
    before = {number: signal.signal(number, counted.handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield counted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
