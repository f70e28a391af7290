"""What the cells of the tables were taken for, where that may surprise."""

from __future__ import annotations

from distune.data.audit.findings import Finding, Row
from distune.data.readers.nothing import may_be_nothing
from distune.data.table import Table


def reading_findings(table: Table) -> list[Finding]:
    """Repeats how files and cells were understood, such as a separator, an encoding, or two spellings of one case."""
    if not table.notes:
        return []
    return [
        Finding(
            "how_it_was_read",
            "info",
            "how the files were read",
            "Where this is not what the tables mean, correct them or the data section of the config.",
            tuple({"read": note} for note in table.notes),
        )
    ]


def class_word_findings(table: Table) -> list[Finding]:
    """Finds classes whose name could stand for a missing label; they are trained as classes."""
    rows: list[Row] = [
        {"task": task.name, "class": name, "examples": int((table.labels[:, position] == number).sum())}
        for position, task in enumerate(table.tasks)
        for number, name in enumerate(task.classes)
        if may_be_nothing(name)
    ]
    if not rows:
        return []
    return [
        Finding(
            "classes_like_nothing",
            "info",
            "classes whose name could stand for a missing label",
            "They are classes like any other. Where they stand for an unknown label, list them in data.missing_values.",
            tuple(rows),
        )
    ]
