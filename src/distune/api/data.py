"""Data sets: splits and audits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from distune.config import Config
from distune.data.split import FRACTIONS, SplitCounts
from distune.data.table import SPLITS
from distune.errors import UserError
from distune.setup.linked import split_whole
from distune.utils.arguments import check_argument, check_path

if TYPE_CHECKING:
    from distune.data.audit.audit import AuditReport
    from distune.data.table import Table


def split(
    metadata: Path | str,
    out: Path | str,
    *,
    labels: Sequence[str],
    group: str | None = None,
    image: str | None = None,
    fractions: tuple[float, float, float] = FRACTIONS,
    seed: int = 42,
) -> SplitCounts:
    """Splits one table into train, dev and test files, whole patients or cases at a time.

    Args:
        metadata: the file: CSV, JSON lines or parquet.
        out: folder for the new files; where it is another one, the images come along as hard links or copies.
        labels: the label columns, to stratify on.
        group: column with the patient or case.
        image: column with the image paths; None finds it out.
        fractions: shares of train, dev and test.
        seed: decides between equally good places.

    Returns:
        The number of rows by split, label column and class.
    """
    for name, given in (("metadata", metadata), ("out", out)):
        check_path(name, given)
    check_argument("labels", labels, list, tuple)  # a string is a sequence, too
    for name, column in (("group", group), ("image", image)):
        check_argument(name, column, str, type(None))
    check_argument("fractions", fractions, list, tuple)
    if len(fractions) != len(SPLITS):
        raise UserError(f"fractions: {len(fractions)} of them; give those of train, dev and test")
    for fraction in fractions:
        check_argument("fractions", fraction, int, float)
    check_argument("seed", seed, int)
    counts, _ = split_whole(
        Path(metadata),
        Path(out),
        label_columns=labels,
        group_column=group,
        image_column=image,
        fractions=fractions,
        seed=seed,
    )
    return counts


def audit(data: Config | Table) -> AuditReport:
    """Looks for leaks between splits, shortcuts to the labels, and classes too small to evaluate.

    Args:
        data: a table, or a config whose data set is read.
    """
    from distune.data import Table, read_table
    from distune.data.audit.audit import audit as audit_table
    from distune.data.demo.demo import without_writing

    check_argument("data", data, Config, Table)
    if not isinstance(data, Config):
        return audit_table(data)
    with without_writing(data) as looked_at:
        return audit_table(read_table(looked_at.data, looked_at.seed))
