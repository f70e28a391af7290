"""What a report states, apart from its wording: headings, tables, numbers, names, and how many sentences there are."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

_FACT = re.compile(r"`[^`]+`|[+−<>-]?\s?\d[\d,.]*(?:e[+-]?\d+)?(?:\s?%)?")
_SENTENCE = re.compile(r"[.!?:](?=\s|$)")
_OF_THE_MACHINE = re.compile(r"/[^\s`|]*(/pytest-[^\s`|/]+/[^\s`|/]+|/tests/reporting)")


def facts_of(markdown: str) -> str:
    """A report as Markdown, with each sentence reduced to its numbers and names; tables and headings stay.

    Who writes a sentence anew changes nothing here; who changes a number, a condition or a row does.
    """
    shown = []
    for line in _OF_THE_MACHINE.sub("/tmp", markdown).splitlines():
        if not line.strip():
            continue
        if line.startswith(("#", "|")):
            shown.append(line)
        else:
            text = re.sub(r"\((?:figures/|data:)[^)]*\)", "", line)
            facts = [found.strip().rstrip(".,") for found in _FACT.findall(text)]
            shown.append(" ".join([f"{len(_SENTENCE.findall(text))}:", *facts]))
    return "\n".join(shown) + "\n"


class Tags(HTMLParser):
    """How often each element of a class is on a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.feed(page.split("</style>")[-1])

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        kind = dict(attributes).get("class")
        self.counts[f"{tag}.{kind}" if kind else tag] += 1
