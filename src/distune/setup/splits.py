"""The splits of a new data set: as its table says, else by case and class."""

from __future__ import annotations

from collections.abc import Sequence

from distune.data import SPLITS
from distune.data.readers.image_files import ImageFiles
from distune.data.readers.spellings import normal_form
from distune.data.split import FRACTIONS, assign_splits, groups_by_image
from distune.data.table import Split
from distune.setup.columns import split_of
from distune.setup.image_links import contents
from distune.setup.source_table import SourceTable


def splits_of(table: SourceTable, seed: int) -> tuple[list[Split | None], str]:
    """The split of each row, and how they came about.

    Args:
        table: its column of splits is followed; one without dev gets it from its train.
        seed: decides between equally good splits.

    Returns:
        A split for each row, None where the table names none that is known; and a line for the user.
    """
    by, seeded = table.layout.group or "image", f"with seed {seed}"
    if table.layout.group is None:
        seeded += "; where a patient has several rows, name the column that tells with --group"
    if table.layout.split is None:
        return list(made_splits(table, seed)), f"made by {by} {seeded}"
    splits = [split_of(cell) for cell in table.column(table.layout.split)]
    how = f"as column {table.layout.split!r} says"
    if "dev" in splits:
        return splits, how
    train = [row for row, split in enumerate(splits) if split == "train"]
    for row, split in zip(train, made_splits(table.only(train), seed, ("train", "dev")), strict=True):
        splits[row] = split
    return splits, f"{how}; dev was made from train by {by} {seeded}"


def made_splits(table: SourceTable, seed: int, wanted: Sequence[Split] = SPLITS) -> list[Split]:
    """Splits by case; a row whose case is not known stands for itself, and without cases those of one image for one."""
    layout = table.layout
    if layout.group is None:
        files = ImageFiles(layout.root, follow_links=layout.follow_links)
        groups = groups_by_image(contents(files, table.column(layout.image)))
    else:
        cases = table.values(layout.group)
        groups = [f"case {case}" if case else f"row {number}" for number, case in enumerate(cases)]
    strata = list(zip(*(_strata(table, label) for label in layout.labels), strict=True))
    shares = FRACTIONS[: len(wanted)]
    fractions = [share / sum(shares) for share in shares]
    return [
        wanted[number] for number in assign_splits(strata, groups, fractions=fractions, seed=seed).tolist()
    ]


def _strata(table: SourceTable, label: str) -> list[str]:
    """What rows are spread by: the class, and of a column with several in a cell how many it has."""
    separator = table.layout.separators.get(label)
    cells = table.column(label)
    return [normal_form(cell) if separator is None else str(len(cell.split(separator))) for cell in cells]
