"""Where a study is kept: an SQL database that only coordinators open."""

from __future__ import annotations

import errno
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distune.errors import UserError, is_disk_fault, is_of_the_machine, no_room
from distune.tuning.study.slow_answers import say_slow_answers, waiting_for
from distune.tuning.study.storage_url import (
    has_bare_at,
    hide_secrets,
    missing_driver,
    redacted,
    sqlite_file,
    sqlite_url,
)
from distune.utils.files.paths import naming
from distune.utils.text import one_line

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from sqlalchemy.engine import URL, Engine, ExceptionContext
    from sqlalchemy.exc import OperationalError

_BEING_CREATED = re.compile(r"already exists|duplicate key|database is locked|no such table", re.I)
CREATION_ATTEMPTS = 10
CONNECT_SECONDS = 10
"""Seconds that one attempt to reach a server may take; the operating system would try for minutes."""
LOCK_SECONDS, LOCK_SECONDS_OF_READERS = 60, 10
"""Seconds that one attempt waits for what another program has locked; PostgreSQL would wait for ever, MySQL a year."""
_FAILED = "disk I/O error"
_UNEXPLAINED = re.compile(f"unable to open database file|{_FAILED}")
_UNREAD = re.compile(f"database disk image is malformed|unable to get the page|{_FAILED}")
"""What SQLite says, too, of a page that the disk does not give."""
_MORE = 2**16
"""Bytes that SQLite may add at once, and that are read at once."""
_OF_SQLITE = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL")
"""Readers do not stop the writer, and a commit waits for no disk; a killed process loses nothing."""
_DRIVERS_WITH_CONNECT_TIMEOUT = ("psycopg", "psycopg2", "pymysql", "mysqldb")
_DRIVERS_WITH_READ_TIMEOUT = ("pymysql", "mysqldb")


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
    with open_engine(url, file):
        options = engine_options(parsed)
        storage = with_tables(lambda: FastReadingStorage(url, engine_kwargs=options))
        check_whole(storage.engine, url)
    say_slow_answers(storage.engine, redacted(url))
    begin_sessions(storage.engine, _OF_SQLITE if file is not None else lock_limit(parsed, LOCK_SECONDS))
    if file is not None:
        check = _SameFile(file)
        event.listen(storage.engine, "do_connect", check)  # which would make a new file
        event.listen(storage.engine, "checkout", check)
        event.listen(storage.engine, "handle_error", lambda about: _with_its_reason(about, file))
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
        parsed.get_dialect().import_dbapi()  # there is none of http or redis, nor a driver of any name
    except NoSuchModuleError as error:
        raise UserError(f"storage {redacted(url)} cannot be opened: {error}") from None
    except ImportError as error:
        raise UserError(f"storage {redacted(url)} cannot be opened: {missing_driver(url, error)}") from None
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
def open_engine(url: str, file: Path | None = None) -> Iterator[None]:
    """Turns what SQLAlchemy and Optuna raise while they open a storage into one sentence.

    Args:
        url: of the storage.
        file: of SQLite, which may be made.

    Raises:
        UserError: no driver, no server, or no database.
        OSError: the disk is full, or fails.
    """
    from alembic.util.exc import CommandError
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    database = (SQLAlchemyError, StorageInternalError, CommandError)
    try:
        with waiting_for(redacted(url)):
            yield
    except (*database, ImportError, RuntimeError, LookupError, ValueError) as error:
        if is_of_the_machine(error):
            raise
        found = (file and of_the_disk(error.__cause__ or error, file)) or error.__cause__ or error
        if number := no_room(found):
            raise OSError(number, "no space for the storage", str(file or redacted(url))) from None
        if is_disk_fault(found):
            raise found from None
        raise UserError(f"storage {redacted(url)} cannot be opened: {reason(error, url)}") from None


def engine_options(url: URL, lock_seconds: int = LOCK_SECONDS) -> dict[str, Any]:
    """How SQLAlchemy connects to a storage: how long a lock or a server is waited for in one attempt.

    Args:
        url: of the storage; its own `connect_timeout` stands.
        lock_seconds: how long a lock is waited for.
    """
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": lock_seconds}}
    driver = url.get_driver_name()
    connect: dict[str, Any] = {}
    if driver in _DRIVERS_WITH_CONNECT_TIMEOUT and "connect_timeout" not in url.query:
        connect["connect_timeout"] = CONNECT_SECONDS
    if driver in _DRIVERS_WITH_READ_TIMEOUT:
        # A server that is frozen answers nothing, also to who connects; one that waits for a lock answers in time.
        limits = {name for name in ("read_timeout", "write_timeout") if name not in url.query}
        connect |= dict.fromkeys(limits, 2 * lock_seconds)
    if driver == "pymysql" and url.password:
        connect["password"] = url.password.encode()  # it would encode text as Latin-1; servers take UTF-8
    options: dict[str, Any] = {"pool_pre_ping": True, "connect_args": connect}
    if url.get_backend_name() in ("mysql", "mariadb"):
        # As PostgreSQL does by itself. MySQL repeats what a transaction read first, and MariaDB since 11.6 refuses
        # to write what another coordinator changed since then.
        options["isolation_level"] = "READ COMMITTED"
    return options


def lock_limit(url: URL, seconds: int) -> tuple[str, ...]:
    """What a connection to a server begins with, so that it waits no longer for a lock; nothing for SQLite."""
    kind = url.get_backend_name()
    if kind == "postgresql":
        return (f"SET lock_timeout = '{seconds}s'",)
    return (f"SET SESSION lock_wait_timeout = {seconds}",) if kind in ("mysql", "mariadb") else ()


def begin_sessions(engine: Engine, statements: Sequence[str]) -> None:
    """Lets every connection of an engine begin with some statements, also those that it has made."""
    from sqlalchemy import event

    def begin(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        for statement in statements:
            engine.dialect.do_execute_no_params(cursor, statement)
        cursor.close()
        engine.dialect.do_commit(connection)

    event.listen(engine, "connect", begin)
    engine.dispose()


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


def check_whole(engine: Engine, shown: str) -> None:
    """Looks through an SQLite database: a damaged page can read as an empty table, a damaged index hides rows.

    Args:
        engine: of the database; of a server nothing is looked at.
        shown: its URL.

    Raises:
        UserError: a page is damaged.
        OSError: the disk fails to give one.
    """
    if engine.name != "sqlite":
        return
    with engine.connect() as connection:
        found = str(connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar())
    engine.dispose()
    if found != "ok":
        if fault := of_the_disk(UserError(found), sqlite_file(engine.url)):
            raise fault
        raise UserError(
            f"storage {redacted(shown)} is damaged ({one_line(found)}); restore its file from a copy, or begin another "
            "study. The run folders of its trials are kept"
        )


def with_tables(make: Callable[[], RDBStorage]) -> RDBStorage:
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


def is_not_found(error: Exception) -> bool:
    """Whether Optuna says that there is no such study or trial; a damaged value may raise a `KeyError` as well."""
    from optuna.storages._rdb.models import NOT_FOUND_MSG

    return isinstance(error, KeyError) and error.args == (NOT_FOUND_MSG,)


class _SameFile:
    """Checks that an SQLite file is still the one that was opened, and whole; what is written into another is lost.

    Args:
        file: exists.
    """

    def __init__(self, file: Path):
        self._file = file
        self._was, self._bytes = self._found()

    def __call__(self, *_: object) -> None:
        """Called before a connection is made, or used.

        Raises:
            UserError: the file was deleted or cut, or another one lies in its place.
        """
        known = self._bytes  # read first: another thread may note a later, larger size meanwhile
        was, size = self._found()
        if was != self._was:
            raise UserError(
                f"storage: {self._file} was deleted or replaced by another file while this command worked on it; put "
                f"the file back, and the same command resumes its study; remove {self._file.name}-wal before another "
                "one takes its place. The run folders of its trials are kept"
            )
        # SQLite itself notices that where it misses a page, and never where it writes one.
        if size < known:
            raise UserError(
                f"storage: {self._file} became smaller while this command worked on it ({size:,} of {known:,} "
                "bytes): it is damaged, put a copy back, or another program compacted it; then the same command "
                "resumes its study. The run folders of its trials are kept"
            )
        self._bytes = size

    def _found(self) -> tuple[tuple[int, int] | None, int]:
        """Which file it is, and its size in bytes."""
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return None, 0
        return (found.st_dev, found.st_ino), found.st_size


def _with_its_reason(about: ExceptionContext, file: Path) -> OperationalError | None:
    from sqlalchemy.exc import OperationalError

    found = of_the_disk(about.original_exception, file)
    return None if found is None else OperationalError(about.statement, None, found)


def of_the_disk(error: BaseException, file: Path) -> OSError | None:
    """Why SQLite could not read its database, or make or write a file beside it: it says nothing of the disk itself."""
    said = str(error)
    try:
        if _UNREAD.search(said) and file.exists():
            with naming(file), file.open("rb") as stream:
                while stream.read(_MORE):
                    pass
        if _UNEXPLAINED.search(said):
            beside = (file, file.with_name(f"{file.name}-wal"))
            with tempfile.TemporaryFile(dir=file.parent) as probe:
                probe.truncate(
                    _MORE + max((each.stat().st_size for each in beside if each.exists()), default=0)
                )
    except OSError as found:
        return found
    return OSError(errno.EIO, os.strerror(errno.EIO), str(file)) if _FAILED in said else None


def _leave_write_ahead(engine: Engine) -> None:
    """A finished study is one plain file, which also a read-only disk can hold; not while others have it open."""
    from sqlalchemy.exc import DatabaseError

    if engine.name == "sqlite":  # what is wrong with the file has been said before
        with suppress(DatabaseError, UserError), engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=0")
            connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
