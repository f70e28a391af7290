"""What the audit found in the data, the worst first, with its evidence and the tables that describe the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.data.audit.findings import SEVERITIES
from distune.reporting import formats
from distune.reporting.document import Bullets, Section, Strong, TableBlock, line
from distune.utils.text import counted

TITLE = "Audit of the data"
ROWS_OF_EVIDENCE = 5
MOST_ROWS = 60
LONGEST_CELL = 160
TEXTS_OF_PATIENTS = ("text",)
"""Columns of the evidence that hold what was written about a patient."""
SEVERITY_TITLES = {
    "severe": "Severe findings: leaks, the scores mislead",
    "warning": "Warnings: the scores can mislead",
    "info": "Notes",
}


def section(findings: Findings, *, examples: bool = False) -> Section | None:
    """The findings and their tables; None without an audit.

    Args:
        findings: the analysis.
        examples: whether texts of patients are shown.
    """
    audit = findings.audit
    if isinstance(audit, Unknown):
        return None
    parts = []
    for severity in reversed(SEVERITIES):
        found = [each for each in audit["findings"] if each["severity"] == severity]
        if found:
            items = tuple(line(Strong(f"{each['title']}."), f" {each['detail']}") for each in found)
            parts.append(Section(SEVERITY_TITLES[severity], (Bullets(items),)))
    evidence = [(found["title"], found["rows"], ROWS_OF_EVIDENCE) for found in audit["findings"]]
    described = [(about["title"], about["rows"], MOST_ROWS) for about in audit["sections"]]
    hidden = () if examples else TEXTS_OF_PATIENTS
    for title, rows, most in [*evidence, *described]:
        shown = [{key: held for key, held in row.items() if key not in hidden} for row in rows]
        if shown and shown[0]:
            parts.append(Section(title, (_table(shown, most),)))
    return Section(TITLE, parts=tuple(parts))


def _table(rows: Sequence[Mapping[str, Any]], most: int) -> TableBlock:
    """Rows of equal keys, the first of them where they are many."""
    header = list(rows[0])
    shown = rows[:most]
    numeric = {
        column
        for column, key in enumerate(header)
        if all(isinstance(row.get(key), int | float) for row in shown)
    }
    return TableBlock(
        tuple(formats.plain(key, LONGEST_CELL) for key in header),
        tuple(tuple(_cell(row.get(key)) for key in header) for row in shown),
        numeric=frozenset(numeric),
        caption=f"The first {most} of {counted(len(rows), 'row')}." if len(rows) > most else None,
    )


def _cell(held: Any) -> str:
    if held is None:
        return formats.DASH
    return f"{held:.4g}" if isinstance(held, float) else formats.plain(held, LONGEST_CELL)
