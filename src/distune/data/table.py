"""The one table that every reader produces and everything else reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from distune.data.intensity import DEFAULT, PixelRules

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")


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
        labels: class indices, int64 of shape (examples, tasks).
        groups: patient or case; no group should span two splits.
        splits: train, dev or test.
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

    def rows(self, split: Split) -> NDArray[np.int64]:
        """Indices of the examples of a split, in table order; empty where the set has no such split."""
        return np.flatnonzero(np.asarray(self.splits) == split).astype(np.int64)

    def texts_at(self, rows: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """The texts of the given rows."""
        return [self.texts[row] for row in rows]
