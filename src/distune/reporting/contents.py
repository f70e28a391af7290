"""The report's table of contents: which section stands where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from distune.analysis.findings import Findings
from distune.analysis.phases import wall_of
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import Code, Document, Figure, Headline, Line, line
from distune.reporting.sections import (
    audit,
    best,
    conclusion,
    confirmation,
    efficiency,
    files,
    gaps,
    improvement,
    insights,
    methodology,
    overview,
    patterns,
    recommendations,
    resources,
    results,
    usage,
)


@dataclass(frozen=True)
class Written:
    """The files that are written with a report.

    Attributes:
        files: what each is, and where.
        base_config: the file that holds the base config.
        space: the file with the recommended ranges.
    """

    files: tuple[tuple[str, Path], ...] = ()
    base_config: Path | None = None
    space: Path | None = None


def build(findings: Findings, figures: Mapping[str, Figure], written: Written) -> Document:
    """Puts the sections in order.

    Args:
        findings: the analysis.
        figures: the figures by name; a section takes those that it knows.
        written: the files that are written with the report.
    """
    study = findings.study
    return Document(
        title="Hyperparameter tuning summary",
        subtitle=_subtitle(findings),
        headlines=_headlines(findings),
        sections=(
            conclusion.section(findings, figures),
            overview.section(findings),
            audit.section(findings, written.base_config),
            methodology.section(findings),
            results.section(findings, figures),
            best.section(findings, figures),
            improvement.section(findings),
            confirmation.section(findings, figures),
            insights.section(findings, figures),
            patterns.section(findings),
            usage.section(findings, written.base_config, written.space),
            efficiency.section(findings, figures),
            resources.section(findings),
            recommendations.section(findings),
            *gaps.sections(findings),
            files.section(findings, written.files),
            *audit.appendix(findings),
        ),
        footer=line("Made by ", Code("distune report"), " from ", Code(study.source or "an open study"), "."),
    )


def _subtitle(findings: Findings) -> Line:
    return line("Study ", Code(findings.study.name or "without a name"))


def _gain(findings: Findings, searched: float) -> Headline:
    """The confirmed gain where there is one, else that of the search, marked as not confirmed."""
    gain = confirmation.confirmed_gain(findings)
    label = "Over the base config"
    if gain is None:
        return Headline(label, formats.gain(searched), improvement.UNCONFIRMED)
    value, _, remark = confirmation.in_words(findings, gain).partition(", ")
    return Headline(label, value, f"{remark}; {formats.gain(searched)} in the search")


def _headlines(findings: Findings) -> tuple[Headline, ...]:
    best_trial = findings.ranking.best
    counts = findings.ranking.counts
    shown = [
        Headline(
            "Trials",
            str(len(findings.study.trials)),
            ", ".join(f"{count} {state}" for state, count in counts.items()),
        )
    ]
    if best_trial is not None:
        shown.insert(
            0,
            Headline(
                f"Best score{findings.study.on_what}",
                formats.score(best_trial.value),
                f"trial {best_trial.number}, the best of {len(findings.ranking.trials)} complete, picked "
                + ("by this score" if findings.study.is_table else "on these data"),
            ),
        )
    baseline = findings.baseline
    if (
        not isinstance(baseline, Unknown)
        and not isinstance(baseline.gain, Unknown)
        and not baseline.is_base_best
    ):
        shown.insert(1, _gain(findings, baseline.gain))
    wall, saved = wall_of(findings.phases), efficiency.saved_between(findings.phases)
    if not isinstance(wall, Unknown):
        shown.append(Headline("Duration", formats.duration(wall.seconds)))
    if saved is not None:
        shown.append(
            Headline("Saved by pruning", formats.span_of_time(*saved), "of worker time, by yardstick")
        )
    return tuple(shown)
