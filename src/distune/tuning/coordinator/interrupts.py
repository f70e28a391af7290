"""Ctrl-C and SIGTERM as requests that a loop answers when it can."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Interrupts = Callable[[], int]
"""How often an end was asked for: 0 continue, 1 stop at the next epoch, 2 or more stop now."""


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Counts the signals that ask for an end; outside the main thread nothing is caught."""
    asked: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()
    caught = (signal.SIGINT, signal.SIGTERM) if is_main else ()
    before = {number: signal.signal(number, lambda each, _: asked.append(each)) for number in caught}
    try:
        yield lambda: len(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
