"""Comparisons of predicted classes, whose score is the mean over tasks of the macro F1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from distune.confirmation.statistics.inference.pseudovalues import counts_by_case, pseudovalues
from distune.confirmation.statistics.inference.significance import Comparison, compare_scores


class Contender(NamedTuple):
    """Predicted classes of trainings, (seeds, N, tasks)."""

    name: str
    predictions: NDArray[np.int64]


def compare(
    labels: NDArray[np.int64], groups: Sequence[str], first: Contender, second: Contender
) -> Comparison:
    case_of = np.unique(np.asarray(groups), return_inverse=True)[1]
    ours, theirs = (
        pseudovalues(counts_by_case(labels, case_of, each.predictions)) for each in (first, second)
    )
    return compare_scores((first.name, *ours), (second.name, *theirs), examples=len(labels))
