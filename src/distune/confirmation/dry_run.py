"""What follows the opening of the test split is tried before, so that an opening is never spent on what cannot end."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from distune.data.table import Split, Table
from distune.errors import UserError
from distune.training.files.prediction_files import read_split_predictions, write_predictions
from distune.utils.text import counted


def check_predictions_are_read_back(table: Table, splits: Sequence[Split], folder: Path) -> None:
    """Writes made-up predictions for the examples of each split, and reads them as the statistics will.

    Names of tasks, classes, examples and groups come from the data. Tasks that are known to make one column of two are
    refused where the table is read; what else might not come back is found here.

    Args:
        table: all examples.
        splits: that will be evaluated.
        folder: where a temporary folder is made.

    Raises:
        UserError: a split would be read back otherwise than it was written.
    """
    for split in splits:
        rows = table.rows(split)
        answers = [np.full((len(rows), len(task.classes)), 1 / len(task.classes)) for task in table.tasks]
        with tempfile.TemporaryDirectory(dir=folder, prefix=".dry-run-", ignore_cleanup_errors=True) as made:
            write_predictions(Path(made), split, table, rows, answers)
            problem = _difference(Path(made), split, table)
        if problem:
            raise UserError(
                f"predictions for the {split} split could be written and not be read back: {problem}; rename "
                "them in the data set and tune again. Nothing was trained, and the test split stays closed."
            )


def _difference(folder: Path, split: Split, table: Table) -> str:
    rows = table.rows(split)
    try:
        scored = read_split_predictions(folder, split, tasks=table.tasks)
    except UserError:
        names = ", ".join(
            f"{task.name} ({counted(len(task.classes), 'class', 'classes')})" for task in table.tasks
        )
        return f"columns or cells are confused among the tasks {names}"
    if scored is None or scored.ids != tuple(table.ids[row] for row in rows):
        return "the ids of the examples differ"
    if scored.groups != tuple(table.groups[row] for row in rows):
        return "the groups of the examples differ"
    return "" if np.array_equal(scored.labels, table.labels[rows]) else "the labels differ"
