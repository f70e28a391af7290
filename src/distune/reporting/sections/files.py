"""The files of the study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from distune.analysis.findings import Findings
from distune.reporting.document import Cell, Code, Section, Table, missing
from distune.reporting.paths import shown

OF_THE_STUDY = {
    "best_config.yaml": "best configuration",
    "study_summary.json": "study summary",
    "confirmation.json": "confirmation",
    "recommended_config.yaml": "configuration that the confirmation recommends",
    "audit.json": "audit of the data",
    "tuning.log": "full log",
    "study.log": "full log",
}


def section(findings: Findings, written: Sequence[tuple[str, Path]]) -> Section:
    """The files that exist beside the study, and those that were written with this report."""
    folder = findings.study.folder
    rows: list[tuple[Cell, Cell]] = []
    if folder is not None:
        found = {name: folder / name for name in OF_THE_STUDY if (folder / name).is_file()}
        rows += [(OF_THE_STUDY[name], Code(shown(path))) for name, path in found.items()]
        database = folder.parent / f"{folder.name}.db"
        if database.is_file():
            rows.append(("study database", Code(shown(database))))
        others = [path for path in sorted(folder.glob("*.log")) if path.name not in OF_THE_STUDY]
        rows += [("log", Code(shown(path))) for path in others]
    rows += [(what, Code(shown(path))) for what, path in written]
    if not rows:
        return Section("Files", (missing("The study has no folder of its own."),))
    return Section("Files", (Table(("What", "Where"), tuple(rows)),))
