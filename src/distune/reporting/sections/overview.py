"""What the study is."""

from __future__ import annotations

from distune.analysis.findings import Findings
from distune.analysis.phases import wall_of
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import Block, Cell, Code, Section, Table, line, missing, paragraph

UNRECORDED = "not recorded"
STATE_TITLES = {
    "complete": "Completed trials",
    "pruned": "Pruned trials",
    "failed": "Failed trials",
    "running": "Unfinished trials",
}


def section(findings: Findings) -> Section:
    """Names, counts and times of the study."""
    study = findings.study
    rows: list[tuple[Cell, Cell]] = [
        ("Study name", Code(study.name) if study.name else UNRECORDED),
        ("Data set", _data_set(findings)),
        ("Total trials", str(len(study.trials))),
        *((STATE_TITLES[state], str(count)) for state, count in findings.ranking.counts.items()),
        *_teachers(findings),
        ("Metric", study.metric or UNRECORDED),
        ("Direction", "larger is better" if study.direction == "maximize" else "smaller is better"),
        *_times(findings),
        ("Sampler", study.sampler or UNRECORDED),
        ("Pruner", study.pruner or UNRECORDED),
        ("Seed", UNRECORDED if study.seed is None else str(study.seed)),
        ("Distune version", study.distune_version or UNRECORDED),
        ("Data fingerprint", Code(study.data_fingerprint) if study.data_fingerprint else UNRECORDED),
        ("Read from", Code(study.source) if study.source else UNRECORDED),
    ]
    blocks: list[Block] = [
        paragraph(
            "This page is computed from a table of trials, which does not tell on which examples its scores were "
            "measured."
            if study.is_table
            else "This page is computed from the study's own records. Every number below is measured in the study, "
            f"on {_judged_on(study.folds)}, unless the sentence says otherwise."
        ),
        Table(("Study", "Details"), tuple(rows)),
    ]
    if study.surplus:
        blocks.append(
            paragraph(
                f"{study.surplus} surplus trials, which ended after the study had reached its number, are left out."
            )
        )
    if not study.trials:
        blocks.append(missing("The study has no trials."))
    return Section("Overview", tuple(blocks))


def _judged_on(folds: int | None) -> str:
    if folds is None:
        return "the dev split"
    return (
        f"{folds} folds of train and dev together: a trial trains {folds} times, each time without one fold, on which "
        "that training is judged, and its score is the mean"
    )


def _data_set(findings: Findings) -> Cell:
    name = (findings.study.base_config or {}).get("name")
    return Code(str(name)) if name else UNRECORDED


def _teachers(findings: Findings) -> list[tuple[Cell, Cell]]:
    """The trials of teachers that came first; they are not among the total."""
    first = findings.study.teacher_study or {}
    if not isinstance(first.get("finished"), int):
        return []
    counts = [f"{first[state]} {state}" for state in ("complete", "pruned", "failed") if first.get(state)]
    said = f"{first['finished']} finished ({', '.join(counts)}), in the study "
    return [("Trials of teachers before", line(said, Code(formats.plain(first.get("name")))))]


def _times(findings: Findings) -> list[tuple[Cell, Cell]]:
    wall = wall_of(findings.phases)
    if isinstance(wall, Unknown):
        return [("Duration", UNRECORDED)]
    return [
        ("Duration", f"{formats.duration(wall.seconds)} ({wall.rule})"),
        ("Date", formats.days(wall.started.date(), wall.finished.date())),
    ]
