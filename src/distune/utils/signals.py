"""Signals that ask a process to end, and their handlers within a block.

What this module imports is imported before any signal is handled, so it is as little as can be.
"""

from __future__ import annotations

import signal

SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGXCPU,  # the two after it are what batch systems warn with
    signal.SIGUSR1,
    signal.SIGUSR2,
)
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
