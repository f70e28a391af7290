"""What to say of values that may mean something else than they are taken for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence, Set

from distune.data.readers.nothing import CODES, may_be_nothing
from distune.data.readers.problems import SHOWN
from distune.data.readers.raw_rows import RawExample
from distune.data.readers.spellings import case_twins, sign_twins
from distune.data.table import SPLITS
from distune.utils.text import counted, first_of, listed

_MONTH = r"(jan|feb|mar|mrz|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)"
_MADE_OVER = re.compile(
    r"[0-9]([.,][0-9]+)?e\+[0-9]{2,3}|[0-9]{16,}\.0+|"  # what is left of a long number: several may have become one
    rf"[0-9]{{1,2}}(-|\. ?){_MONTH}|{_MONTH}[- ][0-9]{{2}}|"  # 2-3, as of a grade, as a day of March
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}( 00:00:00)?",
    re.IGNORECASE,
)

_NEGATIVE = re.compile(
    r"0|no|false|nein|non|normal|negativ|negative|healthy|no (finding|abnormalit|label|disease)\w*"
)


def group_notes(groups: Sequence[str]) -> list[str]:
    """Lines for the groups that look alike but for signs, that may stand for nothing, and that were other values."""
    doubtful = _doubtful("group", "a patient or case", groups)
    return [*same_signs("group", groups), *doubtful, *_made_over("group", groups)]


def label_notes(
    task: str, labels: Sequence[str], meant: Set[str] = frozenset(), *, negative: str | None = None
) -> list[str]:
    """The same of the labels of a task, and of those that may be several in one cell or say that there is none.

    Args:
        task: its name.
        labels: of all examples.
        meant: labels that somebody named; of them nothing is said.
        negative: the word for no label, of a task whose cells hold several.
    """
    what = f"label {task}"
    doubted = [label for label in labels if label not in meant]
    doubtful = _doubtful(what, "a class", doubted, CODES)
    several = [*_lists(task, doubted, set(labels) - {""}), *_negatives(task, doubted, negative)]
    return [*doubtful, *_made_over(what, doubted), *several]


def subgroup_notes(column: str, values: Sequence[str]) -> list[str]:
    """The same of a column of subgroups."""
    what = f"subgroup {column}"
    return [*same_signs(what, values), *_doubtful(what, "a value", values, CODES)]


def text_notes(texts: Sequence[str]) -> list[str]:
    """One line for each text that may stand for nothing."""
    return _doubtful("text", "a text", texts)


def empty_texts(texts: Sequence[str]) -> list[str]:
    """One line where some examples have a text, and others have none."""
    empty = sum(not text.strip() for text in texts)
    if empty in (0, len(texts)):
        return []
    return [
        f"text: {counted(empty, 'example')} of {len(texts)} have none, which is read as a text without words; "
        "data.missing: allow reads a vector in its place that is learned"
    ]


def column_notes(name: str, header: Sequence[str], read: Set[str]) -> list[str]:
    """One line for each column that is read and looks like another one, as where a key of JSON has two spellings.

    Args:
        name: of the table.
        header: names of its columns.
        read: those that are read.
    """
    return [
        f"{name}: of the columns {one!r} and {other!r} {listed(sorted({one, other} & read))} is read"
        for one, other in case_twins(header).items()
        if len({one, other} & read) == 1
    ]


def repeated(examples: Sequence[RawExample], paths: Sequence[str | None]) -> list[str]:
    """One line for what is in several of train, dev and test, and for images whose rows have other labels.

    Args:
        examples: in the splits that are trained and evaluated on.
        paths: of their images; nothing where there is none.
    """
    splits: dict[tuple[str, str], set[str]] = {}
    labels: dict[tuple[str, int], set[str]] = {}
    for example, path in zip(examples, paths, strict=True):
        if example.split in SPLITS:
            splits.setdefault(("group", example.group), set()).add(example.split)
            if path:
                splits.setdefault(("image", example.image), set()).add(example.split)
                for task, label in enumerate(example.labels):
                    labels.setdefault((path, task), set()).add(label)
    lines = []
    for what in ("group", "image"):
        shared = [name for (kind, name), found in splits.items() if kind == what and len(found) > 1]
        if shared:
            lines.append(
                f"{what}: {listed(shared[:SHOWN])}, {len(shared)} in all, in several of train, dev and test"
            )
    if odd := list(dict.fromkeys(path for (path, _), found in labels.items() if len(found - {""}) > 1)):
        lines.append(f"image: {counted(len(odd), 'file')} of rows with other labels, such as {odd[0]!r}")
    return lines


def spelling_notes(what: str, values: Sequence[str]) -> list[str]:
    """One line for all values that look alike, and one for those that do but for signs."""
    alike = [f"{other!r}, {value!r}" for value, other in case_twins(values).items()]
    return [
        *([f"{what}: {first_of(alike, SHOWN, '; ')} look alike"] if alike else []),
        *same_signs(what, values),
    ]


def same_signs(what: str, values: Iterable[str]) -> list[str]:
    """One line for all values that look alike but for signs."""
    if not (twins := sign_twins(values)):
        return []
    shown = first_of([", ".join(map(ascii, same)) for same in twins], SHOWN, "; ")
    return [
        f"{what}: {shown} look alike but for signs, or say the same; where they are one, correct the file"
    ]


def unused(task: str, labels: Sequence[str], label_map: Mapping[str, str]) -> list[str]:
    """One line for each spelling that is mapped and stands in no cell, as where it is misspelt itself."""
    there = {*labels, *(label.strip() for label in labels)}
    return [
        f"data.label_map.{task}: {spelling!r} stands in no cell, so it maps nothing"
        for spelling in label_map
        if spelling not in there
    ]


def _doubtful(what: str, taken: str, values: Sequence[str], codes: Collection[str] = ()) -> list[str]:
    """One line for each value that often says that nothing is known, and is taken for something here."""
    return [
        f"{what}: {value!r} is {taken} ({counted(count, 'cell')}); where it stands for nothing, empty it "
        "or list it in data.missing_values"
        for value, count in Counter(values).items()
        if may_be_nothing(value) or value in codes
    ]


def _made_over(what: str, values: Iterable[str]) -> list[str]:
    """One line for the values that spreadsheets and pandas make of long numbers, and of what looks like a date."""
    found = [repr(value) for value in dict.fromkeys(values) if _MADE_OVER.fullmatch(value)]
    if not found:
        return []
    return [
        f"{what}: {first_of(found, SHOWN)} may be what a spreadsheet made of another value, such as a long number "
        "or 2-3; where that is so, save that column as text again"
    ]


def _negatives(task: str, labels: Iterable[str], negative: str | None) -> list[str]:
    """One line for the labels that may say that there is none, where another word does."""
    found = [repr(label) for label in dict.fromkeys(labels) if _NEGATIVE.fullmatch(label.strip().casefold())]
    if negative is None or not found:
        return []
    return [
        f"label {task}: {first_of(found, SHOWN)} is a label like any other; where it says that there is none, "
        f"set data.tasks.{task}.negative, which is {negative!r}"
    ]


def _lists(task: str, labels: Sequence[str], classes: Set[str]) -> list[str]:
    """One line for the labels that may be several classes in one cell, or a list as Python or JSON writes it."""
    found = [
        repr(label)
        for label in dict.fromkeys(labels)
        if label.startswith(("[", "{"))
        or any(part.strip() in classes for sign in ";|,/+&" if sign in label for part in label.split(sign))
    ]
    if not found:
        return []
    return [
        f"label {task}: {first_of(found, SHOWN)} is taken for a class of its own; where a cell holds several labels, "
        f"write them as a;b and set data.tasks.{task}.separator"
    ]
