"""`distune init`: from one table to tables of train, dev and test and a config that trains here in minutes."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from distune.config import parse_config
from distune.data import SPLITS, Table
from distune.data.readers.problems import by_cause
from distune.data.readers.table_formats import LOST_LISTS, TableError, open_table, row_fault
from distune.data.split import GIVE_ENCODING, refuse_case_twins
from distune.data.table import Split
from distune.errors import DataError, UserError
from distune.setup.cells import is_missing
from distune.setup.columns import Column, Wishes, looked_at
from distune.setup.config_text import FirstConfig, config_text
from distune.setup.data_section import data_section, mapped, tried
from distune.setup.encoders import fitting
from distune.setup.source_table import SourceTable
from distune.setup.splits import splits_of
from distune.utils.files.atomic import all_or_none, check_new, write_text
from distune.utils.files.csv_files import write_csv
from distune.utils.files.paths import make_folder
from distune.utils.seeds import check_seed
from distune.utils.short_repr import short_repr
from distune.utils.text import counted, listed

CONFIG = "config.yaml"
_TOKENS_A_WORD = 1.5
_LENGTHS = (32, 64, 128, 256)


@dataclass(frozen=True)
class Prepared:
    """What `prepare` made.

    Attributes:
        config: the config file.
        columns: what each column was taken for, and why.
        form: how the table was read; empty where that is usual.
        splits: rows by split, and how they came about.
        encoders: why these encoders.
        table: the examples that the config reads.
        remarks: what the user should know.
    """

    __repr__ = short_repr

    config: Path
    columns: tuple[Column, ...]
    form: str
    splits: str
    encoders: str
    table: Table
    remarks: tuple[str, ...]


def prepare(
    metadata: Path,
    out: Path,
    wishes: Wishes,
    *,
    seed: int = 42,
    encoding: str | None = None,
) -> Prepared:
    """Looks at a table and writes tables of its splits and a config for them; nothing is changed beside the table.

    Args:
        metadata: the table.
        out: folder for the new files.
        wishes: columns that the user names.
        seed: decides between equally good splits.
        encoding: of CSV; None finds it out. The new tables are UTF-8.

    Raises:
        UserError: the table cannot be read, it is not clear what its columns are, or the new files are there already.
        DataError: too many examples cannot be used.
    """
    check_seed(seed)
    if len(set(wishes.labels)) < len(wishes.labels):
        raise UserError(f"label columns: {listed(wishes.labels)}; name each once")
    check_new(_files(out))
    header, rows, numbers, form, remarks = _rows(metadata, encoding)
    layout = looked_at(metadata.parent, header, rows, wishes, is_missing)
    source = SourceTable(header, rows, layout, is_missing)
    if layout.group is not None:
        refuse_case_twins(metadata, f"column {layout.group!r}", source.values(layout.group))
    splits, how = splits_of(source, seed)
    with tempfile.TemporaryDirectory(prefix="distune-init-", ignore_cleanup_errors=True) as temporary:
        _write_tables(Path(temporary), header, rows, splits)
        try:
            table, extra, left_out = tried(data_section(Path(temporary), source))
        except DataError as error:
            raise DataError(error.root, _at_origin(error.problems, metadata.name, numbers, splits)) from None
        remarks += left_out + mapped(extra)
        max_tokens = _max_tokens([] if layout.text is None else source.column(layout.text))
        tokens = (
            min(max_tokens, _TOKENS_A_WORD * float(np.mean(_words(table.texts)))) if layout.text else None
        )
        encoders = fitting(len(table), tokens)
        first = FirstConfig(
            name=_name(metadata),
            source=metadata,
            tables=_relative(out),
            layout=replace(layout, root=_relative(layout.root)),
            encoders=encoders,
            max_tokens=max_tokens,
            train=len(table.rows("train")),
            remarks=tuple(remarks),
            extra=extra,
        )
        text = config_text(first)
    import yaml

    parse_config(yaml.safe_load(text), source=str(out / CONFIG))
    make_folder(out)
    with all_or_none(out, _files(out)) as draft:
        _write_tables(draft, header, rows, splits)
        write_text(draft / CONFIG, text)
    return Prepared(
        out / CONFIG,
        layout.columns,
        form,
        f"{_counted(splits)}, {how}",
        encoders.why,
        table,
        (*remarks, *table.notes),
    )


def _files(out: Path) -> list[Path]:
    return [out / CONFIG, *(out / f"metadata_{split}.csv" for split in SPLITS)]


def _at_origin(
    problems: Sequence[str], table: str, numbers: Sequence[int], splits: Sequence[Split | None]
) -> list[str]:
    """Problems of the new tables, which do not stay, as problems of the rows that their rows were."""
    origins = {
        f"metadata_{split}.csv:{row}": f"{table}:{number}"
        for split in SPLITS
        for row, number in enumerate(
            (n for n, own in zip(numbers, splits, strict=True) if own == split), start=2
        )
    }
    place = re.compile(r"\bmetadata_\w+\.csv:\d+")
    return [place.sub(lambda found: origins.get(found[0], found[0]), problem) for problem in problems]


def _rows(
    metadata: Path, encoding: str | None
) -> tuple[list[str], list[list[str]], list[int], str, list[str]]:
    """Header, the rows that have as many cells, their numbers in the file, how it was read, and what to say of it."""
    try:
        file = open_table(metadata, encoding=encoding)
        found = list(file.rows)
    except FileNotFoundError:
        raise DataError(metadata, ["there is no such file"]) from None
    except TableError as error:
        raise DataError(metadata, [f"row {error.row}: {error}" if error.row else str(error)]) from None
    faults = [row_fault(file.header, cells) for _, cells in found]
    whole = [row for row, fault in zip(found, faults, strict=True) if fault is None]
    rows = [cells for _, cells in whole]
    odd: dict[str, list[int]] = {}
    for (number, _), fault in zip(found, faults, strict=True):
        if fault is not None:
            odd.setdefault(fault.cause, []).append(number)
    if not rows:
        numbered = [(str(number), fault) for (number, _), fault in zip(found, faults, strict=True) if fault]
        raise DataError(metadata, by_cause(numbered) or ["there is no row below the header"])
    remarks = [f"column {name!r} {LOST_LISTS}" for name in file.lost]
    for cause, numbers in odd.items():
        shown = ", ".join(map(str, numbers[:5]))
        remarks.append(f"left out: {counted(len(numbers), 'row')} with {cause}, number {shown}")
    return file.header, rows, [number for number, _ in whole], file.said(GIVE_ENCODING), remarks


def _counted(splits: Sequence[Split | None]) -> str:
    times = Counter(splits)
    shown = ", ".join(f"{times[split]} {split}" for split in SPLITS if times[split])
    return shown + (f" ({counted(times[None], 'row')} of no known split left out)" if times[None] else "")


def _write_tables(
    folder: Path, header: Sequence[str], rows: Sequence[Sequence[str]], splits: Sequence[Split | None]
) -> None:
    for split in SPLITS:
        mine = [cells for cells, own in zip(rows, splits, strict=True) if own == split]
        if mine:
            write_csv(folder / f"metadata_{split}.csv", [header, *mine])


def _max_tokens(texts: Sequence[str]) -> int:
    needed = float(np.percentile(_words(texts) or [1], 95)) * _TOKENS_A_WORD
    return next((length for length in _LENGTHS if length >= needed), _LENGTHS[-1])


def _words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def _name(metadata: Path) -> str:
    stem = (
        metadata.stem
        if metadata.stem.casefold() not in ("metadata", "data", "table")
        else metadata.resolve().parent.name
    )
    slug = re.sub(r"[^A-Za-z0-9]+", "_", stem).strip("_")[:60]
    return slug or "dataset"


def _relative(path: Path) -> Path:
    """A path as a command that is run here would write it."""
    resolved = path.resolve()
    here = Path.cwd()
    return resolved.relative_to(here) if resolved.is_relative_to(here) else resolved


def default_folder(metadata: Path) -> Path:
    """Where the new files go if no folder is named."""
    return Path(_name(metadata))
