"""Before training: a first config from a table, splits, audits, and what a config will take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distune.api.settings import public, restored
from distune.config import Config
from distune.config.files import LOAD_CONFIG, check_config
from distune.data.split import FRACTIONS, SplitCounts
from distune.data.table import SPLITS
from distune.errors import UserError
from distune.setup.image_links import split_whole
from distune.utils.arguments import check_argument, check_path, check_text

if TYPE_CHECKING:
    from distune.data.audit.audit import AuditReport
    from distune.data.table import Table
    from distune.setup.check import Checked
    from distune.setup.init import Prepared


@public
def init(
    metadata: Path | str,
    out: Path | str | None = None,
    *,
    image: str | None = None,
    text: str | None = None,
    labels: Sequence[str] = (),
    group: str | None = None,
    seed: int = 42,
    encoding: str | None = None,
) -> Prepared:
    """Looks at a table, splits it by case, and writes a config whose encoders pass over so many examples in minutes.

    Args:
        metadata: the file: CSV, JSON lines or parquet.
        out: folder for the config and the tables of the splits; None takes one named after the data set.
        image: column with the image paths; None finds it out, as for the other columns.
        text: column with the text.
        labels: the label columns.
        group: column with the patient or case.
        seed: decides between equally good splits.
        encoding: of CSV, such as cp1250; None finds it out.

    Returns:
        The config's file, what each column was taken for, and what else one should know.

    Raises:
        UserError: the table cannot be read, it is not clear what its columns are, or the new files are there already.
        DataError: too many examples cannot be used.
    """
    from distune.setup.columns import Wishes
    from distune.setup.init import default_folder, prepare

    check_path("metadata", metadata)
    check_path("out", out, type(None))
    for name, column in (("image", image), ("text", text), ("group", group), ("encoding", encoding)):
        check_argument(name, column, str, type(None))
    _check_labels(labels)
    check_argument("seed", seed, int)
    file = Path(metadata)
    wishes = Wishes(image=image, text=text, labels=tuple(labels), group=group)
    target = default_folder(file) if out is None else Path(out)
    return prepare(file, target, wishes, seed=seed, encoding=encoding)


def _check_labels(labels: Any) -> None:
    check_argument("labels", labels, list, tuple)  # a string is a sequence, too
    for label in labels:
        check_text("labels", label)


@public
def check(config: Config, *, estimate: bool = True) -> Checked:
    """Checks a config and every example of its data, and measures what a trial and the study will take.

    Args:
        config: the experiment; its `study` section says how many trials, workers and folds.
        estimate: measure; takes seconds.

    Returns:
        The examples, the estimate, and remarks on downloads and on what keeps `tune` from starting.

    Raises:
        ConfigError: lists all that is wrong with the loss, encoders, search ranges and data.
        DataError: lists all that is wrong, where only the data are at fault.
    """
    from distune.setup.check import check as check_all

    check_config(config)
    check_argument("estimate", estimate, bool)
    with restored():
        return check_all(config, "config", estimates=estimate)


@public
def split(
    metadata: Path | str,
    out: Path | str,
    *,
    labels: Sequence[str],
    group: str | None = None,
    image: str | None = None,
    fractions: tuple[float, float, float] = FRACTIONS,
    seed: int = 42,
    encoding: str | None = None,
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
        encoding: of CSV, such as cp1250; None finds it out.

    Returns:
        The number of rows by split, label column and class.
    """
    for name, given in (("metadata", metadata), ("out", out)):
        check_path(name, given)
    _check_labels(labels)
    for name, given_text in (("group", group), ("image", image), ("encoding", encoding)):
        check_text(name, given_text, type(None))
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
        encoding=encoding,
    )
    return counts


@public
def audit(data: Config | Table) -> AuditReport:
    """Looks for leaks between splits, shortcuts to the labels, and classes too small to evaluate.

    Args:
        data: a table, or a config whose data set is read.
    """
    from distune.data import Table, read_table
    from distune.data.audit.audit import audit as audit_table
    from distune.data.demo.demo import without_writing

    check_argument("data", data, Config, Table, remedy=LOAD_CONFIG)
    if not isinstance(data, Config):
        return audit_table(data)
    with without_writing(data) as looked_at:
        return audit_table(read_table(looked_at.data))
