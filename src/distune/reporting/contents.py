"""The report's table of contents: which section stands where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from distune.analysis.findings import Findings
from distune.reporting import first_screen
from distune.reporting.appendix import (
    audit,
    confirmation,
    learning_curves,
    mistakes,
    operating_points,
    parameters,
    provenance,
    subgroups,
    time,
)
from distune.reporting.document import Code, Document, Figure, Line, Note, Section, line
from distune.reporting.notices import lead
from distune.reporting.sections import (
    best,
    conclusion,
    efficiency,
    files,
    improvement,
    methodology,
    overview,
    patterns,
    recommendations,
    resources,
    results,
    starting_values,
    usage,
)

TITLE = "Hyperparameter tuning summary"


@dataclass(frozen=True)
class Written:
    """The files that are written with a report.

    Attributes:
        files: what each is, and where.
        base_config: the file that holds the base config.
        space: the file with the recommended ranges.
        texts: what is written into the last two.
    """

    files: tuple[tuple[str, Path], ...] = ()
    base_config: Path | None = None
    space: Path | None = None
    texts: Mapping[Path, str] = field(default_factory=dict)


def subtitle(study: str | None) -> Line:
    """The line under the title, which says whose report it is."""
    return line("Study ", Code(study or "without a name"))


def build(
    findings: Findings, figures: Mapping[str, Figure], written: Written, *, examples: bool = False
) -> Document:
    """Puts the sections in order.

    Args:
        findings: the analysis.
        figures: the figures by name; a section takes those that it knows.
        written: the files that are written with the report.
        examples: whether images and texts of patients are shown.
    """
    study = findings.study
    sections = (
        overview.section(findings),
        methodology.section(findings),
        results.section(findings, figures),
        best.section(findings),
        improvement.section(findings, figures),
        patterns.section(findings),
        usage.section(findings, written.base_config, written.space),
        starting_values.section(findings, written.space),
        efficiency.section(findings),
        resources.section(findings),
        recommendations.section(findings),
        conclusion.section(findings),
        files.section(findings, written.files),
    )
    appendix: tuple[Section | None, ...] = (
        confirmation.section(findings, figures),
        subgroups.section(findings),
        mistakes.section(findings) if examples else None,
        operating_points.section(findings),
        parameters.section(findings, figures),
        learning_curves.section(findings, figures),
        time.section(findings, figures),
        audit.section(findings, examples=examples),
        provenance.section(findings),
    )
    found = [section for section in appendix if section]
    return Document(
        title=TITLE,
        subtitle=subtitle(study.name),
        headlines=first_screen.headlines(findings),
        lead=lead(findings),
        sections=tuple(_known(sections) if study.is_table else sections),
        appendix=tuple(_known(found) if study.is_table else found),
        footer=line("Made by ", Code("distune report"), " from ", Code(study.source or "an open study"), "."),
    )


def _known(sections: Iterable[Section]) -> Iterator[Section]:
    """Sections without what is not known: a foreign table lacks much, which one sentence of the overview says."""
    for section in sections:
        blocks = tuple(
            block for block in section.blocks if not (isinstance(block, Note) and block.kind == "missing")
        )
        parts = tuple(_known(section.parts))
        if blocks or parts:
            yield replace(section, blocks=blocks, parts=parts)
