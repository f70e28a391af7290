"""What the best trials have in common."""

from __future__ import annotations

from distune.analysis.findings import Findings
from distune.analysis.parameters.shared import Shared
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import Cell, Code, Section, Table, missing, paragraph

TITLE = "Patterns and observations"
HEADER = ("Parameter", "Among the best", "Share of the best", "Share of all tried")


def section(findings: Findings) -> Section:
    """Each parameter's common value or range, beside what the sampler tried anyway."""
    found = findings.shared
    if isinstance(found, Unknown):
        return Section(TITLE, (missing(found.reason),))
    rows: list[tuple[Cell, ...]] = [
        (Code(row.parameter), _shared(row), formats.share(row.of_best), formats.share(row.of_tried))
        for row in found.rows
    ]
    return Section(
        TITLE,
        (
            paragraph(
                f"The best {found.best} trials beside all {found.tried} complete and pruned ones. A sampler that "
                "learns tries good values often, so a shared value is no evidence that it helps."
            ),
            Table(HEADER, tuple(rows), numeric=frozenset({2, 3})),
        ),
    )


def _shared(row: Shared) -> str:
    if row.value is not None:
        return formats.value(row.parameter, row.value)
    low, high = (formats.value(row.parameter, end) for end in (row.low, row.high))
    return f"{low} to {high}"
