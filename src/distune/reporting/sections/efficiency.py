"""What the study cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from distune.analysis.cost import Saving
from distune.analysis.findings import Findings
from distune.analysis.parameters.space import is_number
from distune.analysis.phases import Phase, parallelism_of, seconds_by_stage, store_of, trials_of, wall_of
from distune.analysis.records.unknown import Unknown
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
    """Times, savings, stages, and the store; of a staged search all over both its phases."""
    return Section(
        "Computational efficiency",
        parts=(
            _times(findings),
            Section(
                "Time saved by pruning",
                tuple(block for phase in findings.phases for block in _pruning(phase)),
            ),
            _stages(findings, figures),
            _store(findings),
        ),
    )


def _times(findings: Findings) -> Section:
    searched = findings.phases
    rows: list[tuple[Cell, ...]] = [
        (
            _of(phase, STATE_NAMES[state]),
            f"{times.timed} of {times.trials}" if times.timed < times.trials else str(times.trials),
            formats.duration(times.mean),
            formats.duration(times.median),
            formats.duration(times.total),
        )
        for phase in searched
        for state, times in phase.cost.times.items()
    ]
    if not rows:
        return Section("Time per trial", (missing("No trial of this study has a time."),))
    blocks: list[Block] = [
        Table(("Trials", "Timed", "Mean", "Median", "Total"), tuple(rows), numeric=frozenset({1, 2, 3, 4})),
        *_clock(searched),
    ]
    if unread := _unread_teachers(findings):
        blocks.append(caution(unread))
    return Section("Time per trial", tuple(blocks))


def _clock(searched: Sequence[Phase]) -> list[Block]:
    wall = wall_of(searched)
    if isinstance(wall, Unknown):
        return [missing(wall.reason)]
    clock = f"On the clock: {formats.duration(wall.seconds)}, {wall.rule}"
    at_once = parallelism_of(searched)
    if isinstance(at_once, Unknown):
        return [paragraph(f"{clock}.")]
    return [paragraph(f"{clock}; on average {at_once:.1f} trials ran at once.")]


def _unread_teachers(findings: Findings) -> str | None:
    """What is known of the teachers' phase where its study could not be read."""
    first = findings.study.teacher_study
    if first is None or findings.study.teacher_record is not None:
        return None
    seconds = first.get("seconds")
    took = f", {formats.duration(seconds)} in all" if is_number(seconds) else ""
    return (
        f"The teachers were tuned first in the study {formats.plain(first.get('name'))}{took}. That study was not "
        "read, so what follows is of the students' trials alone."
    )


def _of(phase: Phase, what: str) -> str:
    return f"{phase.title.capitalize()}, {what.lower()}" if phase.title else what


def saved_between(searched: Sequence[Phase]) -> tuple[float, float] | None:
    """The least and the most seconds that pruning saved over all phases, by yardstick; None where nothing is known."""
    savings = [phase.cost.saving for phase in searched if not isinstance(phase.cost.saving, Unknown)]
    if not savings:
        return None
    totals = [sum(saving.saved for saving in savings), sum(saving.by_median for saving in savings)]
    by_steps = [saving.by_steps for saving in savings if not isinstance(saving.by_steps, Unknown)]
    if len(by_steps) == len(savings):
        totals.append(sum(by_steps))
    return min(totals), max(totals)


def _pruning(phase: Phase) -> list[Block]:
    cost, of = phase.cost, f" of the {phase.title}" if phase.title else ""
    if isinstance(cost.saving, Unknown):
        return [missing(f"{phase.title.capitalize()}: " if phase.title else "", cost.saving.reason)]
    saving, pruned = cost.saving, cost.times["pruned"]
    between = saved_between([phase])
    assert between is not None
    blocks: list[Block] = [
        paragraph(
            "Pruning saved ",
            Strong(formats.span_of_time(*between)),
            f" of the time of the trials{of}, depending on what those {pruned.timed} that it ended would have taken; "
            f"they took {formats.duration(pruned.total)}.",
        ),
        Table(
            ("A pruned trial would have taken", "Saved", "Share of the time without pruning"),
            _yardsticks(phase, saving),
            numeric=frozenset({1, 2}),
        ),
    ]
    if saving.untimed:
        blocks.append(caution(f"Pruned trials without a time are left out: {saving.untimed}."))
    if between[0] < 0:
        blocks.append(caution("Below zero: the pruned trials took longer than that yardstick."))
    return blocks


def _yardsticks(phase: Phase, saving: Saving) -> tuple[tuple[Cell, ...], ...]:
    complete = phase.cost.times["complete"]
    rows = [
        (f"as long as the mean complete trial, {formats.duration(complete.mean)}", saving.saved),
        (f"as long as the median complete trial, {formats.duration(complete.median)}", saving.by_median),
    ]
    if not isinstance(saving.by_steps, Unknown):
        rows.append((f"the rest of its {_step(phase)} at its own pace", saving.by_steps))
    return tuple(
        (
            said,
            formats.duration(saved),
            formats.share(saving.share(saved)),
        )
        for said, saved in rows
    )


def _step(phase: Phase) -> str:
    return "folds" if phase.study.folds is not None else f"{phase.study.judged_stage} epochs"


def _stages(findings: Findings, figures: Mapping[str, Figure]) -> Section:
    by_stage = seconds_by_stage(findings.phases)
    if not by_stage:
        shown = (figures["cost"],) if "cost" in figures else ()
        return Section("Time by stage", (missing("The trials do not record their time by stage."), *shown))
    total = sum(by_stage.values())
    rows: list[tuple[Cell, ...]] = [
        (stage, formats.duration(seconds), formats.share(seconds / total) if total else formats.DASH)
        for stage, seconds in by_stage.items()
    ]
    blocks: list[Block] = [Table(("Stage", "Total", "Share"), tuple(rows), numeric=frozenset({1, 2}))]
    if "cost" in figures:
        blocks.append(figures["cost"])
    recorded = sum(phase.cost.staged_trials for phase in findings.phases)
    everyone = len(trials_of(findings.phases))
    if recorded < everyone:
        blocks.append(caution(f"{recorded} of {everyone} trials record their time by stage."))
    return Section("Time by stage", tuple(blocks))


STORE_NAMES = {
    "hits": "results found in the store",
    "misses": "results that had to be computed",
    "seconds_saved": "time saved",
}


def _store(findings: Findings) -> Section:
    title, counted = "What the store saved", store_of(findings.phases)
    if not counted:
        return Section(title, (missing("The trials do not record what the store saved them."),))
    rows: list[tuple[Cell, ...]] = [
        (
            STORE_NAMES.get(name, name.replace("_", " ")),
            formats.duration(total) if "seconds" in name else f"{total:,.0f}",
        )
        for name, total in counted.items()
    ]
    blocks: list[Block] = [Table(("Over all trials", "Sum"), tuple(rows), numeric=frozenset({1}))]
    if "seconds_saved" in counted:
        blocks.append(
            paragraph(
                "Time saved is what the found results had taken when they were computed, with as many trials at once "
                "as ran then."
            )
        )
    return Section(title, tuple(blocks))
