"""Reading a study without changing its database: what only looks at a study leaves every byte as it was."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distune.errors import UserError, is_of_the_machine
from distune.tuning.study.slow_answers import say_slow_answers
from distune.tuning.study.storage import (
    LOCK_SECONDS_OF_READERS,
    begin_sessions,
    check_whole,
    engine_options,
    is_not_found,
    lock_limit,
    of_the_disk,
    open_engine,
    parse_url,
    reason,
    with_tables,
)
from distune.tuning.study.storage_url import redacted, sqlite_file
from distune.utils.files.paths import check_is_file
from distune.utils.text import listed

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from sqlalchemy.engine import Engine

COPY_ATTEMPTS = 20
_TABLES = {
    "studies": {"study_id", "study_name"},
    "trials": {"trial_id", "study_id"},
    "version_info": {"version_info_id", "schema_version"},
}
"""Tables of every version of Optuna, each with columns by which it is told from another program's of that name."""
_READ_ONLY = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    **dict.fromkeys(("mysql", "mariadb"), "SET SESSION TRANSACTION READ ONLY"),
}


class NoStudiesError(UserError):
    """There is no such database yet, or no study's tables in it: `tune` may make its study there."""


class ChangesTooFastError(UserError):
    """An SQLite file that is written to all the time."""


@contextmanager
def reading(url: str) -> Iterator[RDBStorage]:
    """A storage to read from; the database, and for SQLite its folder, stay byte for byte as they are.

    An SQLite file is copied and the copy is read: SQLite itself makes files beside a database that it only reads.
    A server is asked for sessions that cannot write.

    Args:
        url: SQLAlchemy URL.

    Raises:
        UserError: no such file or server, or a database that holds no studies of Optuna.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite":
        with _opened(url, url) as storage:
            yield storage
        return
    with tempfile.TemporaryDirectory(prefix="distune-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "copy.db"
        copy_sqlite(sqlite_file(parsed), copy)
        with _opened(f"sqlite:///{copy.as_posix()}", url, copy) as storage:
            yield storage


def copy_sqlite(database: Path, target: Path) -> None:
    """Copies an SQLite file as it stands, also while others write to it.

    The file and its write-ahead log are one state only together, so both are copied again where either changed
    in the meantime.

    Raises:
        UserError: there is no such file, or it changes too fast to be copied.
    """
    try:
        check_is_file(database)  # a device would be copied until the disk is full
    except FileNotFoundError:
        raise NoStudiesError(f"storage: there is no file {database}") from None
    except OSError as error:
        if is_of_the_machine(error):
            raise
        raise UserError(
            f"storage: {database} cannot be read: {error.strerror}; name an SQLite file"
        ) from None
    log = database.with_name(f"{database.name}-wal")
    for _ in range(COPY_ATTEMPTS):
        before = _stamps(database, log)
        if before[0] is None:
            raise NoStudiesError(f"storage: there is no file {database}")
        try:
            shutil.copyfile(database, target)
            if before[1] is not None:
                shutil.copyfile(log, target.with_name(f"{target.name}-wal"))
        except FileNotFoundError:  # the log went away: its last writer closed the database
            continue
        if _stamps(database, log) == before:
            return
    raise ChangesTooFastError(
        f"storage: {database} changes too fast to be read; try again when fewer trials end at once"
    )


def _stamps(*paths: Path) -> tuple[tuple[int, int] | None, ...]:
    """Size and time of change of each file; None where there is none."""
    stamps: list[tuple[int, int] | None] = []
    for path in paths:
        try:
            about = path.stat()
        except FileNotFoundError:
            stamps.append(None)
        else:
            stamps.append((about.st_size, about.st_mtime_ns))
    return tuple(stamps)


@contextmanager
def _opened(url: str, shown: str, copy: Path | None = None) -> Iterator[RDBStorage]:
    from sqlalchemy import create_engine

    parsed = parse_url(url)
    options = engine_options(parsed, LOCK_SECONDS_OF_READERS)

    with open_engine(shown, copy):
        probe = create_engine(parsed, **options)
        limit = lock_limit(parsed, LOCK_SECONDS_OF_READERS)
        begin_sessions(probe, limit)
        _check_tables(probe, shown)
        check_whole(probe, shown)
        kind_of_storage = _readable(shown, copy)
        storage = with_tables(lambda: kind_of_storage(url, engine_kwargs=options, skip_table_creation=True))
    say_slow_answers(storage.engine, redacted(shown))
    kind = parsed.get_backend_name()
    if kind in _READ_ONLY:
        begin_sessions(storage.engine, (*limit, _READ_ONLY[kind]))
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _readable(shown: str, copy: Path | None) -> type[RDBStorage]:
    """A storage whose reading calls name the database, or the disk that fails, where they cannot be carried out.

    A damaged page or value is met only where it is read, and then the driver, SQLAlchemy or Optuna raise anything.
    """
    from distune.tuning.study.fast_storage import FastReadingStorage

    def naming(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(*given: Any, **named: Any) -> Any:
            try:
                return method(*given, **named)
            except Exception as error:
                if isinstance(error, UserError) or is_not_found(error):
                    raise
                if copy and (fault := of_the_disk(error.__cause__ or error, copy)):
                    raise fault from error
                raise UserError(
                    f"storage {redacted(shown)} cannot be read: {reason(error, shown)}"
                ) from error

        return call

    reads = [name for name in dir(FastReadingStorage) if name.startswith("get_") or name == "_get_trials"]
    return type("Readable", (FastReadingStorage,), {n: naming(getattr(FastReadingStorage, n)) for n in reads})


def _check_tables(engine: Engine, shown: str) -> None:
    """Optuna would create what is missing, so it is not asked before the tables are seen."""
    from optuna.storages._rdb.models import BaseModel
    from sqlalchemy import inspect

    own = {*BaseModel.metadata.tables, "alembic_version"}
    try:
        looked_at = inspect(engine)
        if views := own.intersection(looked_at.get_view_names()):  # one may compute without end
            raise UserError(
                f"{redacted(shown)} is no database of Optuna: {listed(sorted(views))} is a view there"
            )
        there = set(looked_at.get_table_names())
        for table in sorted(there & _TABLES.keys()):
            if not _TABLES[table] <= {column["name"] for column in looked_at.get_columns(table)}:
                raise UserError(f"{redacted(shown)} is no database of Optuna: {table} is another table there")
        # A database that is being made has this table before its row, which Optuna would add.
        if "version_info" in there:
            with engine.connect() as connection:
                row = connection.exec_driver_sql("SELECT 1 FROM version_info").first()
            there -= set() if row else {"version_info"}
    finally:
        engine.dispose()
    if missing := [table for table in _TABLES if table not in there]:
        # A file of another program is not Distune's to work on; on a server, several programs may share a database.
        is_anothers = engine.name == "sqlite" and there - own
        kind = UserError if is_anothers else NoStudiesError
        raise kind(f"{redacted(shown)} holds no studies: it lacks Optuna's tables {', '.join(missing)}")
