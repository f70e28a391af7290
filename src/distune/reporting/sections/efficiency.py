"""What the study cost, and what pruning and the store saved; all of it by stage is in the appendix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.analysis.search_phases import Phase, parallelism_of, store_of, trials_of
from distune.reporting import formats
from distune.reporting.document import Block, Section, Strong, TableBlock, caution, missing, paragraph
from distune.utils.numbers import is_number


def section(findings: Findings) -> Section:
    """Times and savings; of a staged search over both its phases."""
    rows = [
        (
            _of(phase, state),
            f"{times.timed} of {times.trials}" if times.timed < times.trials else str(times.trials),
            formats.duration(times.mean),
            formats.duration(times.total),
        )
        for phase in findings.phases
        for state, times in phase.cost.times.items()
    ]
    blocks: list[Block] = (
        [TableBlock(("Trials", "Count", "Average time", "Total"), tuple(rows), numeric=frozenset({1, 2, 3}))]
        if rows
        else [missing("No trial of this study has a time.")]
    )
    blocks += _savings(findings.phases)
    at_once = parallelism_of(findings.phases)
    workers = {trial.worker for trial in trials_of(findings.phases)}
    if not isinstance(at_once, Unknown) and len(workers) > 1:
        blocks.append(paragraph(f"On average {formats.rate(at_once)} trials ran at once."))
    blocks += _unread_teachers(findings)
    return Section("Computational efficiency", tuple(blocks))


def _saved_between(searched: Sequence[Phase]) -> tuple[float, float] | None:
    """The least and the most seconds that pruning saved over all phases, by yardstick; None where nothing is known.

    Below zero where the pruned trials took longer than complete ones, which then are no measure of them.
    """
    savings = [phase.cost.saving for phase in searched if not isinstance(phase.cost.saving, Unknown)]
    if not savings:
        return None
    totals = [sum(saving.saved for saving in savings), sum(saving.by_median for saving in savings)]
    by_steps = [saving.by_steps for saving in savings if not isinstance(saving.by_steps, Unknown)]
    if len(by_steps) == len(savings):
        totals.append(sum(by_steps))
    return min(totals), max(totals)


def _savings(searched: Sequence[Phase]) -> Iterator[Block]:
    between = _saved_between(searched)
    if between is None:
        reasons = [phase.cost.saving.reason for phase in searched if isinstance(phase.cost.saving, Unknown)]
        yield missing(reasons[0]) if searched[0].study.absent else paragraph(reasons[0])
    elif between[0] < 0:
        yield paragraph(
            "What pruning saved is unclear: ",
            Strong(formats.span_of_time(*between)),
            ", depending on the estimate (appendix).",
        )
    else:
        spent = sum(
            phase.cost.saving.spent for phase in searched if not isinstance(phase.cost.saving, Unknown)
        )
        least, most = (
            formats.share(saved / (spent + saved)) if spent + saved else formats.DASH for saved in between
        )
        share = least if least == most else f"{least.removesuffix(' %')} to {most}"
        pruned = [phase for phase in searched if not isinstance(phase.cost.saving, Unknown)]
        whose = "the trials" if len(pruned) == len(searched) else f"the {pruned[0].title}' trials alone"
        said = f", {share} of what {whose} would have taken without it."
        yield paragraph("Pruning saved ", Strong(formats.span_of_time(*between)), said)
    counted = store_of(searched)
    if "seconds_saved" in counted:
        yield paragraph(
            f"{counted.get('hits', 0):,.0f} results, such as decoded images, came from the store, "
            f"which saved {formats.duration(counted['seconds_saved'])}."
        )


def _unread_teachers(findings: Findings) -> Iterator[Block]:
    """What is known of the teachers' phase where its study could not be read."""
    first = findings.study.teacher_study
    if first is None or findings.study.teacher_record is not None:
        return
    seconds = first.get("seconds")
    took = f", {formats.duration(seconds)} in all" if is_number(seconds) else ""
    yield caution(
        f"The teachers were tuned first in the study {formats.plain(first.get('name'))}{took}. That study could not be "
        "read, so these are the students' trials alone."
    )


def _of(phase: Phase, what: str) -> str:
    return f"{phase.title}, {what}".capitalize() if phase.title else what.capitalize()
