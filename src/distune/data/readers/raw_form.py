"""The form of what a reader of a user's own found, on which all else relies."""

from __future__ import annotations

from typing import get_args

from distune.config import DataConfig
from distune.data.readers.problems import Fault
from distune.data.readers.raw_rows import RawExample, RawTable
from distune.data.table import SPLITS, Split
from distune.errors import UserError


def check_raw_table(found: object, config: DataConfig) -> RawTable:
    """What a reader of a user's own found, where it is of the form that all else relies on.

    Args:
        found: what the reader gave.
        config: names the reader and its subgroup columns.

    Raises:
        UserError: names the first part that is of another form, its value and what is needed.
    """
    if problem := _wrong_form(found, len(config.subgroup_columns)):
        raise UserError(f"reader {config.reader}: {problem}")
    assert isinstance(found, RawTable)
    return found


def _wrong_form(found: object, subgroups: int) -> str | None:
    if not isinstance(found, RawTable):
        return f"gives a {type(found).__name__}; return a RawTable"
    names = found.task_names
    if not (_are_texts(names, tuple) and names and len(set(names)) == len(names)):
        return f"task_names is {names!r}; a tuple of one or more different names is needed"
    for name in ("structure", "notes"):
        if not _are_texts(value := getattr(found, name), list):
            return f"{name} is {value!r}; a list of lines is needed"
    if not isinstance(found.read, dict):
        return f"read is {found.read!r}; a file's name for each split is needed"
    for row, fault in enumerate(found.bad_rows, start=1):
        is_pair = isinstance(fault, tuple) and len(fault) == 2
        if not (is_pair and isinstance(fault[0], str) and isinstance(fault[1], Fault)):
            return f"bad row {row} is {fault!r}; give a pair of file:row and a Fault"
    for row, example in enumerate(found.examples, start=1):
        if problem := _wrong_example(example, len(names), subgroups):
            return f"example {row}{problem}"
        if example.split in SPLITS and example.split not in found.read and not found.structure:
            return f"example {row}: split {example.split} is not in `read`, which names each split's file"
    return None


def _wrong_example(example: object, tasks: int, subgroups: int) -> str | None:
    if not isinstance(example, RawExample):
        return f" is a {type(example).__name__}; give a RawExample"
    for name in ("id", "image", "text", "group", "origin"):
        if not isinstance(value := getattr(example, name), str):
            return f": {name} is {value!r}; give text"
    for name, count in (("labels", tasks), ("subgroups", subgroups if example.subgroups else 0)):
        if not (_are_texts(value := getattr(example, name), tuple) and len(value) == count):
            return f": {name} is {value!r}; give a tuple with {count} of text"
    if example.split not in get_args(Split):
        return f": split is {example.split!r}; use {', '.join(get_args(Split))}"
    return None


def _are_texts(values: object, kind: type[list[str]] | type[tuple[str, ...]]) -> bool:
    return isinstance(values, kind) and all(isinstance(value, str) for value in values)
