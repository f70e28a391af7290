"""A document as GitHub-flavoured Markdown; text is escaped so that it stays text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from distune.reporting.document import (
    Block,
    Bullets,
    Cell,
    Code,
    Commands,
    Document,
    Figure,
    Headline,
    Line,
    Note,
    Paragraph,
    Picture,
    Section,
    Span,
    Strong,
    TableBlock,
    spans,
)
from distune.reporting.formats import plain
from distune.utils.text import at_line_start, in_markdown

BACKTICKS = re.compile("`+")
NOTE_TITLES = {"missing": "Not known.", "caution": "Note."}
APPENDIX = "Appendix"


def render(document: Document, figures: str = "figures") -> str:
    """Writes a document as Markdown.

    Args:
        document: the report.
        figures: folder of the PNG files, relative to the Markdown file.

    Returns:
        The text, ending in a newline.
    """
    parts = [f"# {escape(document.title)}", _line(document.subtitle)]
    if document.headlines:
        parts.append("\n".join(_headline(item) for item in document.headlines))
    parts += [render_block(block, figures) for block in document.lead]
    for section in document.sections:
        parts += _section(section, 2, figures)
    if document.appendix:
        parts += ["---", f"# {APPENDIX}"]
    for section in document.appendix:
        parts += _section(section, 2, figures)
    if document.footer:
        parts += ["---", _line(document.footer)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _headline(item: Headline) -> str:
    remark = f" ({escape(item.remark)})" if item.remark else ""
    label = item.label if item.label.endswith("?") else f"{item.label}:"
    return f"- **{escape(label)}** {escape(item.value)}{remark}"


def escape(text: str) -> str:
    """Text that Markdown shows as it is: no emphasis, HTML, table bars or links come of it."""
    return in_markdown(plain(text, longest=10_000))


def _code(text: str, in_table: bool) -> str:
    text = plain(text, longest=10_000)
    longest = max((len(run) for run in BACKTICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    padding = " " if text[:1] == "`" or text[-1:] == "`" or not text else ""
    shown = text.replace("|", "\\|") if in_table else text
    return f"{fence}{padding}{shown}{padding}{fence}"


def _span(span: Span, in_table: bool = False) -> str:
    if isinstance(span, Code):
        return _code(span.text, in_table)
    if isinstance(span, Picture):
        return ""
    if isinstance(span, Strong):
        return f"**{escape(span.text)}**" if span.text.strip() else ""
    edge_left = " " if span[:1] == " " else ""
    edge_right = " " if span[-1:] == " " and span.strip() else ""
    return f"{edge_left}{escape(span)}{edge_right}"


def _line(line: Line) -> str:
    text = "".join(_span(span) for span in line).strip()
    return at_line_start(text) if line and isinstance(line[0], str) else text


def _cell(cell: Cell) -> str:
    return "".join(_span(span, in_table=True) for span in spans(cell)).strip()


def _section(section: Section, level: int, figures: str) -> list[str]:
    parts = [f"{'#' * level} {escape(section.title)}"]
    parts += [render_block(block, figures) for block in section.blocks]
    for part in section.parts:
        parts += _section(part, min(level + 1, 6), figures)
    return parts


def render_block(block: Block, figures: str = "figures") -> str:
    """Writes one block; see `render`."""
    if isinstance(block, Paragraph):
        return _line(block.line)
    if isinstance(block, Bullets):
        marks = (f"{number}." if block.numbered else "-" for number in range(1, len(block.items) + 1))
        return "\n".join(f"{mark} {_line(item)}" for mark, item in zip(marks, block.items, strict=True))
    if isinstance(block, TableBlock):
        return _table(block)
    if isinstance(block, Figure):
        return f"![{escape(block.alt)}]({figures}/{block.name}.png)\n\n*{escape(block.caption)}*"
    if isinstance(block, Note):
        return f"> **{NOTE_TITLES[block.kind]}** {_line(block.line)}"
    assert isinstance(block, Commands)
    return _fenced(block.text)


def _fenced(text: str) -> str:
    longest = max((len(run) for run in BACKTICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}bash\n{text.strip()}\n{fence}"


def _table(table: TableBlock) -> str:
    rule = [("---:" if column in table.numeric else "---") for column in range(len(table.header))]
    rows = [_row([escape(title) for title in table.header]), _row(rule)]
    rows += [_row([_cell(cell) for cell in row]) for row in table.rows]
    text = "\n".join(rows)
    return f"{escape(table.caption)}\n\n{text}" if table.caption else text


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
