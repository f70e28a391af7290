"""Which parameters matter, and what the best trials have in common."""

from __future__ import annotations

from collections.abc import Iterator

from distune.analysis.findings import Findings
from distune.analysis.parameters.importance import Importance
from distune.analysis.parameters.shared import Shared
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats, parameters
from distune.reporting.document import (
    Block,
    Cell,
    Code,
    Line,
    Paragraph,
    Section,
    TableBlock,
    line,
    names,
    paragraph,
)
from distune.utils.text import counted

TITLE = "Patterns and observations"
NOTHING_STANDS_OUT = "No parameter stands out from what shuffled scores give."
HEADER = ("Parameter", "Among the best", "Share of the best", "Share of all tried")


def section(findings: Findings) -> Section:
    """Which parameters matter, then each one's common value or range beside what the sampler tried anyway."""
    importance, found = findings.importance, findings.shared
    blocks: list[Block] = [
        paragraph(importance.reason) if isinstance(importance, Unknown) else Paragraph(mattered(importance))
    ]
    if isinstance(found, Unknown):
        return Section(TITLE, (*blocks, *_common(findings)))
    rows: list[tuple[Cell, ...]] = [
        (Code(row.parameter), _shared(row), formats.share(row.of_best), formats.share(row.of_tried))
        for row in found.rows
    ]
    said = (
        f"The best {found.best} trials beside all {found.tried} complete and pruned ones. A sampler that learns tries "
        "good values often, so a shared value is no evidence that it helps."
    )
    return Section(
        TITLE, (*blocks, paragraph(said), TableBlock(HEADER, tuple(rows), numeric=frozenset({2, 3})))
    )


def _common(findings: Findings) -> Iterator[Block]:
    """Values that all of the best trials have and others do not, where there are too few trials for a table of them."""
    best = findings.ranking.top()
    tried = [trial for trial in findings.study.trials if trial.state in ("complete", "pruned")]
    for name in findings.study.space:
        if not all(name in trial.params for trial in best):
            continue
        values = {str(trial.params[name]) for trial in best}
        count = sum(name in trial.params and str(trial.params[name]) in values for trial in tried)
        if len(values) == 1 and len(best) > 1 and count < len(tried):
            value = parameters.value(name, best[0].params.get(name))
            yield paragraph(
                f"All of the best {len(best)} have ",
                Code(name),
                f" = {value}, but so do {count} of all {len(tried)} completed or pruned trials: no evidence.",
            )


def mattered(found: Importance) -> Line:
    """The parameters that stand out from shuffled scores, and what so few trials could have missed."""
    missed = (
        f"Had values been tried evenly, {counted(found.trials, 'complete trial')} would show an effect of "
        f"{formats.score(found.detects)} between the lowest and the highest value in four studies of five; a sampler "
        "that leaves bad values early shows it less often."
    )
    if not found.named:
        return line(f"{NOTHING_STANDS_OUT} {missed}")
    matter = "matters" if len(found.named) == 1 else "matter"
    return line(
        *names(found.named),
        f" {matter} more than shuffled scores give in one study of 20; a sampler such as TPE gathers around early "
        f"lucky trials, and names one of pure noise in about one study of twelve. {missed}",
    )


def _shared(row: Shared) -> str:
    if row.value is not None:
        return parameters.value(row.parameter, row.value)
    low, high = (parameters.value(row.parameter, end) for end in (row.low, row.high))
    return f"{low} to {high}"
