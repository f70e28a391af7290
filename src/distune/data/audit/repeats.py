"""Rows and images that are there more than once on one side of a split."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from distune.data.audit.findings import Finding, Row
from distune.data.audit.leaks import rows_by_key
from distune.data.table import Table
from distune.utils.text import counted

MANY = 0.02


def repeat_findings(table: Table, content: Sequence[str]) -> list[Finding]:
    """Finds examples that are equal in everything, and images of one split and one case that are there again.

    Both count twice in training and in scores; a warning where a row is there twice or images of 2 % of the examples
    are, else a note. The same image in several splits or cases is reported by the rules on leaks.

    Args:
        table: the data set.
        content: its `image_fingerprints`.
    """
    findings = []
    labels = [tuple(row) for row in table.labels.tolist()]
    same_rows = _repeated(zip(table.splits, content, table.texts, labels, table.groups, strict=True))
    if same_rows:
        extra = sum(len(members) - 1 for members in same_rows)
        findings.append(
            Finding(
                "duplicate_rows",
                "warning",
                "rows that are there more than once, equal in image, text, labels and case",
                f"{extra} of {counted(len(table), 'row')} repeat another one and count twice. Leave out what repeats.",
                tuple(_row(table, members) for members in same_rows),
            )
        )
    same_images = _repeated(zip(table.splits, content, table.groups, strict=True))
    if same_images:
        touched = sum(len(members) for members in same_images)
        findings.append(
            Finding(
                "repeated_images",
                "warning" if touched >= MANY * len(table) else "info",
                "the same image more than once in one case",
                f"{counted(len(same_images), 'image stands', 'images stand')} in {touched} of "
                f"{counted(len(table), 'example')}.",
                tuple(_row(table, members) for members in same_images),
            )
        )
    return findings


def _repeated(keys: Iterable[Hashable]) -> list[list[int]]:
    return [rows for rows in rows_by_key(keys).values() if len(rows) > 1]


def _row(table: Table, members: Sequence[int]) -> Row:
    first, second = members[:2]
    return {
        "first": table.ids[first],
        "second": table.ids[second],
        "split": table.splits[first],
        "examples": len(members),
    }
