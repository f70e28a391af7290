"""What the best trials have in common."""

from __future__ import annotations

from distune.analysis.findings import Findings
from distune.analysis.parameters.patterns import Pattern, Patterns
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import Cell, Code, Section, Strong, Table, caution, missing, paragraph

TITLE = "Patterns among the best trials"


def section(findings: Findings) -> Section:
    """Each parameter's common value or range, beside what the sampler tried anyway."""
    found = findings.patterns
    if isinstance(found, Unknown):
        return Section(TITLE, (missing(found.reason),))
    beyond = [pattern for pattern in found.patterns if pattern.is_beyond_sampler]
    rows: list[tuple[Cell, ...]] = [
        (
            Code(pattern.parameter),
            _shared(pattern),
            formats.share(pattern.top_share),
            formats.share(pattern.all_share),
            formats.probability(pattern.p_holm),
            _reading(pattern),
        )
        for pattern in found.patterns
    ]
    header = ("Parameter", "Among the best", "Share of the best", "Share of all tried", "p (Holm)", "Reading")
    return Section(
        TITLE,
        (
            paragraph(
                f"{_compared(findings, found)} beside all {found.tried} complete and pruned ones. What was tried often "
                "is shared often, and a sampler that learns crowds around good values, so a shared value proves "
                "little: p is the share of random groups, with as many trials from each quarter of the study, that "
                "are at least as uniform."
            ),
            Table(header, tuple(rows), numeric=frozenset({2, 3, 4})),
            caution(
                f"{len(beyond)} of {len(found.patterns)} patterns are more than the sampler's own concentration gives."
            ),
        ),
    )


def _compared(findings: Findings, found: Patterns) -> str:
    if found.top == len(findings.ranking.trials):
        return f"All {found.top} complete trials, here called the best,"
    return f"The best {found.top} trials"


def _reading(pattern: Pattern) -> Cell:
    if pattern.is_beyond_sampler:
        return Strong("more than the sampler's concentration")
    if pattern.top_share <= 0.5:
        return "nothing in common"
    return "the sampler's concentration can explain it"


def _shared(pattern: Pattern) -> str:
    if pattern.value is not None:
        return formats.value(pattern.parameter, pattern.value)
    low, high = (formats.value(pattern.parameter, end) for end in (pattern.low, pattern.high))
    return f"{low} to {high}"
