"""What became of the rows that were read: how many were left out and why, and how many are in each split."""

from __future__ import annotations

from collections import Counter

from distune.data.audit.findings import AuditSection, Row
from distune.data.table import Split, Table

FLOW = "Participant flow"
"""The title of the section with the sizes of the splits."""
NAMES: dict[Split, str] = {
    "train": "train",
    "dev": "dev",
    "test": "test",
    "unlabelled": "without labels, for the teacher's answers alone",
    "unused": "without labels, of a case that a fold leaves out",
}


def participant_flow(table: Table) -> AuditSection:
    """Rows read, rows left out by cause, and examples and cases of each split; cases of dropped rows are not known."""
    causes = Counter(_cause(line) for line in table.dropped)
    rows: list[Row] = [{"step": "rows read", "examples": len(table) + len(table.dropped), "cases": ""}]
    rows += [
        {"step": f"dropped: {cause}", "examples": count, "cases": ""} for cause, count in causes.most_common()
    ]
    for split, name in NAMES.items():
        chosen = table.rows(split)
        if len(chosen):
            cases = len({table.groups[row] for row in chosen})
            rows.append({"step": name, "examples": len(chosen), "cases": cases})
    return AuditSection(FLOW, tuple(rows))


def _cause(line: str) -> str:
    """The first cause of a line `file:row: cause: detail; cause: detail`."""
    _, _, rest = line.partition(": ")
    return rest.split("; ")[0].split(": ")[0] or "no cause given"
