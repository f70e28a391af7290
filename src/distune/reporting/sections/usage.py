"""How to go on from this study."""

from __future__ import annotations

from pathlib import Path

from distune.analysis.findings import Findings
from distune.analysis.parameters.ranges import Ranges
from distune.analysis.records.study_record import StudyRecord
from distune.analysis.records.unknown import Unknown
from distune.reporting import commands, formats
from distune.reporting.document import (
    Block,
    Cell,
    Code,
    Commands,
    Line,
    Section,
    Strong,
    Table,
    caution,
    line,
    missing,
    names,
    paragraph,
)
from distune.reporting.paths import quoted
from distune.reporting.sections.confirmation import has_significant_gain, recommended_config

BEST_CONFIG = "best_config.yaml"
SHUT = "Before the confirmation the test split stays shut: once it was looked at, it cannot confirm anything."


def section(findings: Findings, base_config: Path | None, space_file: Path | None) -> Section:
    """Commands that work for this study, and ranges for the next one.

    Args:
        findings: the analysis.
        base_config: a file that holds the base config, where there is one.
        space_file: the file with the recommended ranges, where it was written.
    """
    return Section(
        "Usage", parts=(_train(findings), _tune(findings, base_config), _ranges(findings, space_file))
    )


def best_config(findings: Findings) -> Path | None:
    """The study's best config, where it exists."""
    folder = findings.study.folder
    return folder / BEST_CONFIG if folder is not None and (folder / BEST_CONFIG).is_file() else None


def _train(findings: Findings) -> Section:
    """The command for the best config; once that was confirmed, for the config that the confirmation recommends."""
    confirmation = findings.confirmation
    if isinstance(confirmation, Unknown) or not confirmation.is_current:
        title, path = "Train the best configuration", best_config(findings)
        if path is None:
            return Section(title, (missing(f"The study has no {BEST_CONFIG} to run."),))
        return Section(title, (_training(path, opens_test=False), paragraph(SHUT)))
    title, path = "Train the recommended configuration", recommended_config(findings, confirmation)
    if path is None:
        return Section(title, (missing("The study's folder holds no file with this config."),))
    return Section(title, (_training(path, opens_test=True),))


def _training(path: Path, *, opens_test: bool) -> Commands:
    asked = f"{quoted(path)} --test" if opens_test else quoted(path)
    return Commands(f"python experiments/run.py {asked}\n# the same\ndistune train {asked}")


def _tune(findings: Findings, base_config: Path | None) -> Section:
    study = findings.study
    if base_config is None:
        said = missing("The study does not record its base config.")
        return Section(
            "Tune further", (said, *((Commands(commands.report(study)),) if study.is_table else ()))
        )
    lines = commands.go_on(findings, base_config) if study.name and study.folder is not None else []
    lines += commands.quick(findings, base_config)
    if study.folder is not None:
        lines += ["# this page again", commands.report(study)]
    return Section(
        "Tune further",
        (
            Commands("\n".join(lines)),
            paragraph(
                Code("python tools/run_optuna_tuning.py"),
                " is the same as ",
                Code("distune tune"),
                "; the config holds the base config with the search space of this study.",
            ),
        ),
    )


def _ranges(findings: Findings, space_file: Path | None) -> Section:
    title = "Recommended starting ranges"
    if isinstance(findings.ranges, Unknown):
        return Section(title, (missing(findings.ranges.reason),))
    ranges, teachers = findings.ranges, findings.teacher_ranges
    blocks: list[Block] = [
        paragraph(
            f"Where the best {len(ranges.trials)} of {ranges.complete} complete trials lie, ranges widened by 5 % "
            f"of the range {'in the table' if findings.study.is_table else 'searched'} on either side."
        ),
        _table(ranges, findings.study),
    ]
    if isinstance(teachers, Unknown):
        blocks.append(missing(f"For the teacher's parameters: {teachers.reason}"))
    elif teachers is not None and findings.study.teacher_record is not None:
        blocks += [
            paragraph(
                f"The teacher's parameters, where the best {len(teachers.trials)} of {teachers.complete} complete "
                "trials of teachers lie:"
            ),
            _table(teachers, findings.study.teacher_record),
        ]
    outside = _outside(ranges, findings.study)
    if outside:
        blocks.append(
            caution(
                "Among these trials are values outside the searched range, which the base config brought along and "
                f"which are cut off here: {formats.listing(outside)}."
            )
        )
    if unconfirmed := _unconfirmed(findings, ranges):
        blocks.append(caution(*unconfirmed))
    blocks.append(
        caution(
            "These ranges say where this study's sampler found its best scores, on this data set. "
            "They are a place to start, not a finding about other data."
        )
    )
    if space_file is not None:
        blocks.append(
            paragraph(
                "The same as a ",
                Code("search_space:"),
                " section for a config, for a next study with ",
                Code(f"--space {quoted(space_file)}"),
                ".",
            )
        )
    return Section(title, tuple(blocks))


def _unconfirmed(findings: Findings, ranges: Ranges) -> Line:
    """That these trials have no significant gain, and where the base config lies; empty where they have one."""
    confirmation, study = findings.confirmation, findings.study
    if isinstance(confirmation, Unknown) or not confirmation.is_current or has_significant_gain(confirmation):
        return ()
    said = line(
        "The confirmation showed no significant gain over the base config for any of the trials that these ranges "
        "come from"
    )
    values = {name: study.base_value(name) for name in ranges.parameters}
    left_out = [
        name
        for name, value in values.items()
        if value is not None and not ranges.parameters[name].holds(value)
    ]
    if not left_out:
        return (*said, ".")
    return (*said, "; the base config itself lies outside them in ", *names(left_out), ".")


def _outside(ranges: Ranges, study: StudyRecord) -> list[str]:
    """Values of the best trials that no trial of this space could draw, each with its trial."""
    return [
        f"{name} = {formats.value(name, trial.params[name])} (trial {trial.number})"
        for name in ranges.parameters
        for trial in ranges.trials
        if name in trial.params and not study.space[name].holds(trial.params[name])
    ]


def _table(ranges: Ranges, study: StudyRecord) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (Code(name), Strong(formats.bounds(parameter)), formats.bounds(study.space[name]))
        for name, parameter in ranges.parameters.items()
    ]
    return Table(
        ("Parameter", "Recommended", "In the table" if study.is_table else "Searched in this study"),
        tuple(rows),
    )
