"""Where a study is kept: an SQL database that only coordinators open."""

from __future__ import annotations

import errno
import logging
import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from distune.errors import UserError, is_disk_full
from distune.tuning.study.storage_url import (
    has_bare_at,
    hide_secrets,
    missing_driver,
    redacted,
    sqlite_file,
    sqlite_url,
)

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from sqlalchemy.engine import URL, Engine

Result = TypeVar("Result")
_log = logging.getLogger(__name__)
_BEING_CREATED = re.compile(r"already exists|duplicate key|database is locked|no such table", re.I)
_DAMAGED = re.compile(r"malformed|not a database|no such (table|column)", re.I)
CREATION_ATTEMPTS = 10
OUTAGE_LIMIT = 600.0
"""Seconds that a coordinator waits for a storage that does not answer."""
PARTING_SECONDS = 3.0
"""Seconds that it waits once it was asked to end."""
FULL_SECONDS = 30.0
"""Seconds that it waits where the storage's disk is full; only its owner can free some space."""
CONNECT_SECONDS = 10
"""Seconds that one attempt to reach a server may take; the operating system would try for minutes."""
_DRIVERS_WITH_CONNECT_TIMEOUT = ("psycopg", "psycopg2", "pymysql", "mysqldb")


def default_url(logs: Path, study: str) -> str:
    """The SQLite file of a study."""
    return sqlite_url(logs / f"{study}.db")


def open_storage(url: str) -> RDBStorage:
    """Opens a storage and creates its tables where they are missing; to look only, use `read_only.reading`.

    Args:
        url: SQLAlchemy URL: `sqlite:///FILE`, `postgresql+psycopg://...`, `mysql+pymysql://...`.

    Raises:
        UserError: not a URL, no driver, no server.
    """
    from sqlalchemy import event

    from distune.tuning.study.fast_storage import FastReadingStorage

    parsed = parse_url(url)
    file = sqlite_file(parsed) if parsed.get_backend_name() == "sqlite" else None
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    with open_engine(url):
        options = engine_options(parsed)
        storage = _with_tables(lambda: FastReadingStorage(url, engine_kwargs=options))
    if file is not None:
        event.listen(storage.engine, "connect", _write_ahead)
        storage.engine.dispose()
        check = _SameFile(file)
        event.listen(storage.engine, "do_connect", check)  # which would make a new file
        event.listen(storage.engine, "checkout", check)
    return storage


def parse_url(url: str) -> URL:
    """The parts of a storage's URL.

    Raises:
        UserError: not a URL, a bare @ in its password, or a database in memory, which no other process sees.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        parsed = make_url(url)
        parsed.get_dialect()  # there is none of http or redis, nor a driver of any name
    except (NoSuchModuleError, ImportError) as error:
        raise UserError(f"storage {redacted(url)} cannot be opened: {error}") from None
    except (ArgumentError, ValueError):
        raise UserError(
            f"storage: {redacted(url)}; write it like sqlite:///study.db or postgresql+psycopg://host/name"
        ) from None
    if has_bare_at(url):
        raise UserError(f"storage {redacted(url)}: its password holds an @; write it as %40")
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise UserError(f"storage: {url} is a database in memory, which ends with its process; name a file")
    return parsed


@contextmanager
def open_engine(url: str) -> Iterator[None]:
    """Turns what SQLAlchemy and Optuna raise while they open a storage into one sentence.

    Raises:
        UserError: no driver, no server, or no database.
    """
    from alembic.util.exc import CommandError
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    database = (SQLAlchemyError, StorageInternalError, CommandError)
    try:
        yield
    except (*database, ImportError, RuntimeError, LookupError, ValueError) as error:
        raise UserError(f"storage {redacted(url)} cannot be opened: {reason(error, url)}") from None


def engine_options(url: URL) -> dict[str, Any]:
    """How SQLAlchemy connects to a storage: how long a lock or a server is waited for in one attempt.

    Args:
        url: of the storage; its own `connect_timeout` stands.
    """
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": 60}}
    driver = url.get_driver_name()
    connect: dict[str, Any] = {}
    if driver in _DRIVERS_WITH_CONNECT_TIMEOUT and "connect_timeout" not in url.query:
        connect["connect_timeout"] = CONNECT_SECONDS
    if driver == "pymysql" and url.password:
        connect["password"] = url.password.encode()  # it would encode text as Latin-1; servers take UTF-8
    options: dict[str, Any] = {"pool_pre_ping": True, "connect_args": connect}
    if url.get_backend_name() in ("mysql", "mariadb"):
        # As PostgreSQL does by itself. MySQL repeats what a transaction read first, and MariaDB since 11.6 refuses
        # to write what another coordinator changed since then.
        options["isolation_level"] = "READ COMMITTED"
    return options


@contextmanager
def opened(url: str) -> Iterator[RDBStorage]:
    """A storage that is closed at the end, so that SQLite leaves a single file."""
    storage = open_storage(url)
    try:
        yield storage
    finally:
        storage.remove_session()
        _leave_write_ahead(storage.engine)
        storage.engine.dispose()


def _with_tables(make: Callable[[], RDBStorage]) -> RDBStorage:
    """Opens a storage; where several coordinators create its tables at once, all but one have to look again."""
    from sqlalchemy.exc import IntegrityError, SQLAlchemyError

    for _ in range(CREATION_ATTEMPTS - 1):
        try:
            return make()
        except SQLAlchemyError as error:
            if not (isinstance(error, IntegrityError) or _BEING_CREATED.search(str(error))):
                raise
            time.sleep(0.2)
    return make()


def reason(error: BaseException, url: str) -> str:
    """Why a storage cannot be used, in one line without its secrets."""
    cause = error.__cause__ or error
    if isinstance(cause, ImportError):
        return missing_driver(url, cause)
    said = str(cause).splitlines() or [type(cause).__name__]  # an assertion of a library says nothing
    return hide_secrets(said[0], url)


def _said(error: BaseException) -> str:
    """The kind of a database's error and its first line, without addresses, which servers may put in later ones."""
    original = getattr(error, "orig", None)
    kind = type(error).__name__
    if original is None or not type(original).__module__.startswith("sqlite3"):
        return kind
    return f"{kind}: {str(original).splitlines()[0] if str(original) else ''}"


def is_not_found(error: Exception) -> bool:
    """Whether Optuna says that there is no such study or trial; a damaged value may raise a `KeyError` as well."""
    from optuna.storages._rdb.models import NOT_FOUND_MSG

    return isinstance(error, KeyError) and error.args == (NOT_FOUND_MSG,)


class _SameFile:
    """Checks that an SQLite file is still the one that was opened; what is written into a deleted one is lost.

    Args:
        file: exists.
    """

    def __init__(self, file: Path):
        self._file = file
        self._was = self._identity()

    def __call__(self, *_: object) -> None:
        """Called before a connection is made, or used.

        Raises:
            UserError: the file was deleted, or another one lies in its place.
        """
        if self._identity() != self._was:
            raise UserError(
                f"storage: {self._file} was deleted or replaced by another file while this command worked on it; put "
                "the file back, and the same command resumes its study. The run folders of its trials are kept"
            )

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino


def _write_ahead(connection: Any, _: object) -> None:
    """Readers do not stop the writer, and a commit waits for no disk; a killed process loses nothing."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _leave_write_ahead(engine: Engine) -> None:
    """A finished study is one plain file, which also a read-only disk can hold; not while others have it open."""
    from sqlalchemy.exc import OperationalError

    if engine.name == "sqlite":
        with suppress(OperationalError), engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=0")
            connection.exec_driver_sql("PRAGMA journal_mode=DELETE")


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
            OSError: the storage's disk is full, and stays so.
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
                began = self._clock() if began is None else began
                is_full = is_disk_full(getattr(error.__cause__ or error, "orig", None) or error)
                if self._clock() - began >= min(self._seconds(), FULL_SECONDS if is_full else math.inf):
                    self._limit = 0.0
                    if is_full:
                        raise OSError(errno.ENOSPC, f"the storage's disk is full ({cause})") from error
                    raise UserError(
                        f"the storage does not answer ({cause}); what was not written is resumed from its run folder "
                        "when the same command runs again"
                    ) from error
                _log.warning("storage does not answer (%s); trying again in %.2g s", cause, pause)
                self._sleep(pause)
                pause = min(2 * pause, 5.0)

    def _seconds(self) -> float:
        asked = self._interrupted()
        return min(self._limit, (self._limit, PARTING_SECONDS, 0.0)[min(asked, 2)])
