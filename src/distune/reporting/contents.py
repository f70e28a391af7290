"""The report's table of contents: which section stands where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distune.analysis.findings import Findings
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
    label = "Best trial over the base config"
    if gain is None:
        return Headline(label, formats.gain(searched), improvement.UNCONFIRMED)
    value, _, remark = confirmation.in_words(findings, gain).partition(", ")
    return Headline(label, value, f"{remark}; {formats.gain(searched)} in the search")


def _headlines(findings: Findings) -> tuple[Headline, ...]:
    """What the page leads with: the decision and how good it is, as far as it was confirmed; never the time it took."""
    counts = findings.ranking.counts
    trials = Headline(
        "Trials",
        str(len(findings.study.trials)),
        ", ".join(f"{count} {state}" for state, count in counts.items()),
    )
    baseline = findings.baseline
    has_gain = (
        not isinstance(baseline, Unknown)
        and not isinstance(baseline.gain, Unknown)
        and not baseline.is_base_best
    )
    gain = (_gain(findings, baseline.gain),) if has_gain else ()  # type: ignore[union-attr,arg-type]
    confirmed = findings.confirmation
    if not isinstance(confirmed, Unknown) and confirmed.is_current:
        own = tuple(_confirmed_gain(confirmed.numbers))
        return (*_decision(confirmed.numbers), *(own or gain), trials)
    best_trial = findings.ranking.best
    if best_trial is None:
        return (trials,)
    best = Headline(
        f"Best score{findings.study.on_what}",
        formats.score(best_trial.value),
        f"trial {best_trial.number}, the best of {len(findings.ranking.trials)} complete, picked "
        + ("by this score" if findings.study.is_table else "on these data"),
    )
    return (best, *gain, trials)


def _decision(numbers: Mapping[str, Any]) -> Iterator[Headline]:
    """The recommended config, its score with the interval over cases and seeds, and what new cases may show."""
    split, chosen = numbers["split"], numbers["recommendation"]["contender"]
    about = numbers["recommendation"].get("candidates", {}).get(chosen, {})
    chance = about.get("probability_best")
    yield Headline(
        "Recommended config",
        formats.plain(chosen),
        "" if chance is None else f"best of the candidates with probability {formats.share(chance)}",
    )
    judged = numbers["contenders"][chosen]["splits"][split]
    if judged is None:
        return
    score = judged["score"]
    flatters = ", which the search has seen" if numbers["optimistic"] else ""
    between = (
        "no interval: too few cases"
        if score["low"] is None
        else f"95 % interval over cases and seeds {formats.score(score['low'])} to {formats.score(score['high'])}"
    )
    yield Headline(f"Score on {split}{flatters}", formats.score(score["mean"]), between)
    if (forecast := judged.get("forecast")) is not None:
        yield Headline(
            f"Forecast for {forecast['cases']} new cases",
            f"{formats.score(forecast['low'])} to {formats.score(forecast['high'])}",
            "in 95 % of such sets",
        )


def _confirmed_gain(numbers: Mapping[str, Any]) -> Iterator[Headline]:
    """The recommended config's own gain over the base; nothing where it is the base, or was not compared with it."""
    chosen = numbers["recommendation"]["contender"]
    for made in numbers["comparisons"]:
        if made["first"] == chosen and numbers["contenders"].get(made["second"], {}).get("is_base"):
            between = f"{formats.gain(made['low'])} to {formats.gain(made['high'])}"
            yield Headline(
                "Its gain over the base config",
                formats.gain(made["difference"]),
                f"95 % interval {between} on {numbers['split']}: {made['verdict']}",
            )
            return
