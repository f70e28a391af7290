"""Ctrl-C, and other signals that ask for an end, as requests that a loop answers when it can."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from distune.utils.signals import SIGNALS

Interrupts = Callable[[], int]
"""How often an end was asked for: 0 continue, 1 stop at the next epoch, 2 or more stop now."""
PATIENCE_SECONDS = 5.0
"""How long after the second time a command may take to stop; whoever asks again then is not made to wait."""


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Counts the signals that ask for an end, but for those that are ignored, as by nohup.

    Outside the main thread nothing is caught.

    Raises:
        KeyboardInterrupt: asked for a third time, as where a server that is frozen keeps a call waiting for ever.
    """
    asked: list[float] = []

    def ask(*_: object) -> None:
        asked.append(time.monotonic())
        if len(asked) > 2 and asked[-1] - asked[1] >= PATIENCE_SECONDS:
            raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()
    # A handler of None is not Python's, and could not be put back.
    caught = [
        number for number in SIGNALS if is_main and signal.getsignal(number) not in (signal.SIG_IGN, None)
    ]
    before = {number: signal.signal(number, ask) for number in caught}
    try:
        yield lambda: len(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
