"""What a report states, apart from its wording: headings, tables, numbers, names, and how many clauses there are."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

_FACT = re.compile(r"`[^`]+`|[+−<>-]?\s?\d[\d,.]*(?:e[+-]?\d+)?(?:\s?%)?")
_CLAUSE = re.compile(r"[.!?:;,](?=\s|$)")
_FOREST = "## Importance of the parameters"
_SHARE = re.compile(r"\d+(?:\.\d+)? %")


def facts_of(markdown: str, *folders: Path) -> str:
    """A report as Markdown, with each sentence reduced to its numbers and names; tables and headings stay.

    Who writes a sentence anew changes nothing here; who changes a number, a condition or a row does. The importances
    are left out: scikit-learn draws its forests, and another version of it draws others.

    Args:
        markdown: the report.
        folders: of this machine that it names.
    """
    for folder in folders:
        markdown = markdown.replace(str(folder), "/folder")
    shown: list[str] = []
    is_of_forest = False
    for line in markdown.splitlines():
        if line.startswith("#"):
            is_of_forest = line == _FOREST
        if is_of_forest:
            line = _SHARE.sub("of a forest", line)
        if not line.strip() or line.startswith("<!--"):
            continue
        if line.startswith(("#", "|")):
            shown.append(line)
        else:
            text = re.sub(r"\((?:figures/|data:)[^)]*\)", "", line)
            facts = [found.strip().rstrip(".,") for found in _FACT.findall(text)]
            shown.append(" ".join([f"{len(_CLAUSE.findall(text))}:", *facts]))
    return "\n".join(shown) + "\n"


class Tags(HTMLParser):
    """How often each element of a class is on a page, places where a long path may break left out."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.feed(page.split("</style>")[-1])

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        kind = dict(attributes).get("class")
        if tag == "wbr":
            return
        self.counts[f"{tag}.{kind}" if kind else tag] += 1


class Drawings(HTMLParser):
    """A line for each drawing of a page: its size, how many marks it has, and its words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._is_text = False
        self._marks = page.split("<svg")
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._is_text = tag == "text"
        if tag == "svg":
            size, marks = dict(attributes)["viewbox"], self._marks[len(self.found) + 1].count("<use")
            self.found.append(f"{size}, {marks} marks:")

    def handle_data(self, data: str) -> None:
        if self._is_text and self.found and data.strip():
            self.found[-1] += f" {data.strip()}"
