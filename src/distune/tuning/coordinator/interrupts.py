"""Ctrl-C, and other signals that ask for an end, as requests that a loop answers when it can."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from distune.utils.signals import SIGNALS

Interrupts = Callable[[], int]
"""How often an end was asked for: 0 continue, 1 stop at the next epoch, 2 or more stop now."""


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Counts the signals that ask for an end, but for those that are ignored, as by nohup.

    Outside the main thread nothing is caught.
    """
    asked: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()
    # A handler of None is not Python's, and could not be put back.
    caught = [
        number for number in SIGNALS if is_main and signal.getsignal(number) not in (signal.SIG_IGN, None)
    ]
    before = {number: signal.signal(number, lambda each, _: asked.append(each)) for number in caught}
    try:
        yield lambda: len(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
