"""Progress of long work in plain lines: what is done, how fast, and when it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

FIRST_SECONDS = 2.0
"""Work that is done sooner says nothing."""
EVERY_SECONDS = 5.0


Progress = Callable[[str, int, int], None]
"""Takes note of what is done, how many items of it, and of how many."""
_listener: ContextVar[Progress | None] = ContextVar("listener", default=None)


@contextmanager
def progress_to(listener: Progress) -> Iterator[None]:
    """Within the block, `report_progress` calls the listener; elsewhere, as in a library's call, it says nothing."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def report_progress(step: str, done: int, total: int) -> None:
    """Shows the user what is done, as `ProgressLines` takes it."""
    if (listener := _listener.get()) is not None:
        listener(step, done, total)


class ProgressLines:
    """Says a line now and then while work lasts.

    Args:
        say: shows a line.
        clock: seconds, never going back.

    Example:
        >>> lines = ProgressLines(print, clock=iter([0.0, 10.0]).__next__)
        >>> lines("encoding images", 0, 400)
        >>> lines("encoding images", 100, 400)
        encoding images: 100 of 400, 10/s, ends in 30 s
    """

    def __init__(self, say: Callable[[str], object], clock: Callable[[], float] = time.monotonic):
        self._say = say
        self._clock = clock
        self._step = ""
        self._began = self._said = 0.0
        self._from = self._done = 0

    def __call__(self, step: str, done: int, total: int) -> None:
        """Takes note of progress.

        Args:
            step: what is done, such as "encoding images"; another one begins where it changes.
            done: items so far; what an earlier process did counts for no rate.
            total: items in all.
        """
        if step == self._step and done == self._done:
            return
        now = self._clock()
        if step != self._step or done < self._done:  # the same step of another model begins again
            self._step, self._began, self._said, self._from = step, now, now - EVERY_SECONDS, done
        self._done = done
        if now - self._began < FIRST_SECONDS or (now - self._said < EVERY_SECONDS and done < total):
            return
        self._said = now
        rate = (done - self._from) / (now - self._began)
        ends = f", ends in {duration((total - done) / rate)}" if rate > 0 and done < total else ""
        self._say(f"{step}: {done:,} of {total:,}, {rate:.3g}/s{ends}")


def duration(seconds: float) -> str:
    """Seconds as a person says them: 30 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
