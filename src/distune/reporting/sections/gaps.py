"""What the study does not record."""

from __future__ import annotations

from distune.analysis.findings import Findings
from distune.reporting.document import Bullets, Section, line


def sections(findings: Findings) -> list[Section]:
    """A list of what is missing, so that no reader takes silence for a zero; no section where nothing is."""
    said = findings.study.missing
    if not said:
        return []
    return [Section("What the study does not record", (Bullets(tuple(line(sentence) for sentence in said)),))]
