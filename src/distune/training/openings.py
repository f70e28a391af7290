"""The list of every time the test split was opened, kept beside the runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from distune.utils.jsonl import append_line, read_lines

FILE = "test_openings.jsonl"
_DAMAGED = {"time": "an unknown day", "dataset": None}


def record_opening(beside: Path, *, by: str, dataset: str) -> None:
    """Adds a line; must be called before the test split is looked at.

    Args:
        beside: the folder that holds the runs.
        by: the run or confirmation that opens it.
        dataset: fingerprint of the data set.
    """
    beside.mkdir(parents=True, exist_ok=True)
    line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "by": by, "dataset": dataset}
    append_line(beside / FILE, line)


def openings(beside: Path, dataset: str | None = None) -> list[dict[str, Any]]:
    """All recorded openings, of one data set where it is given, oldest first.

    A damaged line is an opening, too: nobody knows of what, so it counts for every data set.
    """
    found = [
        _DAMAGED | {"by": f"a damaged record (line {number} of {FILE})"} if line is None else line
        for number, line in enumerate(read_lines(beside / FILE), start=1)
    ]
    return [line for line in found if dataset is None or line.get("dataset") in (dataset, None)]
