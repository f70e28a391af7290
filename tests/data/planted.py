"""A demo set into which a test plants leaks and shortcuts, for the tests of the audit."""

from __future__ import annotations

import json
from pathlib import Path

from distune.config import DataConfig
from distune.data import Table, read_table
from distune.data.audit.audit import AuditReport, Finding, audit
from distune.data.demo.demo import write_demo

from .conftest import write_lines

Rows = dict[str, list[dict[str, object]]]
SPLITS = ("train", "dev", "test")


class Planted:
    """A demo set whose rows and images a test may change before it is audited."""

    def __init__(self, root: Path) -> None:
        self.root = root
        write_demo(root, 11, 300)
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
        return read_table(DataConfig(root=self.root), 0, check_images=False)

    def audit(self) -> AuditReport:
        return audit(self.table())


def found(report: AuditReport, kind: str) -> Finding:
    (finding,) = [finding for finding in report.findings if finding.kind == kind]
    return finding


def kinds(report: AuditReport) -> set[str]:
    return {finding.kind for finding in report.findings}
