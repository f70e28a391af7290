"""The one table that every reader produces and everything else reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from distune.data.pixels.intensity import DEFAULT, PixelRules
from distune.utils.short_repr import short_repr

if TYPE_CHECKING:  # a bundle is read where pydantic is not installed
    from distune.config import Modality, ScoreName, TaskKind

Split = Literal["train", "dev", "test", "unlabelled", "unused"]
"""`unlabelled` rows have no label and are asked of the teacher alone; `unused` ones take part in nothing: they have no
label and belong to a case that a fold leaves out."""
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
"""The splits with labels."""
EVALUATED: tuple[Split, ...] = ("dev", "test")
"""Those that no model learns from."""
MISSING = -1
"""Stands among class indices for a label that is not known."""


@dataclass(frozen=True)
class Task:
    """What is asked of each example.

    Attributes:
        name: of the label column.
        classes: sorted, as they occur in the train split; in their order in an ordinal task; in a multi-label one the
            labels, of which an example may have several or none.
        kind: exclusive classes, exclusive classes with an order, or labels beside each other.
        score: what the task counts with in the score that is tuned.
        weight: of the task in that score.
    """

    name: str
    classes: tuple[str, ...]
    kind: TaskKind = "single_label"
    score: ScoreName = "macro_f1"
    weight: float = 1.0

    @property
    def width(self) -> int:
        """How many columns of a table's labels it has: one, or one a label."""
        return len(self.classes) if self.kind == "multi_label" else 1

    def as_plain(self) -> list[Any]:
        """As plain values, for files and fingerprints, without the settings that have their defaults."""
        return [self.name, list(self.classes), *([self.settings] if self.settings else [])]

    @property
    def settings(self) -> dict[str, Any]:
        """Kind, score and weight, as far as they are not the defaults."""
        values = {"kind": self.kind, "score": self.score, "weight": self.weight}
        return {name: value for name, value in values.items() if value != getattr(Task, name)}

    @staticmethod
    def from_plain(values: Sequence[Any]) -> Task:
        """The task that `as_plain` wrote."""
        name, classes, *settings = values
        return Task(name, tuple(classes), **(settings[0] if settings else {}))


def label_columns(tasks: Sequence[Task]) -> list[slice]:
    """The columns of each task in a table's labels."""
    ends = list(accumulate((task.width for task in tasks), initial=0))
    return [slice(start, end) for start, end in pairwise(ends)]


def exclusive_tasks(task: Task) -> tuple[Task, ...]:
    """The task itself, or for each label of a multi-label task one of the classes no and yes."""
    if task.kind != "multi_label":
        return (task,)
    return tuple(Task(f"{task.name}: {label}", ("no", "yes")) for label in task.classes)


def confused(tasks: Sequence[Task]) -> str | None:
    """Why a table of predictions, with a column for each task and class, could not be read back; None where it can.

    Such as task `a` with a class `b_c` beside task `a_b`: both have a column `p_a_b_c`. Or a multi-label task `a` with
    a label `b` beside task `a: b`.
    """
    parts = [part for task in tasks for part in exclusive_tasks(task)]
    names = [part.name for part in parts]
    if twice := [name for name in names if names.count(name) > 1]:
        return (
            f"two tasks, or a task and a label of another, are named {twice[0]!r}; rename one of the columns"
        )
    for part in parts:
        for name in part.classes:
            fitting = [other.name for other in parts if f"{part.name}_{name}".startswith(f"{other.name}_")]
            if (longest := max(fitting, key=len)) != part.name:
                return (
                    f"task {part.name!r} with its class {name!r} and task {longest!r} have names that cannot be told "
                    "apart in tables of predictions; rename one of the columns"
                )
    return None


@dataclass(frozen=True)
class Table:
    """All usable examples of a data set; every sequence has one entry an example.

    Attributes:
        root: the data root.
        ids: unique name of each example.
        images: absolute image paths, all inside the root; as text, a quarter of what `Path` takes. A frame of a file
            of several is `path#frame=7`.
        texts: the text of each example.
        labels: int64 of shape (examples, columns), see `label_columns`: class indices, and 0 or 1 for each label of a
            multi-label task; `MISSING` where a label is not known.
        groups: patient or case; no group should span two splits.
        splits: see `Split`.
        tasks: the label columns.
        dropped: one line (file, row, reason) for each example left out on request.
        notes: one line for each way in which files and cells were understood that their user may not expect.
        rules: how the image files become pixels.
        subgroups: for each of `data.subgroup_columns` the value of each example, empty text where there is none. No
            part of what training depends on.
        may_lack: whether an example may lack its image (an empty path) or its text (an empty one).
    """

    __repr__ = short_repr

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
    subgroups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    may_lack: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, split: Split, task: int | None = None) -> NDArray[np.int64]:
        """Indices of the examples of a split, in table order; empty where the set has no such split.

        Args:
            split: its name.
            task: keep those with a label of this task alone, by its position.
        """
        chosen = np.asarray(self.splits) == split
        if task is not None:
            columns = label_columns(self.tasks)[task]
            chosen &= (self.labels[:, columns] != MISSING).any(axis=1)
        return np.flatnonzero(chosen).astype(np.int64)

    def absent(self, modality: Modality) -> NDArray[np.bool_] | None:
        """Which examples lack the image or the text, (N,); None where none may or does, or where all lack it."""
        if not self.may_lack:
            return None
        cells = self.images if modality == "image" else self.texts
        found = np.array([not cell.strip() for cell in cells], bool)
        return found if found.any() and not found.all() else None

    def labelled(self) -> Table:
        """The rows of the splits with labels alone."""
        return self._at([row for row, split in enumerate(self.splits) if split in SPLITS])

    def with_images(self) -> Table:
        """The table without the examples that lack their image."""
        return self._at([row for row, image in enumerate(self.images) if image])

    def _at(self, kept: Sequence[int]) -> Table:
        if len(kept) == len(self):
            return self
        columns = ("ids", "images", "texts", "groups", "splits")
        values: dict[str, Any] = {name: tuple(getattr(self, name)[row] for row in kept) for name in columns}
        subgroups = {name: tuple(held[row] for row in kept) for name, held in self.subgroups.items()}
        return replace(self, labels=self.labels[kept], subgroups=subgroups, **values)

    def taught_rows(self) -> NDArray[np.int64]:
        """Indices of the examples that a student learns its teacher's answers on: those of train and the unlabelled."""
        return np.sort(np.concatenate([self.rows("train"), self.rows("unlabelled")]))

    def as_exclusive(self) -> Table:
        """The table with each label of a multi-label task as a task of two classes, for what knows exclusive ones only.

        The labels stay as they are: their columns are these tasks.
        """
        return replace(self, tasks=tuple(part for task in self.tasks for part in exclusive_tasks(task)))

    def texts_at(self, rows: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """The texts of the given rows."""
        return [self.texts[row] for row in rows]
