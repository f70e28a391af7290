"""How the recommended model does on each task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats, verdicts
from distune.reporting.document import Block, Cell, Figure, Section, TableBlock, missing, paragraph

MOST = 6
"""Tasks of which the page says how many answers are right."""


def parts(findings: Findings, figures: Mapping[str, Figure]) -> list[Section]:
    """Each task of the recommended model: scores over seeds, and its confusions."""
    blocks: list[Block] = []
    numbers = verdicts.current(findings)
    if numbers is not None:
        evaluated = numbers["contenders"][verdicts.recommended(numbers)]["splits"].get(numbers["split"])
        if evaluated is not None:
            fitted = ", fitted on these examples, which flatters" if numbers["split"] == "dev" else ""
            blocks += [
                _tasks(evaluated["tasks"]),
                paragraph(
                    "Calibration error: how far stated probabilities lie from the share that is right, after the "
                    f"scaling that predict and export apply{fitted}."
                ),
            ]
    if "confusion" in figures:
        blocks += [figures["confusion"], *_answered(findings)]
    blocks += _not_shown(findings)
    return (
        [Section(f"{findings.scored_run.name.capitalize()} on {findings.scored_run.on}", tuple(blocks))]
        if blocks
        else []
    )


def _not_shown(findings: Findings) -> Iterator[Block]:
    """Which answers cannot be read; those of the best trial in the search stand with its learning curves."""
    scored = findings.scored_run
    if scored.lacking:
        names = formats.listing([f"{file.parent.name}/{file.name}" for file in scored.lacking], MOST)
        yield missing(f"Answers of the recommended model are not there any more: {names}.")
    if isinstance(scored.run, Unknown):
        if not findings.study.is_table:
            yield missing(scored.run.reason)
    elif scored.is_confirmed and isinstance(scored.run.confusions, Unknown):
        yield missing(scored.run.confusions.reason)


def _answered(findings: Findings) -> Iterator[Block]:
    """How many answers are right, and of which class the smallest share, by the counts of the figure."""
    run = findings.scored_run.run
    if isinstance(run, Unknown) or isinstance(run.confusions, Unknown):
        return
    said = []
    for task in run.confusions:
        right, of = task.counts.diagonal(), task.counts.sum(axis=1)
        if not of.any():
            continue
        worst = min(np.flatnonzero(of), key=lambda each: right[each] / of[each])
        name = formats.plain(task.classes[worst])
        said.append(
            f"{formats.plain(task.task)}, {right.sum()} of {of.sum()} right; least often {name}, "
            f"{right[worst]} of {of[worst]}"
        )
    if said:
        yield paragraph(f"{'. '.join(f'{each[:1].upper()}{each[1:]}' for each in said[:MOST])}.")


def _tasks(tasks: Mapping[str, Any]) -> TableBlock:
    keys = ["macro_f1", "accuracy", "auc", "calibration_error_scaled"]
    header = ["Task", "Macro F1", "Accuracy", "AUC", "Calibration error"]
    if any("score" in values for values in tasks.values()):
        keys.append("score")
        header.append("What the task counts with")
    rows: list[tuple[Cell, ...]] = [
        (formats.plain(task), *(verdicts.metric(values, key) for key in keys))
        for task, values in tasks.items()
    ]
    return TableBlock(tuple(header), tuple(rows), frozenset(range(1, len(header))))
