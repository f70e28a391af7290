"""Opening a study by name, folder, file or URL."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from distune.analysis.records.from_optuna import from_optuna
from distune.analysis.records.study_record import StudyRecord
from distune.errors import UserError
from distune.utils.default_folders import STUDIES

if TYPE_CHECKING:
    import optuna


def read_study(source: optuna.Study | StudyRecord | Path | str, storage: str | None = None) -> StudyRecord:
    """Reads a study from wherever it is.

    Args:
        source: an open study; a study's folder; its `.db` file; or its name, looked for under `logs/optuna`.
        storage: SQLAlchemy URL of the database that holds the study of that name.

    Raises:
        UserError: there is no such study, or its storage cannot be opened.
    """
    if isinstance(source, StudyRecord):
        return source
    if not isinstance(source, Path | str):
        return from_optuna(source)
    if storage is not None:
        folder = STUDIES / str(source)
        return _from_storage(storage, str(source), folder if folder.is_dir() else None)
    file = database_file(Path(source))
    from distune.tuning.study.storage_url import sqlite_url

    folder = file.with_suffix("")
    return _from_storage(sqlite_url(file), file.stem, folder if folder.is_dir() else None)


def database_file(given: Path) -> Path:
    """The SQLite file that a study's file, folder or name stands for.

    Raises:
        UserError: there is none.
    """
    if not given.name.strip():  # nothing, blanks, a dot or the root
        raise UserError(f"study: {str(given)!r} names no study; give its name, its folder, or its .db file")
    beside = given.parent / f"{given.name}.db"
    candidates = [given, beside, STUDIES / f"{given}.db"]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    looked = ", ".join(str(candidate) for candidate in candidates[1:])
    raise UserError(
        f"study {given}: there is no such study; looked for {looked}. Name its folder, or its .db file."
    )


def name_and_url(source: Path | str, storage: str | None = None) -> tuple[str, str]:
    """A study's name, and the URL of the database that holds it.

    Raises:
        UserError: there is no such file.
    """
    if storage is not None:
        return str(source), storage
    from distune.tuning.study.storage_url import sqlite_url

    file = database_file(Path(source))
    return file.stem, sqlite_url(file)


def _from_storage(url: str, name: str, folder: Path | None) -> StudyRecord:
    import optuna

    from distune.tuning.study.read_only import reading
    from distune.tuning.study.storage_url import redacted

    with reading(url) as storage:
        names = optuna.get_all_study_names(storage=storage)
        if name not in names and len(names) == 1:
            name = names[0]
        if name not in names:
            raise UserError(f"{redacted(url)} holds no study {name}; it holds {', '.join(names) or 'none'}")
        record = from_optuna(optuna.load_study(study_name=name, storage=storage), folder, redacted(url))
        first = (record.teacher_study or {}).get("name")
        if first in names:
            teachers = optuna.load_study(study_name=first, storage=storage)
            record = replace(record, teacher_record=from_optuna(teachers, folder, redacted(url)))
    return record
