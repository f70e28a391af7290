"""The connection to a Ray cluster, and whether it lasts."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from distune.errors import UserError
from distune.utils.text import one_line

LOOK_SECONDS = 3.0
"""Between two looks."""
GONE_SECONDS = 40.0
"""How long a head may be out of reach, as where it starts again. Ray's own limit is 60, and an end takes seconds."""
RESUMED = "once it runs again, or at once where it is a private one, the same command resumes"
_HOST_AND_PORT = re.compile(r"[^/]+:[^/]+$")


def connect(address: str, cores: int) -> tuple[Any, bool]:
    """The ray library, connected, and whether this call has connected it.

    Args:
        address: of the cluster; "local" is a private one.
        cores: of a private one.

    Raises:
        UserError: Ray is not installed, or there is no such cluster.
    """
    is_private = address == "local"
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if is_private:  # read when ray is imported: a private cluster stays on loopback
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    with own_signals():
        try:
            import ray
        except ModuleNotFoundError:
            raise UserError("executor ray: Ray is not installed; pip install 'distune[ray]'") from None
        if ray.is_initialized():
            return ray, False
        options: dict[str, Any] = {"num_cpus": cores, "include_dashboard": False} if is_private else {}
        try:
            if _HOST_AND_PORT.match(address):
                reach(address)  # Ray itself would try for minutes
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)
        except Exception as error:  # a bare one where a cluster does not start in time
            advice = (
                _where_it_starts()
                if is_private
                else "give --ray-address HOST:PORT of a running one, or local"
            )
            raise UserError(f"ray: no cluster at {address} ({one_line(error)}); {advice}") from None
    return ray, True


def _where_it_starts() -> str:
    """Why a private cluster may not start: Ray does not say that the disk of its temporary files is full."""
    folder = Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or tempfile.gettempdir())
    with suppress(OSError):
        return f"its logs are in {folder / 'ray'}, on a disk with {shutil.disk_usage(folder).free / 1e6:,.0f} MB left"
    return f"its folder of temporary files, {folder}, cannot be used"


@contextmanager
def own_signals() -> Iterator[None]:
    """Keeps the caller's handler of SIGTERM, which Ray replaces by an exit."""
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, before)


class Head:
    """Looks after a cluster's head by a connection of its own: Ray ends whoever misses it for a minute, without a word.

    Args:
        ray: the library, connected.
        clock: seconds, never going back.
    """

    def __init__(self, ray: Any, clock: Callable[[], float] = time.monotonic):
        # A client of a proxy ("ray://...") has no address of the head; that connection reports its own end.
        self._address: str = getattr(ray.get_runtime_context(), "gcs_address", "")
        self._clock = clock
        self._looked = clock()
        self._gone: float | None = None

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
            self._gone = None
            return
        # Since the first look that failed: while a storage that does not answer is waited for, none is taken.
        self._gone = now if self._gone is None else self._gone
        if now - self._gone > GONE_SECONDS:
            raise UserError(
                f"ray: the head of the cluster, {self._address}, was out of reach for {GONE_SECONDS:g} s; {RESUMED}"
            )


def reach(address: str) -> None:
    """Connects to an address, and closes the connection.

    Args:
        address: "HOST:PORT".

    Raises:
        OSError: nothing listens there.
        ValueError, OverflowError: the host or the port is none.
    """
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=LOOK_SECONDS).close()
