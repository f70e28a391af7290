"""How a table of new examples is read: the names of its columns, and what training knew of its own tables."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distune.errors import DataError
from distune.utils.text import listed, nearest_hint

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Columns:
    """How a table of new examples is read, as that of training was; of several names the first that is there is used.

    Attributes:
        image: choices for the image; none where the model reads no image.
        text: choices for the text; none where the model reads no text.
        missing: texts that stand for nothing, whatever their case, as in training.
        group: choices for the patient or case, where labelled examples are read.
        frame: choices for the number of the frame, of images in files of several; a table may have none.
        encoding: of CSV that is not UTF-8; None finds it out.
        follow_links: also take files outside of the images' folder to which a link inside points.
    """

    image: tuple[str, ...] = ("image",)
    text: tuple[str, ...] = ("text",)
    missing: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    frame: tuple[str, ...] = ()
    encoding: str | None = None
    follow_links: bool = False

    def text_of(self, cell: str) -> str:
        """The text that a cell holds; empty where it stands for nothing."""
        text = cell.strip()
        return "" if is_missing(text, self.missing) else text


def is_missing(cell: str, words: Collection[str]) -> bool:
    """Whether a cell stands for nothing: it is empty, or one of the words, whatever its case."""
    cell = cell.strip().casefold()
    return not cell or any(cell == word.strip().casefold() for word in words)


def first_of(source: str, what: str, choices: Iterable[str], header: Sequence[str]) -> str | None:
    """The first of several names that a table has; None where it has none. What is passed over is said.

    Args:
        source: the table.
        what: its column stands for.
        choices: names, the preferred ones first.
        header: names of the columns.
    """
    there = [name for name in dict.fromkeys(choices) if name in header]
    if len(there) > 1:
        _log.warning("%s: column %r is read for the %s, not %s", source, there[0], what, listed(there[1:]))
    return there[0] if there else None


def positions(source: str, header: Sequence[str], columns: Columns) -> tuple[int | None, int | None]:
    """Where the image and the text are; None for what is not read.

    Raises:
        DataError: a column is missing; it names those that are there.
    """
    found: list[int | None] = []
    problems = []
    for what, choices in (("image", columns.image), ("text", columns.text)):
        name = first_of(source, what, choices, header)
        found.append(None if name is None else header.index(name))
        if name is not None and header.count(name) > 1:
            problems.append(f"there are two columns {name!r}; rename or drop one")
        if choices and name is None:
            looked, hint = listed(list(dict.fromkeys(choices))), nearest_hint(choices[0], header)
            problems.append(
                f"no column for the {what}: looked for {looked}; columns found: {listed(header)}{hint}"
            )
    if problems:
        raise DataError(source, problems)
    return found[0], found[1]


def frame_position(source: str, header: Sequence[str], columns: Columns) -> int | None:
    """Where the number of the frame is; None for models that read no such column, and tables that have none."""
    found = [header.index(name) for name in columns.frame if name in header]
    if columns.frame and columns.image and not found:
        _log.warning(
            "%s: no column %s; of an image file of several frames the middle one is read",
            source,
            listed(columns.frame),
        )
    return found[0] if found else None


def columns_of(data: Mapping[str, Any], modalities: Sequence[str]) -> Columns:
    """Names of the columns that a data set's config gives, and the plain ones, for what the model reads."""
    is_wound = data.get("reader") == "wound"
    image = data.get("image_column")
    images = (image,) if image else ("file_path", "img_path") if is_wound else ()
    text = data.get("text_column") or ("description" if is_wound else None)
    return Columns(
        (*images, "image") if "image" in modalities else (),
        (*((text,) if text else ()), "text") if "text" in modalities else (),
        tuple(data.get("missing_values", ())),
        (group,) if (group := data.get("group_column")) else (),
        (frame,) if (frame := data.get("frame_column")) and "image" in modalities else (),
        data.get("encoding"),
        bool(data.get("follow_links")),
    )
