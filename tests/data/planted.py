"""A demo set into which a test plants leaks and shortcuts, for the tests of the audit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from distune.config import DataConfig
from distune.data import Table, read_table
from distune.data.audit.audit import AuditReport, Finding, audit

from .conftest import write_lines

Rows = dict[str, list[dict[str, object]]]
SPLITS = ("train", "dev", "test")


class Planted:
    """A demo set whose rows and images a test may change before it is audited.

    Args:
        root: a new folder for it.
        clean: the set as it is before anything is planted; see `clean_set`.
    """

    def __init__(self, root: Path, clean: Path) -> None:
        self.root = Path(shutil.copytree(clean, root))
        self.rows: Rows = {split: [json.loads(line) for line in self.file(split).open()] for split in SPLITS}

    def file(self, split: str) -> Path:
        return self.root / f"splitted_dataset/descriptions_{split}.jsonl"

    def image(self, split: str, row: int) -> Path:
        return self.root / f"images/{self.rows[split][row]['image']}.png"

    def caption(self, split: str, row: int, text: str | None) -> None:
        self.rows[split][row]["Description"] = {"Caption": text}

    def table(self) -> Table:
        for split, rows in self.rows.items():
            write_lines(self.file(split), rows)
        return read_table(DataConfig(root=self.root), check_images=False)

    def audit(self) -> AuditReport:
        return audit(self.table())


def found(report: AuditReport, kind: str) -> Finding:
    (finding,) = [finding for finding in report.findings if finding.kind == kind]
    return finding


def kinds(report: AuditReport) -> set[str]:
    return {finding.kind for finding in report.findings}
