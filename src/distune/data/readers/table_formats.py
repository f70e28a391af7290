"""Rows of a table file: CSV in any common separator and encoding, JSON lines, or parquet."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

from distune.data.readers.problems import Fault
from distune.errors import is_of_the_machine
from distune.utils.files.csv_files import of_any_length
from distune.utils.files.json_files import parse_json
from distune.utils.files.paths import check_is_file, read_file
from distune.utils.text import NOT_UNICODE, is_unicode, one_line

SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet")
"""The table files that can be read, by the end of their names."""
UNICODE_SUFFIXES = (".jsonl", ".ndjson", ".parquet")
"""Those whose format fixes the encoding."""
LIST_JOINT = ";"
"""What joins the values of a list, in formats that have them, into one cell."""
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_BYTE_ORDER_MARKS = (  # the longer ones first: that of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OF_ANOTHER_FORM = (
    (b"PK\x03\x04", "a ZIP archive, as Excel's .xlsx is"),
    (b"\xd0\xcf\x11\xe0", "a workbook of an older Excel"),
    (b"PAR1\x15", "a parquet file"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"%PDF-", "a PDF"),
    (b"{\\rtf", "a document (RTF)"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"<?xml", "XML"),
)
"""How files begin that are often saved or sent under the name of a CSV; longer than the name of a column could be."""
DOUBT = "where letters look wrong"
"""Begins what a note says of an encoding that is a guess."""
_AS_CSV = "save it with commas between the cells, and every quote in a quoted cell twice"
_SAMPLE = 1 << 16
_SAMPLE_ROWS = 50

LOST_LISTS = (
    "holds empty lists, or values with semicolons; write the word for no label, or null where none is known"
)
"""What is wrong with a column of labels that cells cannot hold."""


class TableError(Exception):
    """A file that is no table.

    Args:
        reason: what is wrong with it.
        row: where, counted from 1; None where that is not known.
    """

    def __init__(self, reason: str, row: int | None = None):
        super().__init__(reason)
        self.row = row


@dataclass(frozen=True)
class TableFile:
    """An open table.

    Attributes:
        header: names of the columns.
        rows: row number, counted from 1 with the header as row 1, and the cells as text; rows without anything in them
            are left out. A row may have more or fewer cells than the header, see `row_fault`. Raises `TableError`.
        form: how the file was read, in words, such as `separated by semicolons, in Windows-1252`; empty where that is
            usual.
        is_guess: whether its encoding is one of many that would fit.
        lists: columns of which a cell held a list, whose values semicolons join, as far as the rows are read; and
            whether that loses what it says: a value has a semicolon of its own, or there is none.
    """

    header: list[str]
    rows: Iterator[tuple[int, list[str]]]
    form: str = ""
    is_guess: bool = False
    lists: dict[str, bool] = field(default_factory=dict)

    @property
    def lost(self) -> list[str]:
        """The columns of lists that no cell can hold, as far as the rows are read."""
        return [name for name, is_lost in self.lists.items() if is_lost]

    def said(self, remedy: str) -> str:
        """The form, and what to do where the guess is wrong."""
        return f"{self.form} ({DOUBT}, {remedy})" if self.is_guess else self.form


def open_table(
    path: Path, wanted: Sequence[str] = (), encoding: str | None = None, *, likely: str | None = None
) -> TableFile:
    """Opens a table, whatever its form.

    Args:
        path: the file; the end of its name says which form it has.
        wanted: columns that it should have; they decide between separators.
        encoding: of CSV; None finds it out.
        likely: what an encoding that is found out is where it is not UTF-8; None takes Windows-1252.

    Raises:
        TableError: the file is empty, or cannot be read as what its name says.
        FileNotFoundError: there is no such file.
    """
    try:
        suffix = path.suffix.lower()
        if encoding is not None and suffix in UNICODE_SUFFIXES:
            raise TableError(
                f"the encoding {encoding!r} is of CSV alone, and this file has its own; leave it out"
            )
        if suffix in (".jsonl", ".ndjson"):
            table = _json_lines(path)
        elif suffix == ".parquet":
            table = _parquet(path)
        else:
            table = _delimited(path, wanted, encoding, likely)
    except FileNotFoundError:
        raise
    except OSError as error:
        if is_of_the_machine(error):
            raise
        raise TableError(f"not readable: {error.strerror or error}") from None
    for name in table.header:
        if not is_unicode(name):
            raise TableError(f"column {name!r}: {NOT_UNICODE}", 1)
    return table


def row_fault(header: Sequence[str], cells: Sequence[str]) -> Fault | None:
    """What is wrong with a row of a table whatever its columns mean; None where nothing is."""
    if len(cells) != len(header):
        return Fault("too many or too few fields", f"{len(cells)} where the header has {len(header)}")
    row = "".join(cells)
    if is_unicode(row) and "\0" not in row:
        return None
    column, cell = next(
        (name, cell) for name, cell in zip(header, cells, strict=True) if not is_unicode(cell) or "\0" in cell
    )
    # A CSV of it could not be read again.
    return Fault("a null character" if is_unicode(cell) else NOT_UNICODE, f"column {column!r}")


def decoded(content: bytes, encoding: str | None = None, likely: str | None = None) -> tuple[str, str]:
    """Bytes -> text, and the name of the encoding: by its mark, else UTF-8 where that fits, else the likely one.

    Raises:
        TableError: the bytes are no text, or not in the given encoding.
    """
    if encoding is not None:
        try:
            return content.decode(encoding).lstrip("\ufeff"), encoding  # a mark is no letter
        except (ValueError, LookupError) as error:
            raise TableError(f"not readable in {encoding!r} (data.encoding, --encoding): {error}") from None
    marked = next((name for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark)), None)
    for name in (marked,) if marked else _candidates(content, likely):
        try:
            text = content.decode(name)
        except (ValueError, LookupError):
            continue
        if "\0" not in text:
            return text.lstrip("\ufeff"), name  # what two programs marked
    raise TableError("not a text file; save it as CSV in UTF-8")


def _candidates(content: bytes, likely: str | None) -> tuple[str, ...]:
    start = content[:_SAMPLE]
    if start.count(0) > len(start) // 4:  # Latin letters in UTF-16 are every other byte zero
        utf_16 = "utf-16-le" if start[1::2].count(0) > start[::2].count(0) else "utf-16-be"
        return (utf_16,) if likely is None else (likely, utf_16)
    if likely is None:
        return ("utf-8", "cp1252", "latin-1")
    # Some encodings, such as ISO-2022-JP, are plain ASCII in bytes; UTF-16 without a zero is not.
    return (likely, "utf-8") if content.isascii() and _extends_ascii(likely) else ("utf-8", likely)


def _extends_ascii(encoding: str) -> bool:
    try:
        return b"a".decode(encoding) == "a"
    except (ValueError, LookupError):
        return False


def _delimited(path: Path, wanted: Sequence[str], encoding: str | None, likely: str | None) -> TableFile:
    content = read_file(path)
    start = content[:_SAMPLE].removeprefix(codecs.BOM_UTF8).lstrip()
    for sign, what in _OF_ANOTHER_FORM:
        if start[: len(sign)].lower() == sign.lower():
            raise TableError(f"not a table but {what}; save the table as CSV in UTF-8")
    text, name = decoded(content, encoding, likely)
    separator, skipped = _separator(text, wanted)
    rows = _csv_rows(text, separator, skipped)
    _, header = next(rows, (0, None))
    if header is None:
        raise TableError("the file is empty; its first row must name the columns", 1)
    forms = [] if separator == "," else [f"separated by {SEPARATORS[separator]}"]
    if name not in ("utf-8", "utf-8-sig"):
        forms.append(f"in {_ENCODING_NAMES.get(name, name)}")
    is_guess = name in ("cp1252", "latin-1") if encoding is None else _may_be_utf_8(content, text)
    return TableFile(header, rows, ", ".join(forms), is_guess)


def _may_be_utf_8(content: bytes, text: str) -> bool:
    """Whether a file whose text was read in the encoding that is asked for looks like one of another text in UTF-8."""
    try:
        return not content.isascii() and content.decode("utf-8-sig") != text
    except UnicodeDecodeError:
        return False


_ENCODING_NAMES = {
    "cp1252": "Windows-1252",
    "latin-1": "Latin-1",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32": "UTF-32",
}


def _csv_rows(text: str, separator: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    row = 0
    try:
        lines = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
        for row, cells in enumerate(of_any_length(lines), start=1):
            if row > skipped and any(cells):
                yield row, cells
    except csv.Error as error:
        raise TableError(f"not readable as CSV: {error}; {_AS_CSV}", row + 1) from None


def _separator(text: str, wanted: Sequence[str]) -> tuple[str, int]:
    """The separator, and how many rows before the header only name it, as Excel's `sep=;` does."""
    first = text[: text.find("\n") + 1].rstrip("\r\n").strip('"')
    if len(first) == 5 and first.lower().startswith("sep=") and first[4] in SEPARATORS:
        return first[4], 1
    sample = text[:_SAMPLE]
    # The separators in their order of likelihood, so that a tie goes to the comma.
    return max(SEPARATORS, key=lambda separator: _fit(sample, separator, wanted)), 0


def _fit(sample: str, separator: str, wanted: Sequence[str]) -> tuple[int, float, int]:
    """How well a separator fits: wanted columns found, rows as wide as the header, columns."""
    try:
        lines = of_any_length(csv.reader(StringIO(sample, newline=""), delimiter=separator))
        rows = [cells for cells in islice(lines, _SAMPLE_ROWS) if any(cells)]
    except csv.Error:
        return (0, 0.0, 0)
    if not rows:
        return (0, 0.0, 0)
    header, body = rows[0], rows[1:-1] or rows[1:]  # the last one may be cut
    alike = sum(len(cells) == len(header) for cells in body) / max(1, len(body))
    return (sum(name in header for name in wanted), alike if len(header) > 1 else 0.0, len(header))


def _json_lines(path: Path) -> TableFile:
    try:
        text = read_file(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(f"not readable as UTF-8: {error}") from None
    records: list[tuple[int, dict[str, Any]]] = []
    for row, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = parse_json(line, any_text=True)
        except ValueError as error:
            raise TableError(f"not JSON: {error}", row) from None
        if not isinstance(record, dict):
            raise TableError(
                f"a row is a JSON object, not {type(record).__name__}; write one object a line", row
            )
        records.append((row, record))
    if not records:
        raise TableError("the file is empty; each line is one JSON object", 1)
    header = list(dict.fromkeys(key for _, record in records for key in record))
    lists: dict[str, bool] = {}
    rows = ((row, _cells(header, [record.get(name) for name in header], lists)) for row, record in records)
    return TableFile(header, rows, "as JSON lines", lists=lists)


def _parquet(path: Path) -> TableFile:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ModuleNotFoundError:
        raise TableError("parquet files need pyarrow: pip install 'distune[parquet]'") from None
    try:
        check_is_file(path)
        with path.open("rb"):  # an error of the system, not of pyarrow
            pass
        file = ParquetFile(path)
        header = list(file.schema_arrow.names)
    except ArrowException as error:
        raise TableError(f"not readable as parquet: {error}") from None

    lists: dict[str, bool] = {}

    def rows() -> Iterator[tuple[int, list[str]]]:
        row = 1
        try:
            for batch in file.iter_batches():
                columns = [_values(*named) for named in zip(header, batch.columns, strict=True)]
                for values in zip(*columns, strict=True):
                    row += 1
                    yield row, _cells(header, values, lists)
        except (ArrowException, OSError) as error:  # of a page that is damaged, too
            if is_of_the_machine(error):
                raise
            raise TableError(f"not readable as parquet: {one_line(error)}", row) from None

    return TableFile(header, rows(), "as parquet", lists=lists)


def _values(name: str, column: Any) -> list[Any]:
    try:
        return list(column.to_pylist())
    except (OverflowError, ValueError) as error:  # such as a date of the year 10,000
        raise TableError(
            f"column {name!r} holds what Python has no value for: {one_line(error, 100)}"
        ) from None


def _cells(header: Sequence[str], values: Sequence[Any], lists: dict[str, bool]) -> list[str]:
    """The values of a row as CSV would hold them; notes columns of lists, see `TableFile`."""
    for name, value in zip(header, values, strict=True):
        if isinstance(value, list) and len(value) != 1:
            is_lost = not value or any(LIST_JOINT in _cell(part) for part in value)
            lists[name] = lists.get(name, False) or is_lost
    return [_cell(value) for value in values]


def _cell(value: Any) -> str:
    """A value as CSV would hold it; several are joined by semicolons."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return LIST_JOINT.join(map(_cell, value))
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=_cell)
    if isinstance(value, bytes):  # parquet of programs that do not mark their columns as text
        return value.decode("utf-8", "backslashreplace")
    return str(value)
