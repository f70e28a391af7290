"""Waiting while a study's database does not answer."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Callable
from typing import TypeVar

from distune.errors import UserError, is_disk_fault, no_room
from distune.tuning.study.storage import is_not_found

Result = TypeVar("Result")
_log = logging.getLogger(__name__)
_DAMAGED = re.compile(r"malformed|not a database|no such (table|column)", re.I)
_REFUSED = re.compile(r"read-?only|InsufficientPrivilege", re.I)
_OF_MYSQL_CLIENTS = range(2000, 3000)
_WITHOUT_ADDRESS = re.compile(r".*failed: (?:FATAL: +)?(.+)|.*\[Errno -?\d+\] ([^)]+)")
"""What a server of PostgreSQL, or the system, says within what a driver says of a connection."""
OPENING_LIMIT = 30.0
"""Seconds that a study is waited for when it is opened: nothing has begun yet that could be lost."""
OUTAGE_LIMIT = 600.0
"""Seconds that a coordinator waits for a storage that does not answer."""
PARTING_SECONDS = 3.0
"""Seconds that it waits once it was asked to end."""
FULL_SECONDS = 30.0
"""Seconds that it waits where the storage's disk is full; only its owner can free some space."""


class StorageRetry:
    """Repeats a call on the storage while the database does not answer.

    Args:
        limit: seconds after the first failure at which it is given up.
        sleep: waits some seconds.
        clock: seconds, never going back; an attempt may take long, too.
        interrupted: how often the user asked for an end; once leaves a few seconds, twice none.
    """

    def __init__(
        self,
        limit: float = OUTAGE_LIMIT,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        interrupted: Callable[[], int] = lambda: 0,
    ):
        self._limit = limit
        self._sleep = sleep
        self._clock = clock
        self._interrupted = interrupted

    def __call__(self, call: Callable[[], Result]) -> Result:
        """Calls until it works; the call must be one that may be repeated.

        Raises:
            UserError: the storage is damaged, lacks its study, refuses a value, or does not answer in time; every
                later call is tried once.
            OSError: the storage's disk is full, or fails, and stays so.
        """
        from optuna.exceptions import StorageInternalError
        from sqlalchemy.exc import DatabaseError, DataError, InterfaceError, OperationalError

        from distune.tuning.study.fast_storage import DamagedValueError

        # From the first failure, not from the call: a call that takes long and works is no outage.
        began: float | None = None
        pause = 0.25
        while True:
            try:
                return call()
            except KeyError as error:
                if not is_not_found(error):
                    raise
                raise UserError(
                    "the study, or a trial of it, was deleted from its storage while this command worked on it; the "
                    "run folders of its trials are kept"
                ) from error
            except DamagedValueError as error:
                raise UserError(
                    f"the storage is damaged (a trial cannot be read: {error}); restore its file from a copy, or "
                    "begin another study"
                ) from error
            except (StorageInternalError, DatabaseError, InterfaceError) as error:
                cause = _said(error.__cause__ or error)
                if isinstance(error.__cause__, DataError):  # MySQL's attributes end at 64 KiB
                    raise UserError(f"the storage refuses a value: {error.__cause__.orig}") from error
                if _DAMAGED.search(cause):
                    raise UserError(
                        f"the storage is damaged ({cause}); restore its file from a copy, or begin another study"
                    ) from error
                if not isinstance(error, StorageInternalError | OperationalError | InterfaceError):
                    raise
                fault = "cannot be written" if _REFUSED.search(cause) else "does not answer"
                began = self._clock() if began is None else began
                original = getattr(error.__cause__ or error, "orig", None) or error
                full = no_room(original)
                if self._clock() - began >= min(self._seconds(), FULL_SECONDS if full else math.inf):
                    self._limit = 0.0
                    if full:
                        raise OSError(full, f"no room ({cause})", "the study's storage") from error
                    if is_disk_fault(original):
                        raise original from error
                    raise UserError(
                        f"the storage {fault} ({cause}); what was not written is resumed from its run folder "
                        "when the same command runs again"
                    ) from error
                _log.warning("storage %s (%s); trying again in %.2g s", fault, cause, pause)
                self._sleep(pause)
                pause = min(2 * pause, 5.0)

    def _seconds(self) -> float:
        asked = self._interrupted()
        return min(self._limit, (self._limit, PARTING_SECONDS, 0.0)[min(asked, 2)])


def _said(error: BaseException) -> str:
    """The kind of a database's error and what it says, without addresses, which drivers put in what they say."""
    original = getattr(error, "orig", None)
    kind = type(error).__name__
    if original is None:
        return kind
    if isinstance(original, OSError):
        return f"{kind}: {original.strerror}"
    match original.args:
        case (int(code), str(said)) if code >= 1000 and code not in _OF_MYSQL_CLIENTS:  # by a server of MySQL
            return f"{kind}: {said}"
    if type(original).__module__.startswith("sqlite3"):
        return f"{kind}: {str(original).splitlines()[0] if str(original) else ''}"
    inner, found = type(original).__name__, _WITHOUT_ADDRESS.match(str(original))
    by_server = getattr(getattr(original, "diag", None), "message_primary", None)
    words = found[found.lastindex or 0] if found else by_server
    return ": ".join(part for part in (kind, inner * (inner != kind), words) if part)
