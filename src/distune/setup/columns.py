"""What each column of a table is taken for, and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from distune.data.readers.image_files import ImageFiles
from distune.data.readers.values import normal_form
from distune.data.table import Split
from distune.errors import UserError
from distune.utils.text import counted, listed, nearest_hint

MOST_CLASSES = 20
"""Distinct values that a label column may have."""
FEWEST_EACH = 5
"""Examples that a class of a label column has on average at least."""
TEXT_WORDS = 3.0
"""Mean words from which a column is a text."""
_SAMPLE = 40
_FEW = 5
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([ T].*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
_DECIMAL = re.compile(r"[+-]?\d*[.,]\d+(e[+-]?\d+)?|[+-]?\d+e[+-]?\d+", re.I)
_NAMED: Mapping[str, re.Pattern[str]] = {
    role: re.compile(rf"(^|[^a-z])({words})([^a-z]|$)")
    for role, words in {
        "label": "labels?|class(es)?|diagnos[ei]s|type|severity|grade|grading|category|target|finding|stage|score|"
        "modality|location|pathology|klasse|diagnose|befundklasse|schweregrad|typ",
        "group": "patient(en)?|patients?|pid|subject|case|fall|mrn|uid|u_id|patientid|patnr|proband",
        "text": "text|caption|report|description|findings?|note|notes|history|impression|comment|befund|anamnese",
        "split": "split|subset|partition|set|fold",
        "frame": "frame|frame number",
        "image": "images?|img|pictures?|photo|scan|slice|slide|x ?ray|bild|file ?(name|path)?|path|dicom",
        "mask": "masks?|seg|segmentations?|annotations?|roi|contour|outline|overlay|heatmap|thumb(nail)?|preview",
        "unused": "sex|gender|geschlecht|age|alter|hospital|site|scanner|device|manufacturer|klinik|view|laterality|"
        "seite|index|row|date|datum",
    }.items()
}
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
    columns = {
        name: _Cells([cells[place] for cells in rows], is_missing) for place, name in enumerate(header)
    }
    found: dict[str, Column] = {}

    def take(name: str | None, role: str, why: str) -> None:
        if name is not None and name not in found:
            found[name] = Column(name, role, why)

    image, files, why = _image(folder, columns, wishes.image)
    take(image, "image", why)
    for name, role in (
        (wishes.text, "text"),
        (wishes.group, "group"),
        *((label, "label") for label in wishes.labels),
    ):
        take(name, role, "as you say")
    for name, cells in columns.items():
        if name not in found and (is_split := _split_reason(name, cells)):
            take(name, "split", is_split)
            break
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
        if name not in found and _is("frame", name) and cells.share(_NUMBER) > 0.9:
            take(name, "frame", "its name")
        take(name, "unused", _left_alone(name, cells))
    labels = tuple(name for name in header if found[name].role in ("label", "labels"))
    if not labels:
        raise UserError(
            "no column looks like a label (2 to "
            f"{MOST_CLASSES} different values); name one with --labels; columns found: {listed(list(header))}"
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
        columns=tuple(found[name] for name in header),
    )


def split_of(cell: str) -> Split | None:
    """The split that a cell of a split column names."""
    return _SPLITS.get(cell.strip().casefold())


def images_of(
    folder: Path, header: Sequence[str], rows: Sequence[Sequence[str]], wished: str | None = None
) -> tuple[str, ImageFiles]:
    """The column that names image files, and the files that it names.

    Raises:
        UserError: no column does.
    """
    _check_names(header, Wishes(image=wished))
    columns = {
        name: _Cells([cells[place] for cells in rows], lambda cell: not cell.strip())
        for place, name in enumerate(header)
    }
    name, files, _ = _image(folder, columns, wished)
    return name, files


class _Cells:
    """The cells of one column, and what they look like."""

    def __init__(self, cells: Sequence[str], is_missing: Callable[[str], bool]):
        self.all = cells
        self.filled = [cell for cell in cells if not is_missing(cell)]
        self.missing = len(cells) - len(self.filled)
        self.times = Counter(normal_form(cell) for cell in self.filled)

    def share(self, pattern: re.Pattern[str]) -> float:
        return sum(bool(pattern.fullmatch(cell.strip())) for cell in self.filled) / max(1, len(self.filled))

    @property
    def words(self) -> float:
        return sum(len(cell.split()) for cell in self.filled) / max(1, len(self.filled))

    @property
    def is_categorical(self) -> bool:
        count = len(self.times)
        return 2 <= count <= MOST_CLASSES and len(self.filled) >= FEWEST_EACH * count

    def parts(self, separator: str) -> Counter[str]:
        named = (part.strip() for cell in self.filled for part in cell.split(separator))
        return Counter(part for part in named if part)

    def separator(self) -> str | None:
        """What parts several labels of a cell: few different parts, each often alone or with others."""
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
        step = max(1, len(self.filled) // _SAMPLE)
        return self.filled[::step][:_SAMPLE]


def _check_names(header: Sequence[str], wishes: Wishes) -> None:
    for name in (wishes.image, wishes.text, wishes.group, *wishes.labels):
        if name is not None and header.count(name) != 1:
            hint = nearest_hint(name, header)
            raise UserError(f"there is not one column {name!r}; columns found: {listed(list(header))}{hint}")
    roles = Counter(
        name for name in (wishes.image, wishes.text, wishes.group, *wishes.labels) if name is not None
    )
    if twice := [name for name, times in roles.items() if times > 1]:
        raise UserError(
            f"column {twice[0]!r} is named for two things; image, text, group and labels are different columns"
        )


def _image(folder: Path, columns: Mapping[str, _Cells], wished: str | None) -> tuple[str, ImageFiles, str]:
    """The column whose cells name image files, the folder that they start from, and how many do."""
    roots = _roots(folder)
    best = _most_found(columns, [ImageFiles(root) for root in roots], wished)
    if best is None:
        best = _most_found(columns, [ImageFiles(root, follow_links=True) for root in roots], wished)
    if best is None or (best[0] < 0.5 and wished is None):
        which = f"column {wished!r} names no" if wished else "no column names"
        raise UserError(
            f"{which} image files under {folder}, the two folders above it, or below it; put the table beside its "
            "images, and name the column with --image"
        )
    share, name, files = best
    if wished is None:
        name = _of_rivals(name, columns, files)
    linked = ", behind links" if files.follow_links else ""
    return name, files, f"{share:.0%} of the cells that were tried name files under {files.root}{linked}"


def _most_found(
    columns: Mapping[str, _Cells], places: Sequence[ImageFiles], wished: str | None
) -> tuple[float, str, ImageFiles] | None:
    """The share of cells that name files, their column, and where; None where none does."""
    best: tuple[float, str, ImageFiles] | None = None
    for name, cells in columns.items():
        if name != wished if wished is not None else not _may_be_image(cells):
            continue
        sample = [cell for cell in cells.sample() if _may_be_path(cell)]
        if not sample:
            continue
        for files in places:
            share = sum(isinstance(files.find(cell), Path) for cell in sample) / len(sample)
            if share > (best[0] if best else 0.0):
                best = (share, name, files)
            if share == 1.0:  # none can be better
                return best
    return best


def _of_rivals(best: str, columns: Mapping[str, _Cells], files: ImageFiles) -> str:
    """The column of images where others name other files there, such as masks.

    Raises:
        UserError: names do not tell which it is.
    """
    rivals = [
        name
        for name, cells in columns.items()
        if name != best and _may_be_image(cells) and _names_others(cells, columns[best], files)
    ]
    if not rivals:
        return best
    able = [name for name in (best, *rivals) if not _is("mask", name)]
    chosen = able if len(able) == 1 else [name for name in able if _is("image", name)]
    if len(chosen) != 1:
        raise UserError(
            f"columns {listed([best, *rivals])} name different image files; say with --image which one is to be learnt "
            "from"
        )
    return chosen[0]


def _names_others(cells: _Cells, images: _Cells, files: ImageFiles) -> bool:
    """Whether most cells name files, and not those that the cells of the images beside them name."""
    sample = [pair for pair in zip(cells.all, images.all, strict=True) if all(map(_may_be_path, pair))]
    sample = sample[:: max(1, len(sample) // _SAMPLE)]
    others = 0
    for number, (one, image) in enumerate(sample):
        path = files.find(one)
        others += isinstance(path, Path) and path != files.find(image)
        if number == _FEW and not others:  # a table may have a thousand columns
            break
    return others > len(sample) / 2


def _may_be_image(cells: _Cells) -> bool:
    """Not a grade from 1 to 4, even if there is an image 4.png, nor a measured number."""
    return not cells.is_categorical and cells.share(_DECIMAL) <= 0.5


def _may_be_path(cell: str) -> bool:
    return bool(cell.strip()) and len(cell) < 400 and "\n" not in cell


def _roots(folder: Path) -> list[Path]:
    folder = folder.resolve()
    below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))[:30]
    deeper = [path for first in below[:10] for path in sorted(first.iterdir())[:200] if path.is_dir()][:30]
    return [folder, *folder.parents[:2], *below, *deeper]


def _is(role: str, name: str) -> bool:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold().replace("_", " ")
    return bool(_NAMED[role].search(spaced) or _NAMED[role].search(name.casefold()))


def _split_reason(name: str, cells: _Cells) -> str | None:
    values = {split_of(value) for value in cells.times}
    if values and None not in values and {"train", "dev"} <= values:
        return f"its values: {_shown(cells.times)}"
    return None


def _text(columns: Mapping[str, _Cells], found: Mapping[str, Column]) -> tuple[str | None, str, str]:
    words = {
        name: cells.words * (2.0 if _is("text", name) else 1.0)
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


def _group(columns: Mapping[str, _Cells], found: Mapping[str, Column]) -> tuple[str | None, str, str]:
    for name, cells in columns.items():
        if name not in found and _is("group", name) and len(cells.times) > 2:
            return (
                name,
                "group",
                f"its name; {counted(len(cells.times), 'different value')} in {counted(len(cells.filled), 'row')}",
            )
    return None, "group", ""


def _labels(columns: Mapping[str, _Cells], found: Mapping[str, Column]) -> dict[str, str]:
    able = {
        name: cells
        for name, cells in columns.items()
        if name not in found and cells.is_categorical and not _is("unused", name) and cells.share(_DATE) < 0.5
    }
    named = [name for name in able if _is("label", name)]
    several = any(column.role == "labels" for column in found.values())
    chosen = named or ([] if several else list(able))
    return {
        name: f"{counted(len(able[name].times), 'class', 'classes')}: {_shown(able[name].times)}"
        for name in chosen
    }


def _left_alone(name: str, cells: _Cells) -> str:
    if not cells.filled:
        return "it is empty"
    if cells.share(_DATE) > 0.5:
        return "dates"
    if _is("unused", name):
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
