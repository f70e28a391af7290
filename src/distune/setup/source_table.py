"""The table that a user has, its columns understood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from distune.data.readers.spellings import normal_form
from distune.setup.columns import Layout


@dataclass(frozen=True)
class SourceTable:
    """The cells of a table, by what its columns are.

    Attributes:
        header: names of the columns.
        rows: all rows, each as wide as the header.
        layout: what the columns are.
        is_missing: whether a cell stands for nothing.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    layout: Layout
    is_missing: Callable[[str], bool]

    def column(self, name: str) -> list[str]:
        """The cells of a column as they are written."""
        place = self.header.index(name)
        return [cells[place] for cells in self.rows]

    def values(self, name: str) -> list[str]:
        """The cells of a column in the form in which they are compared; empty where they stand for nothing."""
        return ["" if self.is_missing(value) else value for value in map(normal_form, self.column(name))]

    def lacks_labels(self) -> bool:
        """Whether a row lacks one of its labels."""
        return any(self.is_missing(cell) for label in self.layout.labels for cell in self.column(label))

    def only(self, rows: Sequence[int]) -> SourceTable:
        """The table of some of the rows, by their places."""
        return replace(self, rows=[self.rows[row] for row in rows])
