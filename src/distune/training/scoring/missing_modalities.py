"""Scores apart: of the examples that are complete, of those without a text, and of those without an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.data.table import Table, Task
from distune.training.scoring.scores import UndefinedScore, overall_score

COMPLETE, NO_TEXT, NO_IMAGE = "complete", "without_text", "without_image"


def kinds_of_input(
    no_image: NDArray[np.bool_] | None, no_text: NDArray[np.bool_] | None
) -> dict[str, NDArray[np.bool_]]:
    """Which examples are of which kind, as far as there are any.

    Args:
        no_image: true for examples without an image, (N,); None where there are none.
        no_text: true for examples without a text, (N,); None where there are none.

    Returns:
        For each of `complete`, `without_text`, `without_image` that occurs, bool (N,); nothing where all are complete.
    """
    known = [each for each in (no_image, no_text) if each is not None and each.any()]
    if not known:
        return {}
    nothing = np.zeros(len(known[0]), bool)
    without_image, without_text = (nothing if each is None else each for each in (no_image, no_text))
    kinds = {
        COMPLETE: ~(without_image | without_text),
        NO_TEXT: without_text & ~without_image,
        NO_IMAGE: without_image & ~without_text,
    }
    return {name: chosen for name, chosen in kinds.items() if chosen.any()}


def scores_apart(
    table: Table, rows: NDArray[np.int64], probabilities: Sequence[NDArray[Any]]
) -> dict[str, dict[str, Any]]:
    """The score of each kind of example of a split: `{kind: {"examples", "score"}}`; nothing where all are complete.

    Args:
        table: all examples.
        rows: of the split.
        probabilities: one array (rows, classes) a task.
    """
    absent = [table.absent(name) for name in ("image", "text")]
    chosen = [None if lacking is None else lacking[rows] for lacking in absent]
    return {
        name: {
            "examples": int(kind.sum()),
            "score": _score(table.labels[rows][kind], [each[kind] for each in probabilities], table.tasks),
        }
        for name, kind in kinds_of_input(*chosen).items()
    }


def _score(
    labels: NDArray[np.int64], probabilities: Sequence[NDArray[Any]], tasks: Sequence[Task]
) -> float | None:
    """The score; None where a few examples do not define it, as where all have one class or none has a label."""
    try:
        return overall_score(labels, probabilities, tasks)
    except UndefinedScore:
        return None
