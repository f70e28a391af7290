"""What the study cost."""

from __future__ import annotations

from collections.abc import Mapping

from distune.analysis.cost import Cost, Saving
from distune.analysis.findings import Findings
from distune.analysis.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import (
    Block,
    Cell,
    Figure,
    Section,
    Strong,
    Table,
    caution,
    missing,
    paragraph,
)

STATE_NAMES = {"complete": "Complete", "pruned": "Pruned", "failed": "Failed"}


def section(findings: Findings, figures: Mapping[str, Figure]) -> Section:
    """Times, savings, stages, and the store."""
    return Section(
        "Computational efficiency",
        parts=(
            _times(findings.cost),
            _pruning(findings.cost),
            _stages(findings, figures),
            _store(findings.cost),
        ),
    )


def _times(cost: Cost) -> Section:
    if not cost.times:
        return Section("Time per trial", (missing("No trial of this study has a time."),))
    rows: list[tuple[Cell, ...]] = [
        (
            STATE_NAMES[state],
            f"{times.timed} of {times.trials}" if times.timed < times.trials else str(times.trials),
            formats.duration(times.mean),
            formats.duration(times.median),
            formats.duration(times.total),
        )
        for state, times in cost.times.items()
    ]
    table = Table(
        ("Trials", "Timed", "Mean", "Median", "Total"), tuple(rows), numeric=frozenset({1, 2, 3, 4})
    )
    blocks: list[Block] = [table]
    if isinstance(cost.wall, Unknown):
        blocks.append(missing(cost.wall.reason))
    elif isinstance(cost.parallelism, Unknown):
        blocks.append(paragraph(f"On the clock: {formats.duration(cost.wall.seconds)}, {cost.wall.rule}."))
    else:
        blocks.append(
            paragraph(
                f"On the clock: {formats.duration(cost.wall.seconds)}, {cost.wall.rule}; "
                f"on average {cost.parallelism:.1f} trials ran at once."
            )
        )
    return Section("Time per trial", tuple(blocks))


def _pruning(cost: Cost) -> Section:
    if isinstance(cost.saving, Unknown):
        return Section("Time saved by pruning", (missing(cost.saving.reason),))
    saving, pruned, complete = cost.saving, cost.times["pruned"], cost.times["complete"]
    verb = "saved" if saving.saved >= 0 else "cost"
    blocks: list[Block] = [
        paragraph(
            f"Pruning {verb} ",
            Strong(f"{formats.duration(abs(saving.saved))} of {formats.duration(saving.without_pruning)}"),
            f" ({formats.share(abs(saving.share))}) of the time of the trials.",
        ),
        paragraph(
            f"Computed as {pruned.timed} pruned trials × the mean of the complete ones "
            f"({formats.duration(complete.mean)}) − what the pruned ones took ({formats.duration(pruned.total)}); "
            "the share is of the time that complete and pruned trials would have taken together."
        ),
        Table(("Yardstick", "Saved"), _yardsticks(saving), numeric=frozenset({1})),
    ]
    if saving.untimed:
        blocks.append(caution(f"{saving.untimed} pruned trials have no time and are left out."))
    if saving.saved < 0:
        blocks.append(
            caution("The pruned trials took longer than the complete ones, so this estimate is below zero.")
        )
    return Section("Time saved by pruning", tuple(blocks))


def _yardsticks(saving: Saving) -> tuple[tuple[Cell, ...], ...]:
    rows: list[tuple[Cell, ...]] = [
        ("mean complete trial", formats.duration(saving.saved)),
        ("median complete trial", formats.duration(saving.by_median)),
    ]
    if not isinstance(saving.by_epochs, Unknown):
        rows.append(("each pruned trial's own student epochs", formats.duration(saving.by_epochs)))
    return tuple(rows)


def _stages(findings: Findings, figures: Mapping[str, Figure]) -> Section:
    cost = findings.cost
    if not cost.stages:
        shown = (figures["cost"],) if "cost" in figures else ()
        return Section("Time by stage", (missing("The trials do not record their time by stage."), *shown))
    total = sum(cost.stages.values())
    rows: list[tuple[Cell, ...]] = [
        (stage, formats.duration(seconds), formats.share(seconds / total) if total else formats.DASH)
        for stage, seconds in cost.stages.items()
    ]
    blocks: list[Block] = [Table(("Stage", "Total", "Share"), tuple(rows), numeric=frozenset({1, 2}))]
    if "cost" in figures:
        blocks.append(figures["cost"])
    if cost.staged_trials < len(findings.study.trials):
        blocks.append(
            caution(
                f"{cost.staged_trials} of {len(findings.study.trials)} trials record their time by stage."
            )
        )
    return Section("Time by stage", tuple(blocks))


def _counted(name: str) -> str:
    """The name of a sum; seconds are written in fitting units."""
    return name.replace("seconds", "time").replace("_", " ")


def _store(cost: Cost) -> Section:
    if not cost.cache:
        return Section(
            "What the store saved", (missing("The trials do not record what the store saved them."),)
        )
    rows: list[tuple[Cell, ...]] = [
        (_counted(name), formats.duration(total) if "seconds" in name else f"{total:g}")
        for name, total in cost.cache.items()
    ]
    return Section(
        "What the store saved", (Table(("Over all trials", "Sum"), tuple(rows), numeric=frozenset({1})),)
    )
