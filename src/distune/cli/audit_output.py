"""How `distune audit` prints what it found."""

from __future__ import annotations

from collections.abc import Sequence

from distune.cli.output import say
from distune.data.audit.audit import AuditReport
from distune.data.audit.findings import Row, by_severity

ROWS_SHOWN = 8
SECTION_ROWS_SHOWN = 100


def print_audit(report: AuditReport) -> None:
    """Prints the describing tables, then the findings with their evidence, the worst last."""
    for section in report.sections:
        say()
        say(section.title)
        _print_rows(section.rows, SECTION_ROWS_SHOWN)
    for finding in reversed(report.findings):
        say()
        say(f"[{finding.severity}] {finding.title}")
        say(f"  {finding.detail}")
        _print_rows(finding.rows, ROWS_SHOWN)
    say()
    say(f"found: {by_severity(finding.severity for finding in report.findings)}")


def _print_rows(rows: Sequence[Row], most: int) -> None:
    if not rows:
        return
    cells = [list(rows[0]), *([_shown(value) for value in row.values()] for row in rows[:most])]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row in cells:
        say("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if len(rows) > most:
        say(f"  ... and {len(rows) - most} more")


def _shown(value: str | int | float) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
