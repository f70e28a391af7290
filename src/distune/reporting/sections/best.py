"""The complete config to use beside the base."""

from __future__ import annotations

from collections.abc import Mapping

from distune.analysis.baseline import Change, changes
from distune.analysis.findings import Findings
from distune.analysis.records.study_record import TrialRecord
from distune.reporting import formats, parameters, verdicts
from distune.reporting.document import Block, Cell, Section, Strong, TableBlock, caution, missing, paragraph
from distune.reporting.parameters import grouped, meaning, owner
from distune.reporting.sections.methodology import named

TITLE = "Best hyperparameters"


def section(findings: Findings) -> Section:
    """The parameters of the config to use, their base values and the change."""
    trial = shown_trial(findings)
    if trial is None:
        return Section(TITLE, (missing("No trial is complete, so there is no best one."),))
    changed = {change.parameter: change for change in changes(findings.study, trial)}
    if findings.study.baseline is not None and trial.number == findings.study.baseline.number:
        return Section(TITLE, (paragraph(_whose(findings, trial)), _values(changed, "Base config")))
    unknown = [name for name, change in changed.items() if change.base is None]
    if len(unknown) == len(changed):
        said = missing("The study does not record the values of the base config.")
        return Section(
            TITLE, (paragraph(_whose(findings, trial)), _values(changed, f"Trial {trial.number}"), said)
        )
    rows: list[tuple[Cell, ...]] = [
        (
            Strong(title) if title else "",
            named(name),
            Strong(parameters.value(name, changed[name].best)),
            parameters.value(name, changed[name].base),
            _changed(name, findings, changed[name]),
        )
        for title, name in grouped(changed, owner)
    ]
    blocks: list[Block] = [
        paragraph(_whose(findings, trial)),
        TableBlock(
            ("Category", "Parameter", f"Trial {trial.number}", "Base config", "Change"),
            tuple(rows),
            numeric=frozenset({2, 3}),
        ),
    ]
    if unknown:
        blocks.append(missing("The study does not record the base value of ", formats.listing(unknown), "."))
    blocks.append(caution("The table says what changed, not what helped: all parameters changed together."))
    return Section(TITLE, tuple(blocks))


def _changed(name: str, findings: Findings, change: Change) -> str:
    """How far a value lies from the base config's, and what that means for training."""
    said = parameters.change(name, findings.study.space.get(name), change.best, change.base)
    if said[0] not in "↑↓":
        return said
    means = meaning(name, said[0] == "↑")
    return f"{said}: {means}" if means else said


def _values(changed: Mapping[str, Change], whose: str) -> TableBlock:
    """The values alone, where nothing changed or what they were before is not known."""
    rows: list[tuple[Cell, ...]] = [
        (Strong(title) if title else "", named(name), Strong(parameters.value(name, changed[name].best)))
        for title, name in grouped(changed, owner)
    ]
    return TableBlock(("Category", "Parameter", whose), tuple(rows), numeric=frozenset({2}))


def shown_trial(findings: Findings) -> TrialRecord | None:
    """The trial whose config is recommended; where that is no trial of the search, the best of the search."""
    numbers = verdicts.current(findings)
    best = findings.ranking.best
    if numbers is None:
        return best
    about = numbers["contenders"][verdicts.recommended(numbers)]
    if about.get("is_base"):
        return best
    return next((trial for trial in findings.ranking.trials if trial.number == about.get("trial")), best)


def _whose(findings: Findings, trial: TrialRecord) -> str:
    numbers, best = verdicts.current(findings), findings.ranking.best
    assert best is not None
    if numbers is None:
        return f"Trial {trial.number} has the best score of the {'table' if findings.study.is_table else 'search'}."
    chosen, about = verdicts.recommended(numbers), numbers["contenders"][verdicts.recommended(numbers)]
    if about.get("is_base") and about.get("trial") == trial.number:
        return "The base config, trial 0 of the search, is what the confirmation recommends: nothing changes."
    chosen = verdicts.named(numbers, chosen)
    if chosen != f"trial {trial.number}":
        return f"The confirmation recommends {chosen}; for comparison, this is the best trial of the search."
    if trial.number != best.number:
        return (
            f"Trial {trial.number}, recommended by the confirmation; trial {best.number} scored higher in "
            "the search alone."
        )
    return f"Trial {trial.number}, the best of the search, is what the confirmation recommends."
