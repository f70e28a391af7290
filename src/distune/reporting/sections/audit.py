"""What the audit found in the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.data.audit.findings import SEVERITIES, counted
from distune.reporting import formats
from distune.reporting.document import Bullets, Code, Section, Strong, Table, line, missing, paragraph
from distune.reporting.paths import quoted

TITLE = "The data"
APPENDIX = "Appendix: the data in tables"
ROWS_OF_EVIDENCE = 5
MOST_ROWS = 60
LONGEST_CELL = 160
SEVERITY_TITLES = {
    "severe": "Severe findings: leaks, the scores do mislead",
    "warning": "Warnings: the scores can mislead",
    "info": "Notes",
}


def section(findings: Findings, base_config: Path | None) -> Section:
    """The findings, the worst first.

    Args:
        findings: the analysis.
        base_config: a file that holds the base config, where there is one.
    """
    audit = findings.audit
    if findings.study.is_table:
        return Section(TITLE, (missing("A table of trials says nothing about its data."),))
    if isinstance(audit, Unknown):
        command = f"distune audit {quoted(base_config) if base_config is not None else 'CONFIG'}"
        return Section(TITLE, (missing(f"{audit.reason} The data are audited by ", Code(command), "."),))
    by_severity = {
        severity: [found for found in audit["findings"] if found["severity"] == severity]
        for severity in reversed(SEVERITIES)
    }
    counts = counted(found["severity"] for found in audit["findings"])
    parts = [
        Section(
            SEVERITY_TITLES[severity],
            (Bullets(tuple(line(Strong(f"{each['title']}."), f" {each['detail']}") for each in found)),),
        )
        for severity, found in by_severity.items()
        if found
    ]
    said = paragraph(f"The audit before the first trial found: {counts}. Its tables are in the appendix.")
    return Section(TITLE, (said,), tuple(parts))


def appendix(findings: Findings) -> list[Section]:
    """The evidence of the findings and the tables that describe the data; no section without an audit."""
    audit = findings.audit
    if isinstance(audit, Unknown):
        return []
    described = [(about["title"], about["rows"], MOST_ROWS) for about in audit["sections"]]
    evidence = [(found["title"], found["rows"], ROWS_OF_EVIDENCE) for found in audit["findings"]]
    parts = tuple(
        Section(title, (_table(rows, most),)) for title, rows, most in [*evidence, *described] if rows
    )
    return [Section(APPENDIX, parts=parts)] if parts else []


def _table(rows: Sequence[Mapping[str, Any]], most: int) -> Table:
    """Rows of equal keys, the first of them where they are many."""
    header = list(rows[0])
    shown = rows[:most]
    numeric = {
        column
        for column, key in enumerate(header)
        if all(isinstance(row.get(key), int | float) for row in shown)
    }
    return Table(
        tuple(formats.plain(key, LONGEST_CELL) for key in header),
        tuple(tuple(_cell(row.get(key)) for key in header) for row in shown),
        numeric=frozenset(numeric),
        caption=f"The first {most} of {len(rows)} rows." if len(rows) > most else None,
    )


def _cell(held: Any) -> str:
    if held is None:
        return formats.DASH
    return f"{held:.4g}" if isinstance(held, float) else formats.plain(held, LONGEST_CELL)
