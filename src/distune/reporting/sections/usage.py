"""How to go on from this study."""

from __future__ import annotations

from pathlib import Path

from distune.analysis.findings import Findings
from distune.analysis.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import (
    Block,
    Cell,
    Code,
    Commands,
    Section,
    Strong,
    Table,
    caution,
    missing,
    paragraph,
)
from distune.reporting.paths import quoted

BEST_CONFIG = "best_config.yaml"


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
    path = best_config(findings)
    if path is None:
        return Section("Train the best configuration", (missing(f"The study has no {BEST_CONFIG} to run."),))
    commands = f"python experiments/run.py {quoted(path)}\n# the same\ndistune train {quoted(path)}"
    return Section("Train the best configuration", (Commands(commands),))


def _tune(findings: Findings, base_config: Path | None) -> Section:
    if base_config is None:
        return Section("Tune further", (missing("The study does not record its base config."),))
    ended = sum(findings.ranking.counts.get(state, 0) for state in ("complete", "pruned"))
    config, more = quoted(base_config), max(2 * ended, 30)
    name, folds = findings.study.name, findings.study.folds
    scored = f" --folds {folds}" if folds else ""
    lines = []
    if name and findings.study.folder is not None:
        lines += [
            f"# go on with this study until it has {more} finished trials",
            f"python tools/run_optuna_tuning.py --config {config} --n-trials {more} \\",
            f"  --study-name {quoted(name)}{scored}",
        ]
    lines += [
        "# a new study, quick: fewer epochs",
        f"python tools/run_optuna_tuning.py --config {config} --n-trials 20 \\",
        f"  --teacher-epochs 2 --student-epochs 5{scored}",
    ]
    if findings.study.folder is not None:
        lines += ["# this page again", f"distune report {quoted(findings.study.folder)}"]
    return Section("Tune further", (Commands("\n".join(lines)),))


def _ranges(findings: Findings, space_file: Path | None) -> Section:
    title = "Recommended starting ranges"
    if isinstance(findings.ranges, Unknown):
        return Section(title, (missing(findings.ranges.reason),))
    ranges, study = findings.ranges, findings.study
    rows: list[tuple[Cell, ...]] = [
        (Code(name), Strong(formats.bounds(parameter)), formats.bounds(study.space[name]))
        for name, parameter in ranges.parameters.items()
    ]
    blocks: list[Block] = [
        paragraph(
            f"Where the best {len(ranges.trials)} of {ranges.complete} complete trials lie, ranges widened by 5 % "
            "of the searched range on either side."
        ),
        Table(("Parameter", "Recommended", "Searched in this study"), tuple(rows)),
        caution(
            "These ranges say where this study's sampler found its best scores, on this data set. "
            "They are a place to start, not a finding about other data."
        ),
    ]
    if space_file is not None:
        blocks.append(
            paragraph(
                "The same as a ",
                Code("search_space:"),
                " section for a config: ",
                Code(quoted(space_file)),
                ".",
            )
        )
    return Section(title, tuple(blocks))
