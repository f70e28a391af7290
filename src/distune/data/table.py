"""The one table that every reader produces and everything else reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from distune.data.intensity import DEFAULT, PixelRules

Split = Literal["train", "dev", "test", "unlabelled", "unused"]
"""`unlabelled` rows have no label and are asked of the teacher alone; `unused` ones take part in nothing: they have no
label and belong to a case that a fold leaves out."""
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
"""The splits with labels."""
MISSING = -1
"""Stands among class indices for a label that is not known."""


@dataclass(frozen=True)
class Task:
    """One label column: its name and its classes, sorted, as they occur in the train split."""

    name: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """All usable examples of a data set; every sequence has one entry an example.

    Attributes:
        root: the data root.
        ids: unique name of each example.
        images: absolute image paths, all inside the root; as text, a quarter of what `Path` takes. A frame of a file
            of several is `path#frame=7`.
        texts: the text of each example.
        labels: class indices, int64 of shape (examples, tasks); `MISSING` where a label is not known.
        groups: patient or case; no group should span two splits.
        splits: see `Split`.
        tasks: the label columns.
        dropped: one line (file, row, reason) for each example left out on request.
        notes: one line for each way in which files and cells were understood that their user may not expect.
        rules: how the image files become pixels.
    """

    root: Path
    ids: tuple[str, ...]
    images: tuple[str, ...]
    texts: tuple[str, ...]
    labels: NDArray[np.int64]
    groups: tuple[str, ...]
    splits: tuple[Split, ...]
    tasks: tuple[Task, ...]
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rules: PixelRules = DEFAULT

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, split: Split, task: int | None = None) -> NDArray[np.int64]:
        """Indices of the examples of a split, in table order; empty where the set has no such split.

        Args:
            split: its name.
            task: keep those with a label of this task alone.
        """
        chosen = np.asarray(self.splits) == split
        if task is not None:
            chosen &= self.labels[:, task] != MISSING
        return np.flatnonzero(chosen).astype(np.int64)

    def labelled(self) -> Table:
        """The table without the rows of no labelled split."""
        kept = [row for row, split in enumerate(self.splits) if split in SPLITS]
        if len(kept) == len(self):
            return self
        columns = ("ids", "images", "texts", "groups", "splits")
        values: dict[str, Any] = {name: tuple(getattr(self, name)[row] for row in kept) for name in columns}
        return replace(self, labels=self.labels[kept], **values)

    def taught_rows(self) -> NDArray[np.int64]:
        """Indices of the examples that a student learns its teacher's answers on: those of train and the unlabelled."""
        return np.sort(np.concatenate([self.rows("train"), self.rows("unlabelled")]))

    def texts_at(self, rows: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """The texts of the given rows."""
        return [self.texts[row] for row in rows]
