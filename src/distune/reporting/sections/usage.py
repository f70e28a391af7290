"""The commands: train the recommended config, predict with it, tune other data, resume this study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from distune.analysis.findings import Findings
from distune.analysis.records.study_record import StudyRecord
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats, shell, verdicts
from distune.reporting.document import Block, Code, Commands, Section, missing, paragraph
from distune.reporting.paths import quoted, shown
from distune.utils.files.default_folders import STUDIES

OTHER = ("other.csv", "other_data", "other_study")


def section(findings: Findings, base_config: Path | None, space_file: Path | None) -> Section:
    """Commands that work for this study as they stand.

    Args:
        findings: the analysis.
        base_config: a file that holds the base config, where there is one.
        space_file: the file with the recommended ranges, where it was written.
    """
    parts = (_train(findings), _elsewhere(findings, space_file), _this_study(findings, base_config))
    return Section("Usage", tuple(_where(findings.study)), parts)


def _where(study: StudyRecord) -> Iterator[Block]:
    """Where the commands are typed: the configs may name the data set relative to that."""
    folder, root = study.folder, study.config_value("data.root")
    if folder is not None and not Path(shown(folder)).is_absolute():
        yield paragraph(
            "Commands are typed in the folder that holds ", Code(shown(folder).partition("/")[0]), "."
        )
    if isinstance(root, str) and not Path(root).expanduser().is_absolute():
        yield paragraph(
            "The configs look for the data set in ", Code(formats.plain(root)), " below where they are typed; else "
            "add ", Code("--data-root FOLDER"), " to what trains or tunes.",
        )  # fmt: skip


def _train(findings: Findings) -> Section:
    title, path = "Training with the optimized hyperparameters", verdicts.config_to_use(findings)
    numbers = verdicts.current(findings)
    if findings.study.is_foreign:
        said = (
            f"This {findings.study.called} holds no config: set the values under Best hyperparameters in one of your "
            "own, such as distune init writes."
        )
        return Section(title, (paragraph(said), Commands(f"distune train {shell.OWN_DATA}/config.yaml")))
    if path is None:
        return Section(title, (missing("The study's folder holds no file with this config."),))
    if numbers is None:
        said = "Leave test to the confirmation: once it has been looked at, it cannot confirm anything."
        return Section(title, (Commands(_training(path)), paragraph(said)))
    lines = [
        _training(path),
        "# or use the student that the confirmation trained; new.csv holds the columns that it reads",
        f"distune predict {shell.named(findings.study)} --csv new.csv --data-root new_images --out answers.csv",
    ]
    return Section(title, (Commands("\n".join(lines)),))


def _training(path: Path) -> str:
    return f"distune train {quoted(path)}"


def _elsewhere(findings: Findings, space_file: Path | None) -> Section:
    """From a table of other examples to a confirmed study, starting from the values of this one."""
    table, folder, name = OTHER
    path = verdicts.config_to_use(findings)
    start = f" \\\n  --start-from {quoted(path)}" if path is not None else ""
    start += f" --space {quoted(space_file)}" if start and space_file is not None else ""
    by_hand = findings.study.is_foreign and not isinstance(findings.ranges, Unknown)
    lines = [
        f"# {table}: one row per example, with the path of its image, its text and its labels",
        f"distune init {table} --out {folder}",
        *(["# start from this study's values"] if start else []),
        *(
            [f"# first enter the starting values below as search_space in {folder}/config.yaml"]
            if by_hand
            else []
        ),
        f"distune tune --config {folder}/config.yaml --n-trials {shell.MORE_TRIALS} "
        f"--study-name {name}{shell.kind(findings.study)}{start}",
        f"distune confirm {STUDIES / name}",
    ]
    return Section("Applying to other data sets", (Commands("\n".join(lines)),))


def _this_study(findings: Findings, base_config: Path | None) -> Section:
    study, title = findings.study, "This study again"
    if study.is_table:
        return Section("This page again", (Commands(shell.report(study)),))
    if base_config is None:
        return Section(
            title, (missing("The study does not record its base config, so it cannot be resumed from here."),)
        )
    lines = shell.resume(findings, base_config) if study.name and study.folder is not None else []
    lines += shell.quick(findings, base_config)
    if study.folder is not None:
        lines += ["# this page again", shell.report(study)]
    return Section(title, (Commands("\n".join(lines)),))
