"""How the recommended config scores by sex, age or site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats, verdicts
from distune.reporting.document import Block, Cell, Code, Section, TableBlock, missing, paragraph
from distune.utils.text import counted

HEADER = ("Group", "Examples", "Cases", "Score", "Accuracy", "From all others", "Reading")
TITLE = "Subgroups"


def section(findings: Findings) -> Section | None:
    """One table a column of `data.subgroup_columns`; no section without a confirmation that has some."""
    if isinstance(findings.confirmation, Unknown):
        return None
    numbers = findings.confirmation.numbers
    if not numbers.get("subgroups"):
        return None
    chosen, split = verdicts.recommended(numbers), numbers["split"]
    said = paragraph(
        "Of ",
        Code(chosen),
        f" on {split}, with 95 % intervals over cases and seeds. The score of a group counts the classes that it has. "
        "Differences are of its accuracy from that of all other examples, with intervals that hold for all groups "
        "together; a small group is not compared.",
    )
    parts = tuple(_column(name, about) for name, about in numbers["subgroups"].items())
    return Section(TITLE, (said,), parts)


def _column(name: str, about: Mapping[str, Any]) -> Section:
    title = formats.plain(name, 60)
    if not about["groups"]:
        why = (
            f"{about['values']} different values are too many for groups."
            if about["values"]
            else "No values."
        )
        return Section(title, (missing(why),))
    rows: list[tuple[Cell, ...]] = [
        (
            formats.plain(group["name"], 60),
            str(group["examples"]),
            str(group["cases"]),
            formats.over_seeds(group["score"]),
            formats.over_seeds(group["accuracy"]),
            formats.DASH
            if group["difference"] is None
            else formats.over_seeds(group["difference"], formats.gain),
            _reading(group),
        )
        for group in about["groups"]
    ]
    blocks: list[Block] = [TableBlock(HEADER, tuple(rows), frozenset({1, 2, 3, 4, 5}))]
    if about["unknown"]:
        blocks.append(paragraph(f"{counted(about['unknown'], 'example has', 'examples have')} no value."))
    return Section(title, tuple(blocks))


def _reading(group: Mapping[str, Any]) -> str:
    if group["small"]:
        return "small: nothing can be said of a difference"
    return group["difference"]["verdict"] if group["difference"] else "the others are too few"
