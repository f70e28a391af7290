"""The best trials, and what became of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from distune.analysis.baseline import in_order
from distune.analysis.findings import Findings
from distune.analysis.parameters.space import FIRST
from distune.analysis.ranking import TOP
from distune.analysis.records.study_record import TrialRecord
from distune.reporting import formats, parameters
from distune.reporting.document import (
    Block,
    Cell,
    Figure,
    Section,
    Strong,
    TableBlock,
    caution,
    missing,
    paragraph,
)
from distune.utils.text import counted

FUSION_PARTS = tuple(
    f"{role}_fusion_{part}" for role in ("teacher", "student") for part in ("dim", "layers", "heads")
)


def section(findings: Findings, figures: Mapping[str, Figure]) -> Section:
    """Top ten and status distribution."""
    parts = [_top(findings), _status(findings)]
    if "history" in figures:
        parts.append(Section("Course of the search", (figures["history"],)))
    return Section("Results", parts=tuple(parts))


def top_table(findings: Findings) -> TableBlock:
    """The best trials with their parameters, one row a trial."""
    top = findings.ranking.top()
    shown = {name for trial in top for name in trial.params}
    names = [name for name in in_order(findings.study, sorted(shown)) if name not in FUSION_PARTS]
    names = [name for name in FIRST if name in names] + [name for name in names if name not in FIRST]
    before = [name for name in names if not name.endswith("dropout")]
    after = [name for name in names if name.endswith("dropout")]
    roles = [role for role in ("teacher", "student") if any(parameters.fusion(t.params, role) for t in top)]
    header = (
        "Rank",
        "Trial",
        score_title(findings),
        *(parameters.label(name) for name in before),
        *(f"{role.capitalize()} Fusion" for role in roles),
        *(parameters.label(name) for name in after),
    )
    rows = tuple(
        (
            str(rank),
            f"{trial.number} (base)" if trial is findings.study.baseline else str(trial.number),
            Strong(formats.score(trial.value)) if rank == 1 else formats.score(trial.value),
            *(parameters.value(name, trial.params.get(name)) for name in before),
            *(parameters.fusion(trial.params, role) or formats.DASH for role in roles),
            *(parameters.value(name, trial.params.get(name)) for name in after),
        )
        for rank, trial in enumerate(top, start=1)
    )
    return TableBlock(header, rows, numeric=_numeric(top, before, after, len(roles)))


def score_title(findings: Findings) -> str:
    """What the score is called in a table's header."""
    metric = (findings.study.metric or "").lower()
    of = "Dev" if findings.study.folds is None else "Mean"
    return f"{of} F1 Score" if ("f1" in metric and "(" not in metric) or metric == "score" else "Score"


def _numeric(top: tuple[TrialRecord, ...], before: list[str], after: list[str], roles: int) -> frozenset[int]:
    def is_numeric(name: str) -> bool:
        return all(_number(trial.params.get(name)) for trial in top)

    columns = {0, 1, 2} | {3 + index for index, name in enumerate(before) if is_numeric(name)}
    start = 3 + len(before) + roles
    return frozenset(columns | {start + index for index, name in enumerate(after) if is_numeric(name)})


def _number(value: Any) -> bool:
    return value is None or isinstance(value, int | float)


def _top(findings: Findings) -> Section:
    count = min(TOP, len(findings.ranking.trials))
    if not count:
        return Section("Top trials", (missing("No trial is complete, so none can be ranked."),))
    return Section(
        f"Top {count} trials" if count > 1 else "The one complete trial",
        (
            paragraph(
                f"The best of {counted(len(findings.ranking.trials), 'complete trial')}"
                f"{' in the table' * findings.study.is_table}, by their score{findings.study.on_what}."
            ),
            top_table(findings),
        ),
    )


def _status(findings: Findings) -> Section:
    counts = findings.ranking.counts
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (formats.STATES[state].capitalize(), str(count), share)
        for (state, count), share in zip(counts.items(), formats.shares(list(counts.values())), strict=True)
    )
    blocks: list[Block] = [TableBlock(("Status", "Count", "Percentage"), rows, numeric=frozenset({1, 2}))]
    if len(rows) == 1:
        (state, count) = next(iter(counts.items()))
        blocks = [
            paragraph(f"{counted(count, 'trial')}, {'all of them ' * (count > 1)}{formats.STATES[state]}.")
        ]
    if absent := findings.study.absent:
        said = f"The table lacks the numbers {formats.listing(_spans(absent))}: it may hold only the best trials."
        blocks.append(caution(said))
    if failures := findings.ranking.failures:
        failure_rows: list[tuple[Cell, ...]] = [
            (
                formats.FAILURES.get(failure.kind, formats.plain(failure.kind)),
                formats.listing([str(number) for number in failure.trials]),
                formats.plain(failure.message or "not recorded", LONGEST_REASON),
            )
            for failure in failures[:MOST_KINDS]
        ]
        header = ("Kind of failure", "Trials", "Message of the first")
        blocks.append(TableBlock(header, tuple(failure_rows), caption="Failed trials have no score."))
    return Section("Trial status distribution", tuple(blocks))


def _spans(numbers: Sequence[int]) -> list[str]:
    """Numbers with runs of them joined, such as `0`, `2-9`."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1].append(number)
        else:
            spans.append([number])
    return [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in spans]


LONGEST_REASON = 240
MOST_KINDS = 6
