"""The cells of one column of an unknown table, and what its name and they look like."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from distune.config.data import MISSING_VALUES
from distune.data.readers.spellings import normal_form
from distune.errors import UserError
from distune.utils.text import listed, nearest_hint

MOST_CLASSES = 20
"""Distinct values that a label column may have."""
FEWEST_EACH = 5
"""Examples that a class of a label column has on average at least."""
SAMPLE = 40
"""Cells of a column that are looked at where each costs."""
_MISSING = {"", *MISSING_VALUES}
_NAMED: Mapping[str, re.Pattern[str]] = {
    role: re.compile(rf"(^|[^a-z])({words})([^a-z]|$)")
    for role, words in {
        "label": "labels?|class(es)?|diagnos[ei]s|type|severity|grade|grading|category|target|finding|stage|score|"
        "modality|location|pathology|klasse|diagnose|befundklasse|schweregrad|typ",
        "group": "pat|patient(en)?|patients?|pid|patid|subjects?|case|fall|mrn|uid|u_id|patientid|patnr|proband|"
        "participants?|record ?id",
        "text": "text|caption|report|description|findings?|note|notes|history|impression|comment|befund|anamnese",
        "split": "split|subset|partition|set|fold",
        "frame": "frame|frame number",
        "image": "images?|img|pictures?|photo|scan|slice|slide|x ?ray|bild|file ?(name|path)?|path|dicom",
        "mask": "masks?|seg|segmentations?|annotations?|roi|contour|outline|overlay|heatmaps?|thumb(nail)?s?|previews?",
        "unused": "sex|gender|geschlecht|age|alter|hospital|site|scanner|device|manufacturer|klinik|view|laterality|"
        "seite|index|row|date|datum",
    }.items()
}


def is_missing(cell: str) -> bool:
    """Whether a cell stands for nothing, as a config says that names no words of its own."""
    return cell.strip().casefold() in _MISSING


class Cells:
    """The cells of one column, and what they look like."""

    def __init__(self, cells: Sequence[str], is_missing: Callable[[str], bool]):
        self.all = cells
        self.filled = [cell for cell in cells if not is_missing(cell)]
        self.missing = len(cells) - len(self.filled)
        self.times = Counter(normal_form(cell) for cell in self.filled)

    def share(self, pattern: re.Pattern[str]) -> float:
        """The share of the filled cells that a pattern describes."""
        return sum(bool(pattern.fullmatch(cell.strip())) for cell in self.filled) / max(1, len(self.filled))

    @property
    def words(self) -> float:
        """Words of a filled cell, on average."""
        return sum(len(cell.split()) for cell in self.filled) / max(1, len(self.filled))

    @property
    def is_categorical(self) -> bool:
        """Whether the cells are few values that are each there several times."""
        count = len(self.times)
        return 2 <= count <= MOST_CLASSES and len(self.filled) >= FEWEST_EACH * count

    def parts(self, separator: str) -> Counter[str]:
        """How often each part of the cells is there."""
        named = (part.strip() for cell in self.filled for part in cell.split(separator))
        return Counter(part for part in named if part)

    def separator(self) -> str | None:
        """What parts several labels of a cell: few different parts, each often alone or with others."""
        if len(self.times) < 2 or any(cell.lstrip().startswith(("{", "[")) for cell in self.filled):
            return None  # always the same, or lists and JSON as programs write them
        for separator in (";", "|", ","):
            together = sum(separator in cell for cell in self.filled)
            parts = self.parts(separator)
            if (
                together >= max(2, len(self.filled) // 50)
                and 2 <= len(parts) <= MOST_CLASSES
                and parts.total() >= FEWEST_EACH * len(parts)
                and max(len(part.split()) for part in parts) <= 4
            ):
                return separator
        return None

    def sample(self) -> list[str]:
        """Some of the filled cells, always the same; not each n-th, as folders and classes may alternate."""
        if len(self.filled) <= SAMPLE:
            return list(self.filled)
        rows = random.Random(0).sample(range(len(self.filled)), SAMPLE)
        return [self.filled[row] for row in sorted(rows)]


def cells_of(
    header: Sequence[str], rows: Sequence[Sequence[str]], is_missing: Callable[[str], bool]
) -> dict[str, Cells]:
    """The cells of each column that has a name of its own; an index that a program wrote has none."""
    return {
        name: Cells([cells[place] for cells in rows], is_missing)
        for place, name in enumerate(header)
        if name.strip() and header.count(name) == 1
    }


def is_named(role: str, name: str) -> bool:
    """Whether a column's name says that it has a role: label, group, text, split, frame, image, mask or unused."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold().replace("_", " ")
    return bool(_NAMED[role].search(spaced) or _NAMED[role].search(name.casefold()))


def check_columns(header: Sequence[str], named: Iterable[str | None]) -> None:
    """Refuses names that are not those of one column each; None names none.

    Raises:
        UserError: one is not; it lists the columns that are there.
    """
    for name in named:
        if name is not None and header.count(name) != 1:
            hint = nearest_hint(name, header)
            raise UserError(f"there is not one column {name!r}; columns found: {listed(list(header))}{hint}")
