"""What the study is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from distune.analysis.findings import Findings
from distune.analysis.records.study_record import StudyRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.search_phases import wall_of
from distune.data.audit.findings import by_severity
from distune.data.audit.participant_flow import FLOW, NAMES
from distune.reporting import formats, verdicts
from distune.reporting.document import Block, Cell, Code, Section, TableBlock, line, missing, paragraph
from distune.reporting.sections.methodology import reads
from distune.utils.text import counted

UNRECORDED = "not recorded"


def section(findings: Findings) -> Section:
    """Names, counts, data and times of the study."""
    study = findings.study
    rows: list[tuple[Cell, Cell]] = [
        ("Study name", Code(study.name) if study.name else UNRECORDED),
        ("Base configuration", Code(formats.plain(study.config_path)) if study.config_path else UNRECORDED),
        ("Data set", _data_set(findings)),
        ("Total trials", _counts(findings)),
        *_teachers(findings),
        *_inputs(findings),
        *_tasks(findings),
        ("Optimization metric", _metric(findings)),
        *_times(findings),
    ]
    blocks: list[Block] = [
        paragraph(_of_what(study)),
        TableBlock(
            ("Study", "Details"),
            tuple(row for row in rows if not (study.is_table and row[1] == UNRECORDED)),
        ),
    ]
    if not study.is_table:
        blocks.append(_audit(findings))
    if not study.trials:
        blocks.append(missing("The study has no trials."))
    return Section("Overview", tuple(blocks))


def _of_what(study: StudyRecord) -> str:
    """What the numbers are computed from, and the words that the page needs."""
    if study.is_table:
        return (
            "Computed from a table of trials. It does not say on which examples its scores were measured, and has no "
            "base config, searched ranges, sampler, pruner or epochs. What needs these, or a column that is not there, "
            "is left out."
        )
    if study.is_foreign:
        return (
            "Computed from a study of another program. It does not say what its trials ran, nor on which examples its "
            "scores were measured."
        )
    scored_on = "dev, the split for tuning; only the confirmation opens test"
    if study.folds is not None:
        scored_on = (
            f"{study.folds} folds of train and dev: the mean over trainings that each lack one fold and are evaluated "
            "on it"
        )
    said = (
        "Computed from the study's own records. The search trains each trial with one seed, the random start of a "
        f"training, and scores it on {scored_on}."
    )
    if "macro F1" in (study.metric or ""):
        said += (
            " Macro F1 is the mean of the classes' F1, in which rare classes weigh as much as common ones."
        )
    return said


def _data_set(findings: Findings) -> Cell:
    name = (findings.study.base_config or {}).get("name")
    sizes = _sizes(findings)
    if not name:
        return sizes or UNRECORDED
    return line(Code(formats.plain(name)), f" ({sizes})" if sizes else "")


def _sizes(findings: Findings) -> str:
    """Examples and cases of each split, by the audit and the confirmation."""
    numbers = verdicts.current(findings)
    held: dict[str, Mapping[str, Any]] = {}
    if not isinstance(findings.audit, Unknown):
        rows = [row for part in findings.audit["sections"] if part["title"] == FLOW for row in part["rows"]]
        steps = {name: split for split, name in NAMES.items() if split != "unused"}
        held |= {steps[row["step"]]: row for row in rows if row.get("step") in steps and _is_counted(row)}
    if numbers is not None:
        held |= numbers["examples"]
    return "; ".join(
        f"{SIZES.get(split, split)}: {about['examples']} examples of {about['cases']} cases"
        for split, about in held.items()
    )


SIZES = {"unlabelled": "unlabelled in training", "folds": "folds of all of these but test"}
"""What the sets beside train, dev and test are called."""


def _is_counted(row: Mapping[str, Any]) -> bool:
    return all(isinstance(row.get(key), int) for key in ("examples", "cases"))


def _counts(findings: Findings) -> str:
    parts = [f"{count} {formats.STATES[state]}" for state, count in findings.ranking.counts.items()]
    said = str(len(findings.study.trials)) + (f": {', '.join(parts)}" if parts else "")
    copied = Counter(trial.copied_from for trial in findings.study.trials if trial.copied_from)
    said += "".join(f"; {count} of them copied from {formats.plain(name)}" for name, count in copied.items())
    if findings.study.surplus:
        said += (
            f"; {findings.study.surplus} more ended after the study had reached its number and are left out"
        )
    return said


def _inputs(findings: Findings) -> list[tuple[Cell, Cell]]:
    """What teacher and student read."""
    config = findings.study.base_config or {}
    said = [f"the {role} {found}" for role in ("teacher", "student") if (found := reads(config.get(role)))]
    return [("Inputs", "; ".join(said))] if said else []


def _tasks(findings: Findings) -> list[tuple[Cell, Cell]]:
    """The tasks whose answers are known, with their numbers of classes."""
    run = findings.scored_run.run
    if isinstance(run, Unknown) or isinstance(run.confusions, Unknown) or not run.confusions:
        return []
    said = [
        f"{formats.plain(task.task)} ({counted(len(task.classes), 'class', 'classes')})"
        for task in run.confusions
    ]
    return [("Tasks", formats.listing(said, MOST))]


def _metric(findings: Findings) -> str:
    study = findings.study
    better = "" if study.direction == "maximize" else "; smaller is better"
    return f"{formats.plain(study.metric or UNRECORDED)}{better}"


def _teachers(findings: Findings) -> list[tuple[Cell, Cell]]:
    """The trials of teachers that came first; they are not among the total."""
    first = findings.study.teacher_study or {}
    if not isinstance(first.get("finished"), int):
        return []
    counts = [f"{first[state]} {said}" for state, said in formats.STATES.items() if first.get(state)]
    return [
        (
            "Teacher trials (first stage)",
            line(f"{first['finished']}: {', '.join(counts)}, in ", Code(formats.plain(first.get("name")))),
        )
    ]


def _times(findings: Findings) -> list[tuple[Cell, Cell]]:
    wall = wall_of(findings.phases)
    if isinstance(wall, Unknown):
        return [("Duration", UNRECORDED)]
    return [
        ("Duration", formats.duration(wall.seconds)),
        ("Date", formats.days(wall.started.date(), wall.finished.date())),
    ]


def _audit(findings: Findings) -> Block:
    """The worst findings of the audit by title; all of them with their evidence are in the appendix."""
    audit = findings.audit
    if isinstance(audit, Unknown):
        return missing(f"{audit.reason} ", Code("distune audit CONFIG"), " audits the data.")
    found = audit["findings"]
    worst = [formats.plain(each["title"]) for each in found if each["severity"] != "info"]
    said = f"The audit of the data (appendix) found {by_severity(each['severity'] for each in found)}."
    if worst:
        said += f" Its warnings: {'; '.join(worst[:MOST])}."
    is_alone = any(each.get("kind") == "words_alone" for each in found) and verdicts.current(findings) is None
    if is_alone and verdicts.reads_no_text(findings):
        said += " This student does not read the texts, so a model of the words has an input that it lacks."
    return paragraph(said)


MOST = 6
"""Titles of the audit's findings, and tasks, on the page."""
