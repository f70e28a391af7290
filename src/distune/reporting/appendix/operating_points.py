"""What the recommended config finds at fixed specificities, in tasks of two classes."""

from __future__ import annotations

from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats, verdicts
from distune.reporting.document import Cell, Code, Section, Table, paragraph

HEADER = (
    "Task",
    "Looked for",
    "Specificity on dev",
    "Threshold",
    "Sensitivity on test",
    "Specificity on test",
)
TITLE = "Operating points"


def section(findings: Findings) -> Section | None:
    """One row a specificity; no section without a confirmed task of two classes on a test split."""
    if isinstance(findings.confirmation, Unknown):
        return None
    numbers = findings.confirmation.numbers
    chosen = verdicts.recommended(numbers)
    judged = numbers["contenders"][chosen]["splits"]["test"]
    rows: list[tuple[Cell, ...]] = [
        (
            task,
            formats.plain(each["positive"], 40),
            f"{point['wanted']:.2f} or more",
            *(formats.over_seeds(point[key]) for key in ("threshold", "sensitivity", "specificity")),
        )
        for task, values in (judged or {"tasks": {}})["tasks"].items()
        for each in values.get("operating_points") or []
        for point in each["points"]
    ]
    if not rows:
        return None
    said = paragraph(
        "Of ",
        Code(chosen),
        ": thresholds of the probability are chosen on dev and judged on test, with 95 % intervals over cases and "
        f"seeds. {formats.DASH} where dev has too few examples for such a specificity.",
    )
    return Section(TITLE, (said, Table(HEADER, tuple(rows), frozenset({2, 3, 4, 5}))))
