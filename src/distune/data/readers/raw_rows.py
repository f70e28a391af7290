"""What a reader finds in the files, before anything is checked."""

from __future__ import annotations

from dataclasses import dataclass, field

from distune.data.readers.problems import Faulty
from distune.data.table import Split


@dataclass(frozen=True, slots=True)
class RawExample:
    """One row of a file, its values exactly as they are written there.

    Attributes:
        id: name of the example.
        image: image path relative to the data root.
        text: the text, possibly empty.
        labels: one label a task; empty text where it is not known.
        group: patient or case.
        split: train, dev, test, or unlabelled.
        origin: `file:row`, the file relative to the data root and the row counted from 1.
        subgroups: the value of each of `data.subgroup_columns`; empty text where there is none.
    """

    id: str
    image: str
    text: str
    labels: tuple[str, ...]
    group: str
    split: Split
    origin: str
    subgroups: tuple[str, ...] = ()


@dataclass
class RawTable:
    """Everything that a reader found, and what it could not read.

    Attributes:
        task_names: the label columns.
        examples: the rows that have all their values, in file order.
        bad_rows: where each row without them is, and what is wrong with it; such rows may be dropped.
        structure: one line for each problem that no dropped row mends (a missing file or column).
        read: the splits whose file was read to its end, with that file's name.
        notes: one line for each way in which a file was read that its user may not expect.
    """

    task_names: tuple[str, ...]
    examples: list[RawExample] = field(default_factory=list)
    bad_rows: list[Faulty] = field(default_factory=list)
    structure: list[str] = field(default_factory=list)
    read: dict[Split, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
