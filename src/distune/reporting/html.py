"""A document as one self-contained HTML page; Jinja2 escapes all text, and the page may load nothing."""

from __future__ import annotations

import importlib.util
import re
from typing import Any

from distune.errors import UserError
from distune.reporting.document import (
    Bullets,
    Commands,
    Document,
    Figure,
    Line,
    Note,
    Paragraph,
    Section,
    TableBlock,
    spans,
    text_of,
)
from distune.reporting.formats import plain
from distune.utils.text import harmless

TEMPLATE = "report.html.j2"
STYLE = "report.css"
OPTION = re.compile(r"(--[a-z]+(?:-[a-z]+)*)")
BREAK = re.compile(r"(?<=[,/_])(?=\w)")
"""Where a line of a command may end."""
MOST_STACKED, NARROW, WIDE = 150, 30, 5
"""Cells that are stacked at most on a small screen, characters of a row that fit side by side there, and columns of
which each needs no line of its own there."""
BLOCKS = {
    Paragraph: "paragraph",
    Bullets: "bullets",
    TableBlock: "table",
    Figure: "figure",
    Note: "note",
    Commands: "commands",
}


def render(document: Document) -> str:
    """Writes a document as HTML.

    Args:
        document: the report.

    Returns:
        A whole page with its style and its figures inside, which asks for nothing from anywhere.
    """
    from markupsafe import Markup

    return rendered(
        TEMPLATE,
        document=document,
        title=title_of(document.title, document.subtitle),
        drawn=lambda figure: Markup(figure.svg),  # drawn by matplotlib, which escapes its texts
        kind=lambda block: BLOCKS[type(block)],
        kind_of_span=lambda span: "text" if isinstance(span, str) else type(span).__name__.lower(),
        spans=spans,
        text_of=text_of,
        plain=lambda text: plain(text, longest=10_000),
        is_stacked=is_stacked,
        is_wide=lambda table: len(table.header) > WIDE,
        split_at_options=OPTION.split,  # every second part is an option, whose name no line break divides
        pieces=BREAK.split,
        anchor=anchor,
    )


def title_of(title: str, subtitle: Line) -> str:
    """The title of a page: first what it is about, which tells two pages in a browser apart."""
    return f"{text_of(subtitle)} \N{MIDDLE DOT} {title}"


def is_stacked(table: TableBlock) -> bool:
    """Whether a small screen shows its cells one after the other: too wide to stand side by side, yet not long."""
    widest = max((sum(len(text_of(cell)) for cell in row) for row in table.rows), default=0)
    columns = len(table.header)
    return columns >= 3 and columns * len(table.rows) <= MOST_STACKED and widest > NARROW


def require() -> None:
    """Checks that a page can be written.

    Raises:
        UserError: Jinja2 is not installed.
    """
    if importlib.util.find_spec("jinja2") is None:
        raise UserError("a page needs Jinja2: pip install 'distune[report]'")


def rendered(template: str, **values: Any) -> str:
    """A page of ours: every string that it shows is escaped and without control characters; `style` is our own.

    Args:
        template: its file in `templates/`.
        values: what it shows.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("distune.reporting", "templates"),
        autoescape=True,
        finalize=lambda value: (
            value if isinstance(value, Markup) or not isinstance(value, str) else harmless(value)
        ),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = environment.loader.get_source(environment, STYLE)[0] if environment.loader else ""
    return environment.get_template(template).render(style=Markup(style), **values)


def is_page(start: bytes, title: str) -> bool:
    """Whether a file that begins like this is a page of ours, which may load nothing, with a title that begins so."""
    from markupsafe import escape

    begins = f"<title>{escape(harmless(title))}".encode()
    return b"default-src 'none'; style-src 'unsafe-inline'" in start and begins in start


def anchor(section: Section) -> str:
    """The id of a section: its title in lower case with dashes."""
    return re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-")
