"""What to say of values that may mean something else than they are taken for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence, Set

from distune.data.readers.nothing import CODES, may_be_nothing
from distune.data.readers.problems import SHOWN
from distune.data.readers.spellings import sign_twins
from distune.utils.text import counted, first_of

_MONTH = r"(jan|feb|mar|mrz|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)"
_MADE_OVER = re.compile(
    r"[0-9]([.,][0-9]+)?e\+[0-9]{2,3}|[0-9]{16,}\.0+|"  # what is left of a long number: several may have become one
    rf"[0-9]{{1,2}}(-|\. ?){_MONTH}|{_MONTH}[- ][0-9]{{2}}|"  # 2-3, as of a grade, as a day of March
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}( 00:00:00)?",
    re.IGNORECASE,
)


def group_notes(groups: Sequence[str]) -> list[str]:
    """Lines for the groups that look alike but for signs, that may stand for nothing, and that were other values."""
    doubtful = _doubtful("group", "a patient or case", groups)
    return [*same_signs("group", groups), *doubtful, *_made_over("group", groups)]


def label_notes(task: str, labels: Sequence[str], meant: Set[str]) -> list[str]:
    """The same of the labels of a task, and of those that may be several in one cell; of those that are meant none."""
    what = f"label {task}"
    doubted = [label for label in labels if label not in meant]
    doubtful = _doubtful(what, "a class", doubted, CODES)
    return [*doubtful, *_made_over(what, doubted), *_lists(task, doubted, set(labels) - {""})]


def subgroup_notes(column: str, values: Sequence[str]) -> list[str]:
    """The same of a column of subgroups."""
    return [
        *same_signs(f"subgroup {column}", values),
        *_doubtful(f"subgroup {column}", "a value", values, CODES),
    ]


def text_notes(texts: Sequence[str]) -> list[str]:
    """One line for each text that may stand for nothing."""
    return _doubtful("text", "a text", texts)


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


def _lists(task: str, labels: Sequence[str], classes: Set[str]) -> list[str]:
    """One line for the labels that may be several classes in one cell, or a list as Python or JSON writes it."""
    found = [
        repr(label)
        for label in dict.fromkeys(labels)
        if label.startswith(("[", "{"))
        or any(part.strip() in classes for sign in ";|," if sign in label for part in label.split(sign))
    ]
    if not found:
        return []
    return [
        f"label {task}: {first_of(found, SHOWN)} is taken for a class of its own; where a cell holds several labels, "
        f"write them as a;b and set data.tasks.{task}.separator"
    ]
