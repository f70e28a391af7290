"""The complete best configuration beside the base."""

from __future__ import annotations

from collections.abc import Mapping

from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import (
    Block,
    Cell,
    Code,
    Figure,
    Section,
    Strong,
    Table,
    caution,
    line,
    missing,
    paragraph,
)
from distune.reporting.grouping import grouped, owner


def section(findings: Findings, figures: Mapping[str, Figure]) -> Section:
    """The best trial's parameters, their base values and the change."""
    baseline = findings.baseline
    if isinstance(baseline, Unknown):
        return Section("Best hyperparameters", (missing(baseline.reason),))
    best = baseline.best
    changes = {change.parameter: change for change in baseline.changes}
    rows: list[tuple[Cell, ...]] = []
    for title, name in grouped(list(changes), [owner(name) for name in changes]):
        found = changes[name]
        rows.append(
            (
                Strong(title) if title else "",
                line(Code(name), f" ({formats.MEANINGS[name]})") if name in formats.MEANINGS else Code(name),
                Strong(formats.value(name, found.best)),
                formats.default(name, found.base),
                formats.change(name, findings.study.space.get(name), found.best, found.base),
            )
        )
    blocks: list[Block] = [
        paragraph(
            "Trial ",
            Strong(str(best.number)),
            " has the best score: ",
            Strong(formats.score(best.value)),
            ".",
        ),
        Table(
            ("Category", "Parameter", "Best value", "Base value", "Change"),
            tuple(rows),
            numeric=frozenset({2, 3}),
        ),
    ]
    unknown = [change.parameter for change in baseline.changes if change.base is None]
    if unknown:
        blocks.append(missing("The study does not record the base value of ", formats.listing(unknown), "."))
    blocks.append(
        caution(
            "The table says what changed, not what helped: all parameters changed together. "
            "The effect of each one is estimated under Insights."
        )
    )
    return Section("Best hyperparameters", tuple(blocks), parts=(_model(findings, figures),))


def _model(findings: Findings, figures: Mapping[str, Figure]) -> Section:
    """How the best trial learned and predicts, from its run folder."""
    run = findings.best_run
    if isinstance(run, Unknown):
        return Section("The best trial's model", (missing(run.reason),))
    reasons = [
        part.reason for part in (run.curves, run.confusions, run.predictions) if isinstance(part, Unknown)
    ]
    shown = [figures[name] for name in ("learning", "confusion", "reliability") if name in figures]
    return Section(
        "The best trial's model", (*shown, *(missing(reason) for reason in dict.fromkeys(reasons)))
    )
