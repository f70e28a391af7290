"""The URL of a storage: shown without its secrets, and the driver that it needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_SECRET_WORDS = re.compile(r"pass|pwd|secret|token|key|credential|auth", re.I)
_SECRET_PART = re.compile(r"(?:pwd|password)\s*=\s*([^;\s]+)", re.I)
_PASSWORD = re.compile(r"(://[^:/@]*:)([^@]*(?:@[^?]*)?)@")
"""Up to the last @ before the query, as people write it; SQLAlchemy ends it at the first."""
_TESTED = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mysql+pymysql"}
"""How the URLs begin that Distune is tested with, by kind of server; what precedes the + is also the extra's name."""


def sqlite_url(file: Path) -> str:
    """The URL of an SQLite file, whatever its name holds.

    SQLAlchemy 2.1 decodes percent signs in a path and 2.0 does not; in both a question mark ends it. So the path is
    written as it is where that is read back, else with its special characters encoded, else as an SQLite URI.
    """
    from sqlalchemy.engine import make_url

    path = file.as_posix()
    for url in (f"sqlite:///{path}", f"sqlite:///{quote(path)}"):
        if make_url(url).database == path and not make_url(url).query:
            return url
    return f"sqlite:///file:{quote(path)}?uri=true"


def sqlite_file(url: URL) -> Path:
    """The file of an SQLite URL."""
    database = str(url.database)
    is_uri = database.startswith("file:") and "uri" in url.query
    return Path(unquote(database.removeprefix("file:")) if is_uri else database)


def url_in_full(url: str | None) -> str | None:
    """A URL that leads to the same SQLite file from any working folder; another one, or none, as it is."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    if url is None or not url.startswith("sqlite"):
        return url
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # refused where it is opened
        return url
    if (
        parsed.database in (None, "", ":memory:")
        or "uri" in parsed.query
        or sqlite_file(parsed).is_absolute()
    ):
        return url
    whole = make_url(sqlite_url(sqlite_file(parsed).absolute())).update_query_dict(dict(parsed.query))
    return whole.set(drivername=parsed.drivername).render_as_string(hide_password=False)


def redacted(url: str) -> str:
    """A storage URL without its password and without secrets in its query."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(_PASSWORD.sub(r"\1***@", url, count=1))
    except (ArgumentError, ValueError):
        return "(not a database URL)"
    query = {
        key: tuple("REDACTED" if _is_secret(key, value) else value for value in values)
        for key, values in parsed.normalized_query.items()
    }
    return parsed.set(query=query).render_as_string(hide_password=True)


def hide_secrets(text: str, url: str) -> str:
    """A message of a library without the secrets of a storage URL."""
    from sqlalchemy.engine import make_url

    parsed, written = make_url(url), _PASSWORD.search(url)
    query = [(key, value) for key, values in parsed.normalized_query.items() for value in values]
    hidden = [value for key, value in query if _is_secret(key, value)]
    within = [part for value in hidden for part in _SECRET_PART.findall(value)]
    text = text.replace(url, redacted(url))
    for secret in (parsed.password, written and written.group(2), *hidden, *within):
        if isinstance(secret, str) and secret:
            text = text.replace(secret, "***")
    return text


def has_bare_at(url: str) -> bool:
    """Whether a password holds an @ as it is, at which SQLAlchemy would end it."""
    written = _PASSWORD.search(url)
    return written is not None and "@" in written.group(2)


def missing_driver(url: str, error: ImportError) -> str:
    """Says that a storage's driver is not installed, and what to write and install instead."""
    from sqlalchemy.engine import make_url

    given = make_url(url)
    message = f"its driver is not installed ({error})"
    tested = _TESTED.get(given.get_backend_name())
    if tested is None:
        return message
    extra, driver = tested.split("+")
    write = "" if given.get_driver_name() == driver else f"write {tested}://... and "
    return f"{message}; {write}pip install 'distune[{extra}]'"


def _is_secret(key: str, value: str) -> bool:
    """Whether a part of a URL's query is one, or holds one as `odbc_connect` and `dsn` do."""
    return bool(_SECRET_WORDS.search(key) or _SECRET_PART.search(value))
