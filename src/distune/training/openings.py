"""The list of every time the test split was opened, kept beside the runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FILE = "test_openings.jsonl"


def record_opening(beside: Path, *, by: str, dataset: str) -> None:
    """Adds a line; must be called before the test split is looked at.

    Args:
        beside: the folder that holds the runs.
        by: the run or confirmation that opens it.
        dataset: fingerprint of the data set.
    """
    beside.mkdir(parents=True, exist_ok=True)
    line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "by": by, "dataset": dataset}
    with (beside / FILE).open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(line) + "\n")


def openings(beside: Path, dataset: str | None = None) -> list[dict[str, Any]]:
    """All recorded openings, of one data set where it is given, oldest first."""
    path = beside / FILE
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if dataset in (None, line["dataset"])]
