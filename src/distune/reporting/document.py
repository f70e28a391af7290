"""A report as plain values, rendered by `markdown` and by `html`; every string in it is text, never markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Code:
    """A name or a command inside a sentence."""

    text: str


@dataclass(frozen=True)
class Strong:
    """Words that stand out."""

    text: str


@dataclass(frozen=True)
class Picture:
    """A small picture; Markdown leaves it out.

    Attributes:
        address: `data:image/jpeg;base64,...`, so that the page loads nothing.
        text: what it shows, in words.
    """

    address: str
    text: str


Span = str | Code | Strong | Picture
Line = tuple[Span, ...]
Cell = Span | Line


@dataclass(frozen=True)
class Paragraph:
    """One paragraph."""

    line: Line


@dataclass(frozen=True)
class Bullets:
    """A list.

    Attributes:
        items: the lines.
        numbered: whether the order counts.
    """

    items: tuple[Line, ...]
    numbered: bool = False


@dataclass(frozen=True)
class TableBlock:
    """A table.

    Attributes:
        header: the column headers.
        rows: one tuple a row, as long as the header.
        numeric: indices of the columns that are set flush right.
        caption: what the table shows, where the section does not say it.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[int] = frozenset()
    caption: str | None = None

    def __post_init__(self) -> None:
        wrong = [row for row in self.rows if len(row) != len(self.header)]
        if wrong:
            raise ValueError(f"a row has {len(wrong[0])} cells under {len(self.header)} headers: {wrong[0]}")


@dataclass(frozen=True)
class Figure:
    """A figure, drawn once and shown twice.

    Attributes:
        name: the file's name without its ending.
        alt: what it shows, in words that stand for it.
        caption: the line under it.
        svg: for the HTML, without any reference to other files.
        png: for the folder beside the report.
    """

    name: str
    alt: str
    caption: str
    svg: str
    png: bytes


@dataclass(frozen=True)
class Note:
    """A remark on what the numbers cannot carry.

    Attributes:
        line: the remark.
        kind: `missing` for what the study lacks, `caution` for a limit of the numbers.
    """

    line: Line
    kind: Literal["missing", "caution"] = "caution"


@dataclass(frozen=True)
class Commands:
    """Shell commands.

    Attributes:
        text: the lines.
    """

    text: str


Block = Paragraph | Bullets | TableBlock | Figure | Note | Commands


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        title: its heading.
        blocks: its contents, before those of its parts.
        parts: sections one level down.
    """

    title: str
    blocks: tuple[Block, ...] = ()
    parts: tuple[Section, ...] = ()


@dataclass(frozen=True)
class Headline:
    """An answer that stands at the top of the page.

    Attributes:
        label: the question.
        value: the answer.
        remark: what to know about it.
    """

    label: str
    value: str
    remark: str = ""


@dataclass(frozen=True)
class Document:
    """The whole report.

    Attributes:
        title: its title.
        subtitle: the line under the title.
        headlines: the answers at the top.
        lead: what else the first screen holds, under the headlines.
        sections: its parts, in order.
        appendix: details that are folded away behind the page.
        footer: the last line.
    """

    title: str
    subtitle: Line
    headlines: tuple[Headline, ...]
    sections: tuple[Section, ...]
    lead: tuple[Block, ...] = ()
    appendix: tuple[Section, ...] = ()
    footer: Line = ()

    @property
    def figures(self) -> list[Figure]:
        """All figures, in order."""
        return [figure for section in (*self.sections, *self.appendix) for figure in _figures(section)]


def _figures(section: Section) -> list[Figure]:
    own = [block for block in section.blocks if isinstance(block, Figure)]
    return own + [figure for part in section.parts for figure in _figures(part)]


def line(*spans: Span) -> Line:
    """A line of spans."""
    return spans


def paragraph(*spans: Span) -> Paragraph:
    """A paragraph of spans."""
    return Paragraph(spans)


def missing(*spans: Span) -> Note:
    """A note on what the study lacks."""
    return Note(spans, "missing")


def caution(*spans: Span) -> Note:
    """A note on a limit of the numbers."""
    return Note(spans, "caution")


def spans(cell: Cell) -> Line:
    """A cell's spans."""
    return cell if isinstance(cell, tuple) else (cell,)


def text_of(cell: Cell) -> str:
    """A cell's text without any emphasis."""
    return "".join(span if isinstance(span, str) else span.text for span in spans(cell))


def names(values: Sequence[str]) -> Line:
    """Names as code, with commas between them."""
    joined: list[Span] = []
    for value in values:
        joined += [", ", Code(value)] if joined else [Code(value)]
    return tuple(joined)
