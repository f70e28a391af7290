"""Pages for tests: rendered without figures, which take most of a report's time, and cut into sections."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import optuna

from distune.analysis.findings import Findings, analyse
from distune.analysis.records.from_optuna import from_optuna
from distune.analysis.records.study_record import StudyRecord
from distune.reporting import markdown
from distune.reporting.contents import Written, build
from distune.reporting.document import Document
from distune.reporting.figures import bars, history, model
from distune.reporting.figures.style import look


def text_of(study: StudyRecord | optuna.Study, written: Written | None = None) -> str:
    """The report of a study as Markdown, without its figures."""
    record = study if isinstance(study, StudyRecord) else from_optuna(study)
    return markdown.render(build(analyse(record), {}, written or Written()))


def with_the_figures_of_the_page(findings: Findings) -> Document:
    """The report with those figures that do not stand in the appendix."""
    with look():
        drawn = [history.draw(findings), model.draw_confusion(findings), bars.draw_confirmed(findings)]
    return build(findings, {figure.name: figure for figure in drawn if figure}, Written())


def read(folder: Path) -> str:
    """The Markdown of a written report."""
    return (folder / "report.md").read_text(encoding="utf-8")


def first_screen(text: str) -> str:
    """What stands before the first section."""
    return text.split("\n## ", 1)[0]


@dataclass(frozen=True)
class Card:
    """An answer of the first screen, and what is said of it."""

    value: str
    remark: str


def cards(text: str) -> dict[str, Card]:
    """The answers of the first screen by their labels."""
    found = re.findall(r"^- \*\*(.+?):?\*\* (.*?)(?: \((.*)\))?$", first_screen(text), re.M)
    return {label: Card(value, remark) for label, value, remark in found}


def section(text: str, title: str) -> str:
    """The Markdown of one section of the page or the appendix."""
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0].split("\n# Appendix", 1)[0]


def parts(text: str) -> tuple[str, str]:
    """The page, and its appendix."""
    page, _, appendix = text.partition("\n# Appendix\n")
    return page, appendix


class Words(HTMLParser):
    """The words that a reader of the HTML page sees with the appendix folded, those of figures included."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        is_folded = tag == "details" and ("class", "appendix") in attributes
        if tag in ("style", "title") or is_folded or (self.hidden and tag == "details"):
            self.hidden += 1

    def handle_endtag(self, tag: str) -> None:
        if self.hidden and tag in ("style", "title", "details"):
            self.hidden -= 1

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.words += data.split()


class Found(HTMLParser):
    """Tags, link targets, handlers and texts of a page, and whether all rows are as wide as their header."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.handlers: set[str] = set()
        self.targets: list[str] = []
        self.texts: list[str] = []
        self.strong: list[str] = []
        self.widths: set[bool] = set()
        self.cells = self.header = 0
        self.inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.handlers |= {name for name, _ in attributes if name.startswith("on")}
        self.targets += [value or "" for name, value in attributes if name in ("href", "src")]
        self.inside = tag
        self.cells = 0 if tag == "tr" else self.cells + (tag in ("td", "th"))

    def handle_endtag(self, tag: str) -> None:
        if tag == "thead":
            self.header = self.cells
        elif tag == "tr" and self.header:
            self.widths.add(self.cells == self.header)
        elif tag == "table":
            self.header = 0

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.inside in ("strong", "h1"):
            self.strong.append(data)

    def is_harmless(self, hostile: str) -> bool:
        """Whether a hostile text is on the page, as nothing but text."""
        is_text = not self.tags & {"script", "b", "i"} and not self.handlers
        is_text &= not any(target.startswith("javascript") for target in self.targets)
        return (
            is_text
            and hostile in "".join(self.texts)
            and "b" not in self.strong
            and "heading" not in self.strong
        )


def at(numbers: dict[str, Any], path: str) -> tuple[Any, Any]:
    """The container and the key of a dotted path, such as `contenders.base.splits`; digits are indices of lists."""
    *before, last = path.split(".")
    held: Any = numbers
    for key in before:
        held = held[int(key) if key.isdigit() else key]
    return held, int(last) if last.isdigit() else last
