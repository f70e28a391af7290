"""The files of the study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from distune.analysis.findings import Findings
from distune.reporting.document import Block, Code, Section, TableBlock, missing, paragraph
from distune.reporting.paths import shown

OF_THE_STUDY = {
    "recommended_config.yaml": "Recommended config",
    "best_config.yaml": "Best config of the search",
    "study_summary.json": "Study summary",
    "confirmation.json": "Confirmation, all numbers",
    "audit.json": "Audit of the data",
    "tuning.log": "Log",
    "study.log": "Log",
}


def section(findings: Findings, written: Sequence[tuple[str, Path]]) -> Section:
    """The files that exist beside the study, and those that were written with this report."""
    folder = findings.study.folder
    rows: list[tuple[str, Code]] = []
    blocks: list[Block] = []
    if folder is not None:
        rows += [
            (what, Code(shown(folder / name)))
            for name, what in OF_THE_STUDY.items()
            if (folder / name).is_file()
        ]
        database = folder.parent / f"{folder.name}.db"
        if database.is_file():
            rows.append(("Study database", Code(shown(database))))
    rows += [(what, Code(shown(path))) for what, path in written]
    if folder is not None and rows:
        inside = f"{shown(folder)}/"
        rows = [(what, Code(path.text.removeprefix(inside))) for what, path in rows]
        blocks = [paragraph("In ", Code(inside), ", where no other folder is named:")]
    if not rows:
        return Section("Files", (missing("The study has no folder of its own."),))
    return Section("Files", (*blocks, TableBlock(("What", "File"), tuple(rows))))
