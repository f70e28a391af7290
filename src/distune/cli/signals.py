"""Signals that ask a command to end: none leaves a traceback, or a draft that nothing removes.

What this module imports is imported before any signal is handled, so it is as little as can be.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_BY_DEFAULT = (signal.SIG_DFL, signal.default_int_handler)


class SignalsHandled:
    """Within the block, signals with their default handler get this one; one that is ignored, as by nohup, stays so.

    Args:
        handler: of all of them.
    """

    def __init__(self, handler: signal._HANDLER):
        self._handler = handler
        self._before: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> None:
        known = {number: signal.getsignal(number) for number in SIGNALS}
        for number, handler in known.items():
            if handler in _BY_DEFAULT:
                try:
                    signal.signal(number, self._handler)
                except ValueError:  # not the main thread: signals are not for it
                    return
                self._before[number] = handler

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def end_at_once(number: int, _: FrameType | None) -> NoReturn:
    """Ends the process in the middle of an import, where an exception would pass for a fault of the module."""
    os._exit(128 + number)


def end_by_exception(number: int, _: FrameType | None) -> NoReturn:
    """Ends the process so that what was begun is removed or closed; by default that is so for Ctrl-C alone."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)
