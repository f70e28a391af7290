"""What the study does not record."""

from __future__ import annotations

from distune.analysis.findings import Findings
from distune.reporting.document import Bullets, Section, line, paragraph


def section(findings: Findings) -> Section:
    """A list of what is missing, so that no reader takes silence for a zero."""
    said = findings.study.missing
    if not said:
        return Section("What the study does not record", (paragraph("Nothing that this report asks for."),))
    return Section("What the study does not record", (Bullets(tuple(line(sentence) for sentence in said)),))
