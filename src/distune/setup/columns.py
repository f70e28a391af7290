"""What each column of a table is taken for, and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from distune.data.table import Split
from distune.errors import UserError
from distune.setup.cells import MOST_CLASSES, Cells, cells_of, check_columns, is_named
from distune.setup.image_column import image_column
from distune.utils.text import counted, listed

TEXT_WORDS = 3.0
"""Mean words from which a column is a text."""
_NO_NAME = "it has no name that no other column has"
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([ T].*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
_SPLITS: Mapping[str, Split] = {
    "train": "train", "training": "train", "dev": "dev", "val": "dev", "valid": "dev", "validation": "dev",
    "development": "dev", "test": "test", "testing": "test", "holdout": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column: its name, what it is taken for, and why."""

    name: str
    role: str
    why: str


@dataclass(frozen=True)
class Layout:
    """What the columns of a table are.

    Attributes:
        root: the folder that image paths start from.
        image: column with the image paths.
        text: column with the text; None where there is none.
        labels: one column a task.
        separators: what stands between the labels of a cell, by label column, where a cell holds several.
        group: column with the patient or case; None where there is none.
        split: column that says train, dev or test of each row; None where there is none.
        frame: column with the frame of a DICOM file of several.
        follow_links: images lie behind links to places outside the root.
        columns: all columns and why they are taken for what they are.
    """

    root: Path
    image: str
    text: str | None
    labels: tuple[str, ...]
    separators: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    split: str | None = None
    frame: str | None = None
    follow_links: bool = False
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True)
class Wishes:
    """The columns that a user names; what is None is looked for."""

    image: str | None = None
    text: str | None = None
    labels: tuple[str, ...] = ()
    group: str | None = None

    def roles(self) -> list[tuple[str | None, str]]:
        """Each wish with its role."""
        others = [(self.image, "image"), (self.text, "text"), (self.group, "group")]
        return [*others, *((label, "label") for label in self.labels)]


def looked_at(
    folder: Path,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    wishes: Wishes,
    is_missing: Callable[[str], bool],
) -> Layout:
    """Finds out what the columns of a table are.

    Args:
        folder: where the table lies; image paths start from it, from a folder above or below it.
        header: names of the columns.
        rows: all rows, each as wide as the header.
        wishes: columns that are named by the user.
        is_missing: whether a cell holds nothing.

    Raises:
        UserError: a named column is not there, or no column holds image paths or labels.
    """
    _check_names(header, wishes)
    columns = cells_of(header, rows, is_missing)
    options = {
        name: "--labels" if role == "label" else f"--{role}"
        for name, role in wishes.roles()
        if name is not None and role != "image"
    }
    image, files, why = image_column(folder, columns, wishes.image, options)
    found, separators = _roles(columns, wishes, Column(image, "image", why))
    labels = tuple(name for name in columns if found[name].role in ("label", "labels"))
    if not labels:
        twice = next((name for name in header if header.count(name) > 1 and name.strip()), None)
        more = "" if twice is None else f"; rename one of the columns {twice!r}"
        raise UserError(
            "no column looks like a label (2 to "
            f"{MOST_CLASSES} different values); name one with --labels; columns found: {listed(list(header))}{more}"
        )
    by_role = {column.role: column.name for column in found.values()}
    return Layout(
        root=files.root,
        follow_links=files.follow_links,
        image=image,
        text=by_role.get("text"),
        labels=wishes.labels or labels,
        separators=separators,
        group=by_role.get("group"),
        split=by_role.get("split"),
        frame=by_role.get("frame"),
        columns=tuple(found.get(name) or Column(name, "unused", _NO_NAME) for name in header),
    )


def _roles(
    columns: Mapping[str, Cells], wishes: Wishes, image: Column
) -> tuple[dict[str, Column], dict[str, str]]:
    """What each column is, those that are named first; and what stands between the labels of a cell, by column."""
    found = {image.name: image}

    def take(name: str | None, role: str, why: str) -> None:
        if name is not None and name not in found:
            found[name] = Column(name, role, why)

    for name, role in wishes.roles():
        take(name, role, "as you say")
    for name, cells in columns.items():
        if name not in found and (is_split := _split_reason(name, cells)):
            take(name, "split", is_split)
            break
    else:
        _refuse_half_a_split({name: cells for name, cells in columns.items() if name not in found})
    if wishes.text is None:
        take(*_text(columns, found))
    if wishes.group is None:
        take(*_group(columns, found))
    separators: dict[str, str] = {}
    for name, cells in columns.items():
        if wishes.labels and name not in wishes.labels:
            continue
        separator = cells.separator()
        if separator is not None and (name in wishes.labels or name not in found):
            separators[name] = separator
            found[name] = Column(name, "labels", f"several in a cell, separated by {separator!r}: "
                                 f"{_shown(cells.parts(separator))}")  # fmt: skip
    if not wishes.labels:
        for name, reason in _labels(columns, found).items():
            take(name, "label", reason)
    for name, cells in columns.items():
        if name not in found and is_named("frame", name) and cells.share(_NUMBER) > 0.9:
            take(name, "frame", "its name")
        take(name, "unused", _left_alone(name, cells))
    return found, separators


def split_of(cell: str) -> Split | None:
    """The split that a cell of a split column names."""
    return _SPLITS.get(cell.strip().casefold())


def _check_names(header: Sequence[str], wishes: Wishes) -> None:
    named = [name for name, _ in wishes.roles() if name is not None]
    check_columns(header, named)
    if twice := [name for name, times in Counter(named).items() if times > 1]:
        raise UserError(
            f"column {twice[0]!r} is named for two things; image, text, group and labels are different columns"
        )


def _split_reason(name: str, cells: Cells) -> str | None:
    values = {split_of(value) for value in cells.times}
    if None not in values and "train" in values and len(values) > 1:
        return f"its values: {_shown(cells.times)}"
    return None


def _refuse_half_a_split(columns: Mapping[str, Cells]) -> None:
    """Refuses a column of splits that cannot be followed: what it keeps for testing would be trained on."""
    for name, cells in columns.items():
        odd = [value for value in cells.times if split_of(value) is None]
        if odd and is_named("split", name) and "train" in map(split_of, cells.times):
            raise UserError(
                f"column {name!r} names splits, and {listed(odd)}, which is none: write train, dev or test, leave the "
                "cell empty where a row is to be left out, or rename the column to have the splits made"
            )


def _text(columns: Mapping[str, Cells], found: Mapping[str, Column]) -> tuple[str | None, str, str]:
    words = {
        name: cells.words * (2.0 if is_named("text", name) else 1.0)
        for name, cells in columns.items()
        if name not in found
        and cells.words >= TEXT_WORDS
        and not cells.is_categorical
        and cells.separator() is None
    }
    if not words:
        return None, "text", ""
    name = max(words, key=lambda other: words[other])
    return name, "text", f"{columns[name].words:.0f} words on average"


def _group(columns: Mapping[str, Cells], found: Mapping[str, Column]) -> tuple[str | None, str, str]:
    for name, cells in columns.items():
        if name not in found and is_named("group", name) and len(cells.times) > 2:
            return (
                name,
                "group",
                f"its name; {counted(len(cells.times), 'different value')} in {counted(len(cells.filled), 'row')}",
            )
    return None, "group", ""


def _labels(columns: Mapping[str, Cells], found: Mapping[str, Column]) -> dict[str, str]:
    able = {
        name: cells
        for name, cells in columns.items()
        if name not in found
        and cells.is_categorical
        and not is_named("unused", name)
        and cells.share(_DATE) < 0.5
    }
    named = [name for name in able if is_named("label", name)]
    several = any(column.role == "labels" for column in found.values())
    others = [name for name in able if not (is_named("group", name) or is_named("split", name))]
    chosen = named or ([] if several else others or list(able))
    return {
        name: f"{counted(len(able[name].times), 'class', 'classes')}: {_shown(able[name].times)}"
        for name in chosen
    }


def _left_alone(name: str, cells: Cells) -> str:
    if not cells.filled:
        return "it is empty"
    if cells.share(_DATE) > 0.5:
        return "dates"
    if is_named("split", name):
        return "its name says splits, and its values do not: to have it followed, write train, dev and test"
    if is_named("unused", name):
        return (
            "it describes the patient or the place, not what is to be known; --labels takes it all the same"
        )
    if cells.is_categorical:
        return f"could be a label: {_shown(cells.times)}; --labels takes it"
    if len(cells.times) == len(cells.filled):
        return "a different value in each row"
    return counted(len(cells.times), "different value")


def _shown(times: Mapping[str, int]) -> str:
    most: Iterable[tuple[str, int]] = Counter(times).most_common(6)
    shown = ", ".join(f"{value} {count}" for value, count in most)
    return shown + (", ..." if len(times) > 6 else "")
