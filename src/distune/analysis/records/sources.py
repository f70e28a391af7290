"""Opening a study by name, folder, file or URL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from distune.analysis.records.from_optuna import from_optuna
from distune.analysis.records.study_record import StudyRecord
from distune.errors import UserError
from distune.utils.files.default_folders import STUDIES
from distune.utils.files.paths import in_full

if TYPE_CHECKING:
    import optuna

_OF_A_STUDY = ("trials", "study.log", "best_config.yaml", "report.md")


def read_study(
    source: optuna.Study | StudyRecord | Path | str, storage: str | None = None, *, others: Sequence[str] = ()
) -> StudyRecord:
    """Reads a study from wherever it is.

    Args:
        source: an open study; a study's folder; its `.db` file; or its name, looked for under `logs/optuna`.
        storage: SQLAlchemy URL of the database that holds the study of that name.
        others: see `database_file`.

    Raises:
        UserError: there is no such study, or its storage cannot be opened.
    """
    if isinstance(source, StudyRecord):
        return source
    if not isinstance(source, Path | str):
        return from_optuna(source)
    if storage is not None:
        return _from_storage(storage, str(source), STUDIES / str(source))
    file = database_file(source, others)
    from distune.tuning.study.storage_url import sqlite_url

    return _from_storage(sqlite_url(file), file.stem, file.with_suffix(""), is_own_file=True)


def database_file(source: Path | str, others: Sequence[str] = ()) -> Path:
    """The SQLite file that a study's file, folder or name stands for.

    Args:
        source: file, folder or name.
        others: what it could have been besides a study, and is not; an error names them.

    Raises:
        UserError: there is none.
    """
    given = in_full(source)
    if not given.name.strip():  # nothing, blanks or the root
        raise UserError(f"study: {str(given)!r} names no study; give its name, its folder, or its .db file")
    beside = given.parent / f"{given.name}.db"
    candidates = [given, beside, STUDIES / f"{given}.db"]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    looked = ", ".join(dict.fromkeys(map(str, candidates[given.is_dir() :])))
    neither = f"it is no {', no '.join(others)}, and of a study " if others else ""
    if given.is_dir() and not any((given / name).exists() for name in _OF_A_STUDY):
        raise UserError(
            f"{given}: this folder is no {' and no '.join((*others, 'study'))}; of an exported bundle, give the run"
        )
    if given.is_dir():
        raise UserError(
            f"{'' if others else 'study '}{given}: {neither}its database is not beside this folder; looked for "
            f"{looked}. Put it there, or give the study's name, and the URL of the database that holds it with "
            "--storage"
        )
    what = " or ".join((*others, "study"))
    raise UserError(
        f"{what} {given}: there is no such {what}; looked for {looked}. Name its folder, or a study's .db file"
    )


def name_and_url(source: Path | str, storage: str | None = None) -> tuple[str, str]:
    """A study's name, and the URL of the database that holds it.

    Raises:
        UserError: there is no such file, or several studies in it and none of its name.
    """
    if storage is not None:
        return str(source), storage
    from distune.tuning.study.names import name_in
    from distune.tuning.study.read_only import reading
    from distune.tuning.study.storage_url import sqlite_url

    file = database_file(source)
    url = sqlite_url(file)
    with reading(url) as found:
        return name_in(found, file.stem, url, is_own_file=True), url


def _from_storage(url: str, name: str, folder: Path, *, is_own_file: bool = False) -> StudyRecord:
    import optuna

    from distune.tuning.study.names import name_in
    from distune.tuning.study.read_only import reading
    from distune.tuning.study.storage_url import redacted

    with reading(url) as storage:
        name, place = name_in(storage, name, url, is_own_file=is_own_file), redacted(url)
        beside = folder if folder.is_dir() else None
        record = from_optuna(optuna.load_study(study_name=name, storage=storage), beside, place)
        first = (record.teacher_study or {}).get("name")
        if first in optuna.get_all_study_names(storage=storage):
            teachers = optuna.load_study(study_name=first, storage=storage)
            record = replace(record, teacher_record=from_optuna(teachers, beside, place))
    return record
