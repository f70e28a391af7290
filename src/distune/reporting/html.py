"""A document as one self-contained HTML page; Jinja2 escapes all text, and the page may load nothing."""

from __future__ import annotations

import re

from distune.reporting.document import (
    Bullets,
    Commands,
    Document,
    Figure,
    Note,
    Paragraph,
    Section,
    Table,
    spans,
    text_of,
)
from distune.reporting.formats import plain
from distune.utils.text import harmless

TEMPLATE = "report.html.j2"
STYLE = "report.css"
BLOCKS = {
    Paragraph: "paragraph",
    Bullets: "bullets",
    Table: "table",
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
    return environment.get_template(TEMPLATE).render(
        document=document,
        style=Markup(style),  # our own file
        drawn=lambda figure: Markup(figure.svg),  # drawn by matplotlib, which escapes its texts
        kind=lambda block: BLOCKS[type(block)],
        kind_of_span=lambda span: "text" if isinstance(span, str) else type(span).__name__.lower(),
        spans=spans,
        text_of=text_of,
        plain=lambda text: plain(text, longest=10_000),
        anchor=anchor,
    )


def anchor(section: Section) -> str:
    """The id of a section: its title in lower case with dashes."""
    return re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-")
