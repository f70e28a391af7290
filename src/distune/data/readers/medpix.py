"""Reader for the published layout of MedPix 2.0: JSON lines beside a folder of PNG images."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from sys import intern
from typing import Any

from distune.config import DataConfig
from distune.data.readers.problems import Fault
from distune.data.readers.raw_rows import RawExample, RawTable
from distune.data.table import SPLITS, Split
from distune.errors import is_of_the_machine
from distune.utils.files.json_files import parse_json
from distune.utils.files.paths import check_is_file, naming
from distune.utils.text import counted, nearest_hint

FOLDER = "splitted_dataset"
LABEL_KEYS = ("Type", "Location Category")
TASK_NAMES = ("modality", "location")
DESCRIPTION_KEYS = {"caption": "Caption", "age": "Age", "sex": "Sex"}
CASE_KEYS = {"history": "History", "findings": "Findings"}


def read_medpix(config: DataConfig) -> RawTable:
    """Reads `splitted_dataset/descriptions_{split}.jsonl`, and the cases where the text needs them.

    Args:
        config: gives `root`, which holds `splitted_dataset` and `images`, and `text_fields`.

    Returns:
        The tasks modality (`Type`) and location (`Location Category`), with `U_id` as group and the
        image's name as id. A missing test split is no problem.
    """
    root, table = config.root, RawTable(task_names=TASK_NAMES)
    for split in SPLITS:
        name = f"{FOLDER}/descriptions_{split}.jsonl"
        if split == "test" and not (root / name).is_file():
            continue
        cases = _cases(root, split, config, table)
        before = len(table.structure)
        for row, record in _records(root, name, table):
            _add(table, record, split, f"{name}:{row}", cases, config)
        if len(table.structure) == before:
            table.read[split] = name
    if config.unlabelled is not None:
        cases = _cases(root, "unlabelled", config, table)
        labelled = 0
        for row, record in _records(root, str(config.unlabelled), table):
            labelled += any(record.get(key) for key in LABEL_KEYS)
            blank = {**record, **dict.fromkeys(LABEL_KEYS, "")}
            _add(table, blank, "unlabelled", f"{config.unlabelled}:{row}", cases, config)
        if labelled:
            table.notes.append(f"{config.unlabelled}: the labels of {counted(labelled, 'row')} are not read")
    return table


def _records(root: Path, name: str, table: RawTable) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the row number and the mapping of every line that holds one; the others become bad rows."""
    for row, line in _lines(root, name, table):
        try:
            record = parse_json(line, any_text=True)
        except ValueError as error:
            table.bad_rows.append((f"{name}:{row}", Fault("not JSON", str(error))))
            continue
        if isinstance(record, dict):
            yield row, record
        else:
            fault = Fault("a row is a JSON object", f"not {type(record).__name__}")
            table.bad_rows.append((f"{name}:{row}", fault))


def _lines(root: Path, name: str, table: RawTable) -> Iterator[tuple[int, str]]:
    """Yields row number and text of every line that says something; an unreadable file is a structural problem."""
    try:
        check_is_file(root / name)
        with naming(root / name), (root / name).open(encoding="utf-8-sig") as file:
            yield from ((row, line) for row, line in enumerate(file, start=1) if line.strip())
    except FileNotFoundError:
        table.structure.append(f"{name}: there is no such file; data.root must be the folder that holds it")
    except (OSError, UnicodeDecodeError) as error:
        if is_of_the_machine(error):
            raise
        table.structure.append(f"{name}: not readable as UTF-8 text: {error}")


def _cases(root: Path, split: Split, config: DataConfig, table: RawTable) -> dict[str, Mapping[str, Any]]:
    """Returns `Case` by `U_id`, or nothing where the text needs no case."""
    if not any(name in CASE_KEYS for name in config.text_fields):
        return {}
    name = f"{FOLDER}/data_{split}.jsonl"
    cases: dict[str, Mapping[str, Any]] = {}
    for row, record in _records(root, name, table):
        case = record.get("Case")
        if isinstance(record.get("U_id"), str) and isinstance(case, dict):
            cases[record["U_id"]] = case
        else:
            fault = Fault("a case needs the keys 'U_id' (text) and 'Case' (an object)")
            table.bad_rows.append((f"{name}:{row}", fault))
    return cases


def _add(
    table: RawTable,
    record: Mapping[str, Any],
    split: Split,
    origin: str,
    cases: Mapping[str, Mapping[str, Any]],
    config: DataConfig,
) -> None:
    """Adds the example of one row, or one line for everything that is wrong with the row."""
    reasons = []
    for key in ("image", "U_id", *LABEL_KEYS):
        if key not in record:
            reasons.append(Fault(f"no key {key!r}", nearest_hint(key, record).removeprefix("; ")))
        elif not isinstance(record[key], str):
            reasons.append(Fault(f"{key!r} is not text", json.dumps(record[key])[:80]))
    description = record.get("Description") or {}
    if not isinstance(description, dict):
        reasons.append(Fault("'Description' is not an object"))
    if reasons:
        table.bad_rows += [(origin, reason) for reason in reasons]
        return
    table.examples.append(
        RawExample(
            id=record["image"] or origin,
            image=f"images/{record['image']}.png" if record["image"] else "",
            text=_text(description, cases.get(record["U_id"], {}), config),
            labels=tuple(intern(record[key]) for key in LABEL_KEYS),
            group=intern(record["U_id"]),
            split=split,
            origin=origin,
            subgroups=tuple(_field(description, name) for name in config.subgroup_columns),
        )
    )


def _field(description: Mapping[str, Any], name: str) -> str:
    """A field of the description as text, such as age for `Age`; empty where it says nothing."""
    return intern(_said(description.get(DESCRIPTION_KEYS.get(name, name))))


def _text(description: Mapping[str, Any], case: Mapping[str, Any], config: DataConfig) -> str:
    """Joins the chosen fields that say something; a missing caption leaves an empty text."""
    values = (
        case.get(CASE_KEYS[field]) if field in CASE_KEYS else description.get(DESCRIPTION_KEYS[field])
        for field in config.text_fields
    )
    return " ".join(filter(None, map(_said, values)))


def _said(value: Any) -> str:
    """A value as text; empty where it says nothing."""
    text = "" if value is None else str(value).strip()
    return "" if text.upper() == "N/A" else text
