"""The form of an audit's result: findings with their evidence, and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from distune.utils.short_repr import short_repr
from distune.utils.text import counted

Severity = Literal["info", "warning", "severe"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "severe")
COUNTED: dict[str, tuple[str, str]] = {
    "severe": ("severe finding", "severe findings"),
    "warning": ("warning", "warnings"),
    "info": ("note", "notes"),
}
"""What one and what several findings of a severity are called, the worst first."""
Row = Mapping[str, str | int | float]
MOST_ROWS = 50


def by_severity(severities: Iterable[str]) -> str:
    """How many findings of each severity there are, such as `1 severe finding, 2 warnings, 4 notes`."""
    counts = Counter(severities)
    return (
        ", ".join(
            counted(counts[severity], *called) for severity, called in COUNTED.items() if counts[severity]
        )
        or "nothing"
    )


@dataclass(frozen=True)
class Finding:
    """One thing that the reader of a result on this data should know.

    Attributes:
        kind: short fixed name of the rule, such as `groups_across_splits`.
        severity: `info`, `warning` (scores can mislead), or `severe` (a leak: scores do mislead).
        title: the finding in a few words.
        detail: one or two sentences with the numbers and what to do.
        rows: the evidence, at most 50 rows of equal keys; `detail` gives the full count.
    """

    kind: str
    severity: Severity
    title: str
    detail: str
    rows: tuple[Row, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(self.rows)[:MOST_ROWS])


@dataclass(frozen=True)
class AuditSection:
    """A table that describes the data; all rows have equal keys."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class AuditReport:
    """What an audit found, the worst first."""

    __repr__ = short_repr

    findings: tuple[Finding, ...]
    sections: tuple[AuditSection, ...]

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """The severe findings."""
        return tuple(finding for finding in self.findings if finding.severity == "severe")

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as plain lists, mappings, strings and numbers for JSON."""
        return {
            "findings": [
                {**asdict(finding), "rows": [dict(row) for row in finding.rows]} for finding in self.findings
            ],
            "sections": [
                {"title": section.title, "rows": [dict(row) for row in section.rows]}
                for section in self.sections
            ],
        }
