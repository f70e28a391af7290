"""Which items of a reporting guideline the report answers, and which are left to the authors.

TRIPOD+AI asks what a paper on a prediction model must say (Collins et al., BMJ 2024;385:e078378). An item counts as
given only where the report of this very study holds the section.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from distune.reporting.document import Bullets, Cell, Document, Section, TableBlock, line, paragraph
from distune.utils.text import counted

TITLE = "TRIPOD+AI checklist"
NAMES = ("tripod-ai",)
HEADER = ("Item", "What it asks", "In this report", "Left to the authors")


@dataclass(frozen=True)
class Item:
    """One item of the guideline.

    Attributes:
        number: in the guideline.
        asks: what it asks for, in a few words.
        sections: titles of the report's sections that answer it; empty where no tool can know.
        authors: what remains to be said even so; empty where nothing does.
        remedy: how a report comes to hold the sections.
    """

    number: str
    asks: str
    sections: tuple[str, ...] = ()
    authors: str = ""
    remedy: str = ""


CONFIRM = "distune confirm"
TRIPOD_AI = (
    Item("1, 2", "title and abstract", authors="both"),
    Item("3a-c", "clinical context, users, known inequalities", authors="all of it"),
    Item("4", "objectives: development, evaluation or both", authors="all of it"),
    Item("5a-b", "sources and dates of the data", authors="all of it"),
    Item("6a-c", "setting, eligibility, treatments", authors="all of it"),
    Item(
        "7", "preparation of the data", ("Audit of the data",), "what was done before Distune", "distune tune"
    ),
    Item(
        "8a-c",
        "outcome, how and by whom it was assessed",
        ("Class balance",),
        "who labelled, and how",
        "distune tune",
    ),
    Item("9a-c", "predictors and their choice", ("Training setup per trial",), "why these images and texts"),
    Item("10", "sample size", ("All comparisons",), "why so many cases; the power stands there", CONFIRM),
    Item("11", "missing data", ("With an input missing",), "how many were missing, and why", CONFIRM),
    Item("12a", "how the data were divided", ("Participant flow",), remedy="distune tune"),
    Item("12b-c", "model, tuning, internal validation", ("Search space", "Optimization strategy")),
    Item("12d", "differences between sites", authors="which column is the site (data.subgroup_columns)"),
    Item(
        "12e", "measures of performance", ("Confirmation in full", "Calibration"), "clinical utility", CONFIRM
    ),
    Item("12f", "updating of the model", authors="whether it was updated"),
    Item("12g", "how predictions are computed", ("Usage",)),
    Item("13", "class imbalance", ("Class balance",), "why weights or none", "distune tune"),
    Item("14", "fairness", ("Subgroups",), "what follows", "data.subgroup_columns"),
    Item(
        "15",
        "output and thresholds",
        ("Operating points",),
        "the threshold in use",
        f"{CONFIRM}, two classes",
    ),
    Item(
        "16",
        "development and evaluation data compared",
        ("Participant flow",),
        "their settings",
        "distune tune",
    ),
    Item("17", "ethical approval", authors="all of it"),
    Item("18a-d", "funding, interests, protocol, registration", authors="all of it"),
    Item("18e-f", "availability of data and code", ("Provenance",), "where both lie"),
    Item("19", "patient and public involvement", authors="all of it"),
    Item("20a", "flow of participants", ("Participant flow",), remedy="distune tune"),
    Item(
        "20b-c",
        "characteristics of participants, by data set",
        ("Subgroups",),
        "a table of them",
        "data.subgroup_columns",
    ),
    Item("21", "participants and outcomes in each analysis", ("Each class",), remedy=CONFIRM),
    Item("22", "the model itself", ("Best hyperparameters", "Files"), "where its weights lie"),
    Item(
        "23a",
        "performance with intervals, by subgroup",
        ("Confirmation in full", "Subgroups"),
        remedy=CONFIRM,
    ),
    Item("23b", "performance by site", authors="the same"),
    Item("24", "results of updating", authors="whether it was updated"),
    Item("25", "interpretation", ("Conclusion",), "what it means in practice"),
    Item("26", "limitations", ("Performance improvement", "Recommendations"), "those of the data"),
    Item("27a", "poor or missing inputs", ("With an input missing",), "what users are to do", CONFIRM),
    Item("27b-c", "users' expertise, next steps", authors="all of it"),
)


def tripod_ai(report: Document) -> Document:
    """The checklist of one report.

    Args:
        report: as `distune.reporting.contents.build` makes it.
    """
    there = set(_titles((*report.sections, *report.appendix)))
    rows = [(item, [title for title in item.sections if title in there]) for item in TRIPOD_AI]
    absent = [item for item, found in rows if len(found) < len(item.sections)]
    table = TableBlock(HEADER, tuple(_row(item, found) for item, found in rows))
    missing = Bullets(tuple(line(f"{item.number}: {_without(item, there)}") for item in absent))
    given = sum(bool(found) for _, found in rows)
    return Document(
        title=TITLE,
        subtitle=report.subtitle,
        headlines=(),
        lead=(
            paragraph(
                f"{given} of {counted(len(rows), 'row')} are answered by report.md at least in part, in the "
                "sections named here; "
                "the others only the authors know. Numbers are those of the guideline (Collins et al., BMJ "
                "2024;385:e078378), which says what each item asks for in full."
            ),
        ),
        sections=(
            Section("Items", (table,)),
            *([Section("What this report lacks", (missing,))] if absent else []),
        ),
    )


def _titles(sections: Iterable[Section]) -> Iterator[str]:
    for section in sections:
        yield section.title
        yield from _titles(section.parts)


def _row(item: Item, found: list[str]) -> tuple[Cell, ...]:
    given = ", ".join(found) or ("missing" if item.sections else "")
    return item.number, item.asks, given, item.authors


def _without(item: Item, there: set[str]) -> str:
    titles = ", ".join(title for title in item.sections if title not in there)
    return f"no section {titles}" + (f"; it comes with {item.remedy}" if item.remedy else "")
