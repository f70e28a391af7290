"""Whether the gain holds over seeds and on the test split."""

from __future__ import annotations

from distune.analysis.findings import Findings
from distune.reporting.document import Commands, Section, missing
from distune.reporting.paths import quoted


def section(findings: Findings) -> Section:
    """Says that the study is not confirmed, and how to confirm it."""
    return Section(
        "Confirmation",
        (
            missing(
                "Not confirmed. Every score on this page is of one seed, on the dev split that the search itself "
                "looked at, and the best of many trials is partly luck. Confirmation trains the best trials and the "
                "base config again over several seeds and judges them once on the test split:"
            ),
            Commands(command(findings)),
        ),
    )


def command(findings: Findings) -> str:
    """The shell command that confirms the study."""
    study = findings.study
    return f"distune confirm {quoted(study.folder if study.folder is not None else study.name or 'STUDY')}"
