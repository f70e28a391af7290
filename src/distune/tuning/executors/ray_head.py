"""Whether the head of a Ray cluster can be reached: Ray ends whoever misses it for a minute, without a word."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from distune.errors import UserError

LOOK_SECONDS = 3.0
"""Between two looks."""
GONE_SECONDS = 40.0
"""How long it may be out of reach, as where it starts again. Ray's own limit is 60, and an end takes seconds."""
RESUMED = "once it runs again, or at once where it is a private one, the same command resumes the study"


class Head:
    """Looks after a cluster's head by a connection of its own: a call of Ray's would wait for it until the end.

    Args:
        ray: the library, connected.
        clock: seconds, never going back.
    """

    def __init__(self, ray: Any, clock: Callable[[], float] = time.monotonic):
        # A client of a proxy ("ray://...") is told no address; that connection reports its own end.
        self._address: str = getattr(ray.get_runtime_context(), "gcs_address", "")
        self._clock = clock
        self._looked = self._answered = clock()

    def answers(self) -> bool:
        """Whether it can be reached now."""
        with suppress(OSError):
            if self._address:
                reach(self._address)
            return True
        return False

    def check(self) -> None:
        """Looks where that is due.

        Raises:
            UserError: it has been out of reach for too long.
        """
        now = self._clock()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        if self.answers():
            self._answered = now
        elif now - self._answered > GONE_SECONDS:
            raise UserError(
                f"ray: the head of the cluster, {self._address}, was out of reach for {GONE_SECONDS:g} s; {RESUMED}"
            )


def reach(address: str) -> None:
    """Connects to an address, and closes the connection.

    Args:
        address: "HOST:PORT".

    Raises:
        OSError: nobody answers there.
        ValueError, OverflowError: the host or the port is none.
    """
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=LOOK_SECONDS).close()
