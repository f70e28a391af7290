"""Values to start a next study from, each with what this study says for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from distune.analysis.findings import Findings
from distune.analysis.parameters.ranges import Ranges
from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import StudyRecord
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats, parameters, verdicts
from distune.reporting.document import (
    Block,
    Cell,
    Code,
    Section,
    Strong,
    TableBlock,
    caution,
    missing,
    paragraph,
)
from distune.reporting.paths import quoted
from distune.utils.numbers import is_number
from distune.utils.text import counted

TITLE = "Recommended starting values"
BASE_VALUE = "the base value"
NEAR = 0.1
MOST = 0.9
"""Share of the trials from which a range that holds them says next to nothing."""


def section(findings: Findings, space_file: Path | None) -> Section:
    """The ranges of the best quarter, with a note each.

    Args:
        findings: the analysis.
        space_file: the file with these ranges, where it was written.
    """
    if isinstance(findings.ranges, Unknown):
        return Section(TITLE, (missing(findings.ranges.reason),))
    ranges, teachers = findings.ranges, findings.teacher_ranges
    rows = list(_rows(ranges, findings.study))
    if isinstance(teachers, Ranges) and findings.study.teacher_record is not None:
        rows = [*_rows(teachers, findings.study.teacher_record), *rows]
    has_base_value = any(str(note).startswith(BASE_VALUE) for _, _, note in rows)
    single = ", those in the notes where the base value stands" if has_base_value else ""
    blocks: list[Block] = [
        paragraph(
            f"{_whose(ranges)}. A place to start on similar data, not a finding about other data. "
            f"The notes count the {'' if findings.study.is_table else 'completed and pruned '}trials that lay there.",
            *(
                (" ", Code(f"--space {quoted(space_file)}"), f" searches these ranges{single}.")
                if space_file
                else ()
            ),
        ),
        TableBlock(("Parameter", "Start with", "Note"), tuple(rows)),
    ]
    if isinstance(teachers, Unknown):
        blocks.append(missing(f"For the teacher's parameters: {teachers.reason}"))
    numbers = verdicts.current(findings)
    if numbers is not None and not verdicts.has_significant_gain(numbers):
        blocks.append(
            caution("None of the confirmed trials is significantly better than the base config's own values.")
        )
    return Section(TITLE, tuple(blocks))


def _whose(ranges: Ranges) -> str:
    if len(ranges.trials) == ranges.complete:
        return (
            f"The span of all {counted(ranges.complete, 'complete trial')}, widened a little, too few to "
            "leave out bad ones"
        )
    return (
        f"The span of the best {len(ranges.trials)} of {counted(ranges.complete, 'complete trial')}, "
        "widened a little"
    )


def _rows(ranges: Ranges, study: StudyRecord) -> Iterator[tuple[Cell, ...]]:
    for name, narrowed in ranges.parameters.items():
        base, bounds = study.base_value(name), parameters.bounds(narrowed)
        # A choice may be None, and so is a base value that is not known.
        if base is not None and _is_hardly_narrowed(name, narrowed, study) and _lies_in(base, narrowed):
            start, note = (
                parameters.value(name, base),
                f"{BASE_VALUE}; {bounds.removesuffix(parameters.LOG_SCALE)} is hardly narrowed",
            )
        else:
            start, note = (
                bounds.removesuffix(parameters.LOG_SCALE),
                "; ".join(_notes(name, narrowed, ranges, study)),
            )
        yield Code(name), Strong(start), note


def _notes(name: str, narrowed: Parameter, ranges: Ranges, study: StudyRecord) -> Iterator[str]:
    """How common it was anyway, where the base lies, and whether the range ended too early."""
    searched, base, tried = study.space[name], study.base_value(name), _tried(name, study)
    inside = sum(_lies_in(value, narrowed) for value in tried)
    if study.is_table and len(set(map(str, tried))) == 1:
        yield "the only value in the table, so no choice"
    elif study.is_table and inside == len(tried):
        yield "all that the table holds"
    elif _is_hardly_narrowed(name, narrowed, study) and (base is not None or inside < len(tried)):
        yield "hardly narrowed"
    elif inside < len(tried):
        yield f"{inside} of {counted(len(tried), 'trial')}"
    if base is not None:
        yield _beside_base(narrowed, base)
    if not study.is_table and (end := _end(narrowed, searched)) is not None:
        yield f"reaches the {end} end searched"
    outside = [
        f"{parameters.value(name, trial.params[name])} (trial {trial.number})"
        for trial in ranges.trials
        if name in trial.params and not searched.holds(trial.params[name])
    ]
    if outside:
        yield f"cut off here: {formats.listing(outside, 3)}"


def _tried(name: str, study: StudyRecord) -> list[object]:
    return [
        trial.params[name]
        for trial in study.trials
        if trial.state in ("complete", "pruned") and name in trial.params
    ]


def _is_hardly_narrowed(name: str, narrowed: Parameter, study: StudyRecord) -> bool:
    tried = _tried(name, study)
    return sum(_lies_in(value, narrowed) for value in tried) >= MOST * len(tried)


def _lies_in(value: object, narrowed: Parameter) -> bool:
    if (
        narrowed.kind == "categorical"
        or not is_number(value)
        or narrowed.low is None
        or narrowed.high is None
    ):
        return value in narrowed.choices
    return narrowed.low <= float(str(value)) <= narrowed.high


def _beside_base(narrowed: Parameter, base: object) -> str:
    if _lies_in(base, narrowed):
        return "includes the base value"
    if narrowed.kind == "categorical" or not is_number(base) or narrowed.low is None:
        return "without the base value"
    return f"{'above' if float(str(base)) < narrowed.low else 'below'} the base value"


def _end(narrowed: Parameter, searched: Parameter) -> str | None:
    """The end of the searched range at which all of the best lie; None where they lie elsewhere."""
    if narrowed.kind == "categorical" or (narrowed.low, narrowed.high) == (searched.low, searched.high):
        return None
    low, high = (searched.position(end) for end in (narrowed.low, narrowed.high))
    if low is None or high is None:
        return None
    if low <= 0 and high < 1 - NEAR:
        return "low"
    return "high" if high >= 1 and low > NEAR else None
