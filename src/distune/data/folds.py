"""Cross-validation: train and dev joined and split again, whole groups at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from distune.config import FoldConfig, TaskConfig
from distune.data.labels import stratified_on
from distune.data.readers.raw_rows import RawExample
from distune.data.split import spread_groups
from distune.errors import DataError
from distune.utils.text import counted

SEED = 0
"""Folds depend on the data alone: two seeds of a run are compared on the same ones."""
SOURCE = "data.fold"


def with_fold(
    examples: Sequence[RawExample],
    fold: FoldConfig,
    task_names: Sequence[str],
    settings: Mapping[str, TaskConfig] | None = None,
) -> list[RawExample]:
    """Makes one fold of train and dev the new dev split and the others the new train split.

    Args:
        examples: the usable ones; those of the test split and those without labels stay as they are.
        fold: which of how many folds.
        task_names: the label columns.
        settings: the sections of tasks that are ordinal or multi-label.

    Returns:
        The examples in the same order, so that whatever is stored row by row serves every fold.

    Raises:
        DataError: there are fewer groups than folds, or a label that one fold would have all of.
    """
    places = [place for place, example in enumerate(examples) if example.split in ("train", "dev")]
    rows, names = stratified_on([examples[place].labels for place in places], task_names, settings or {})
    assigned = assign_folds(rows, [examples[place].group for place in places], fold.of, names)
    changed = list(examples)
    for place, number in zip(places, assigned.tolist(), strict=True):
        changed[place] = replace(examples[place], split="dev" if number + 1 == fold.number else "train")
    return changed


def assign_folds(
    labels: Sequence[tuple[str, ...]], groups: Sequence[str], count: int, task_names: Sequence[str]
) -> NDArray[np.int64]:
    """Assigns whole groups to folds of equal size and like classes, and every class to two folds or more.

    Whichever fold is left out, the others then have every class to learn.

    Args:
        labels: labels of each row, one a label column.
        groups: group of each row.
        count: how many folds.
        task_names: the label columns.

    Returns:
        The number of the fold of each row, from 0, int64.

    Raises:
        DataError: there are fewer groups than folds, or a label that one fold would have all of.
    """
    names, group_of_row = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    if len(names) < count:
        raise DataError(
            SOURCE,
            [f"{counted(len(names), 'group')} cannot fill {counted(count, 'fold')}; ask for fewer folds"],
        )
    classes = sorted({pair for row in labels for pair in enumerate(row) if pair[1]})
    column = {pair: place for place, pair in enumerate(classes)}
    holds = np.zeros((len(names), len(classes)), dtype=bool)
    for group, row in zip(group_of_row.tolist(), labels, strict=True):
        holds[group, [column[pair] for pair in enumerate(row) if pair[1]]] = True
    fold_of_group = spread_groups(labels, group_of_row, fractions=[1.0 / count] * count, seed=SEED)
    confined = _spread_classes(fold_of_group, holds, np.bincount(group_of_row), count)
    if confined.any():
        raise DataError(SOURCE, [_confined(*classes[place], holds[:, place], names, task_names)
                                 for place in np.flatnonzero(confined)])  # fmt: skip
    return fold_of_group[group_of_row]


def _spread_classes(
    fold_of_group: NDArray[np.int64], holds: NDArray[np.bool_], sizes: NDArray[np.int64], count: int
) -> NDArray[np.bool_]:
    """Moves the smallest groups that bring a class into a second fold; returns the classes left in one, (classes,)."""
    groups_in = np.stack([holds[fold_of_group == fold].sum(axis=0) for fold in range(count)])

    def confined(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
        lone: NDArray[np.bool_] = (counts > 0).sum(axis=0) == 1
        return lone

    while (now := confined(groups_in)).any():
        moves = []
        for group in np.flatnonzero(holds[:, now].any(axis=1)).tolist():
            source = int(fold_of_group[group])
            for fold in range(count):
                after = groups_in.copy()
                after[source] -= holds[group]
                after[fold] += holds[group]
                if fold != source and confined(after).sum() < now.sum():
                    rows = int(sizes[fold_of_group == fold].sum())
                    moves.append((int(sizes[group]), rows, group, fold, after))
        if not moves:
            return now
        _, _, group, fold, groups_in = min(moves, key=lambda move: move[:4])
        fold_of_group[group] = fold
    return now


def _confined(
    task: int, label: str, holding: NDArray[np.bool_], names: NDArray[np.str_], task_names: Sequence[str]
) -> str:
    found = names[holding]
    where = (
        f"group {str(found[0])!r} alone has"
        if len(found) == 1
        else counted(len(found), "group has", "groups have")
    )
    return (
        f"{where} label {label!r} of task {task_names[task]!r}, and no folds part its examples: the fold evaluated "
        "on it cannot learn it; join the label with another, leave its examples out, or do without folds"
    )
