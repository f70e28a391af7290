"""How a command ends where a signal asks for it: no traceback, and no draft that nothing removes."""

from __future__ import annotations

import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

CLEANUP_SECONDS = 5.0
"""In which a second signal is not heard: it would leave what the first one has begun to remove."""


def end_at_once(number: int, _: FrameType | None) -> NoReturn:
    """Ends the process in the middle of an import, where an exception would pass for a fault of the module."""
    os._exit(128 + number)


class EndByException:
    """Ends the process so that what was begun is removed or closed; by default that is so for Ctrl-C alone."""

    _asked: float | None = None

    def __call__(self, number: int, _: FrameType | None) -> None:
        """The handler."""
        now = time.monotonic()
        if self._asked is not None and now - self._asked < CLEANUP_SECONDS:
            return
        self._asked = now
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)
