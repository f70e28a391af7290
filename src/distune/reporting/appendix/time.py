"""Time by stage, what pruning saved by every yardstick, the store, and the runs of the tuning command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from distune.analysis.cost import Saving
from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.analysis.search_phases import Phase, seconds_by_stage, store_of, trials_of, wall_of
from distune.reporting import formats
from distune.reporting.document import (
    Block,
    Bullets,
    Cell,
    Figure,
    Line,
    Section,
    TableBlock,
    caution,
    line,
    missing,
    paragraph,
)
from distune.utils.text import counted

TITLE = "Time in detail"
STORE_NAMES = {"hits": "results found in the store", "misses": "results that had to be computed"}


def section(findings: Findings, figures: Mapping[str, Figure]) -> Section:
    """All that is known of the times; of a staged search over both its phases."""
    parts = (
        Section("By stage", tuple(_stages(findings, figures))),
        Section("Saved by pruning", tuple(block for phase in findings.phases for block in _pruning(phase))),
        Section("Saved by the store", tuple(_store(findings))),
        Section("Runs of the tuning command", tuple(_runs(findings))),
    )
    return Section(TITLE, parts=tuple(part for part in parts if part.blocks))


def _stages(findings: Findings, figures: Mapping[str, Figure]) -> Iterator[Block]:
    by_stage = seconds_by_stage(findings.phases)
    if not by_stage:
        yield missing("The trials do not record their time by stage.")
    else:
        between = sum(
            trial.seconds - sum(trial.stage_seconds.values())
            for trial in trials_of(findings.phases)
            if trial.seconds is not None and trial.stage_seconds
        )
        total = sum(by_stage.values()) + max(between, 0.0)
        rows: list[tuple[Cell, ...]] = [
            (stage, formats.duration(seconds), formats.share(seconds / total) if total else formats.DASH)
            for stage, seconds in {**by_stage, "between stages": between}.items()
            if stage in by_stage or seconds > 0
        ]
        yield TableBlock(("Stage", "Total", "Share"), tuple(rows), numeric=frozenset({1, 2}))
        recorded, all_trials = (
            sum(phase.cost.staged_trials for phase in findings.phases),
            len(trials_of(findings.phases)),
        )
        if recorded < all_trials:
            yield caution(f"The time by stage is recorded of {recorded} of {counted(all_trials, 'trial')}.")
    if "cost" in figures:
        yield figures["cost"]


def _pruning(phase: Phase) -> Iterator[Block]:
    saving = phase.cost.saving
    if isinstance(saving, Unknown):
        said = (f"{phase.title.capitalize()}: " if phase.title else "", saving.reason)
        yield missing(*said) if phase.study.absent or phase.study.of("pruned") else paragraph(*said)
        return
    what = f"pruned trial of the {phase.title}" if phase.title else "pruned trial"
    yield TableBlock(
        (f"A {what} would have taken", "Saved", "Share of the time without pruning"),
        _yardsticks(phase, saving),
        numeric=frozenset({1, 2}),
    )
    if saving.untimed:
        yield caution(f"Pruned trials without a time are left out: {saving.untimed}.")


def _yardsticks(phase: Phase, saving: Saving) -> tuple[tuple[Cell, ...], ...]:
    complete = phase.cost.times["complete"]
    rows = [
        ("as long as the mean complete trial", saving.saved),
        (f"as long as the median complete trial, {formats.duration(complete.median)}", saving.by_median),
    ]
    if not isinstance(saving.by_steps, Unknown):
        step = "folds" if phase.study.folds is not None else f"{phase.study.scored_stage} epochs"
        rows.append((f"the rest of its {step} at its own pace", saving.by_steps))
    return tuple((said, formats.duration(saved), formats.share(saving.share(saved))) for said, saved in rows)


def _store(findings: Findings) -> Iterator[Block]:
    counted = store_of(findings.phases)
    if not counted:
        yield missing("The trials do not record what the store saved them.")
        return
    rows: list[tuple[Cell, ...]] = [
        (STORE_NAMES.get(name, name.replace("_", " ")), f"{total:,.0f}")
        for name, total in counted.items()
        if "seconds" not in name
    ]
    yield TableBlock(
        ("Over all trials", "Sum"),
        tuple(rows),
        numeric=frozenset({1}),
        caption="The time saved is what the found results had taken when they were computed.",
    )


def _runs(findings: Findings) -> Iterator[Block]:
    """When the tuning command ran, and what for."""
    wall = wall_of(findings.phases)
    items: list[Line] = []
    if isinstance(wall, Unknown):
        yield missing(wall.reason)
    else:
        items.append(line(f"The duration counts {wall.rule}."))
    for phase in findings.phases:
        for run in phase.study.sessions or ():
            parts = [
                f"{phase.title}, started {formats.moment(run.started)}"
                if phase.title
                else f"started {formats.moment(run.started)}",
                f"{'ended' if run.reason else 'last seen'} {formats.moment(run.finished)}"
                if run.finished
                else "left no end",
                counted(run.workers, "worker") if run.workers is not None else "",
                formats.listing(list(dict.fromkeys(device for device in run.devices if device != "auto"))),
                f"reason: {run.reason}" if run.reason else "",
            ]
            items.append(line("; ".join(part for part in parts if part), "."))
    if items:
        yield Bullets(tuple(items))
