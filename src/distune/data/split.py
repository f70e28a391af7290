"""One metadata file -> train, dev and test files, stratified and with every group in one split."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distune.config.data import MISSING_VALUES
from distune.data.readers.doubts import group_notes, label_notes, spelling_notes
from distune.data.readers.problems import SHOWN, Fault, Faulty, by_cause, by_example
from distune.data.readers.spellings import case_twins, normal_form
from distune.data.readers.table_formats import LOST_LISTS, TableError, open_table, row_fault
from distune.data.readers.values import GROUP_REMEDY, MissingWords
from distune.data.table import SPLITS, Split
from distune.errors import DataError, UserError
from distune.utils.files.atomic import all_or_none, check_new
from distune.utils.files.csv_files import write_csv
from distune.utils.files.paths import make_folder
from distune.utils.seeds import check_seed
from distune.utils.text import counted, first_of, listed, nearest_hint

_log = logging.getLogger(__name__)
FRACTIONS = (0.7, 0.15, 0.15)
"""Shares of train, dev and test where none are asked for."""
GIVE_ENCODING = "name their encoding with --encoding"
RARE = 10
SplitCounts = dict[Split, dict[str, dict[str, int]]]


def split_csv(
    metadata: Path,
    out: Path,
    *,
    label_columns: Sequence[str],
    group_column: str | None = None,
    images: Sequence[str] | None = None,
    fractions: tuple[float, float, float] = FRACTIONS,
    seed: int = 42,
    encoding: str | None = None,
    before_writing: Callable[[], object] = lambda: None,
) -> SplitCounts:
    """Splits a table in any form that can be read into `metadata_{train,dev,test}.csv`.

    Every class of every label column is in train, no group spans two splits, and the combinations of labels are
    spread as the fractions say, as far as whole groups allow. All columns and rows are kept as they are; groups and
    labels are compared in their normal form.
    Image paths are not rewritten: they stay relative to the data root.

    Args:
        metadata: the file to split; its first row names the columns.
        out: folder for the new files, normally the data root.
        label_columns: the columns to stratify on.
        group_column: patient or case; None makes every row its own group, or those of one image.
        images: what tells them, see `groups_by_image`, where no column names the group.
        fractions: shares of train, dev and test, adding up to 1; a test share of 0 writes no test file.
        seed: decides between equally good places.
        encoding: of CSV; None finds it out, and says which it took where others would fit. The new files are UTF-8.
        before_writing: called once it is known that there will be tables; where it raises, there are none.

    Returns:
        The number of rows by split, label column and class.

    Raises:
        DataError: the file cannot be read, a column is missing, a label or group is empty, or two groups look
            alike.
        UserError: there is no label column, the fractions or the seed make no sense, a
            new file is there already, or there are too few groups.
    """
    if not label_columns or len(set(label_columns)) < len(label_columns):
        raise UserError(f"label columns: {listed(label_columns)}; name one at least, and each once")
    check_seed(seed)
    splits = _wanted_splits(fractions)
    files = [out / f"metadata_{split}.csv" for split in splits]
    check_new(files)
    needed = [*label_columns, *([group_column] if group_column else [])]
    header, rows, guess = read_table_rows(metadata, needed, encoding)
    if guess:
        _log.warning("%s: read %s", metadata, guess)
    labels = [tuple(normal_form(row[header.index(column)]) for column in label_columns) for row in rows]
    for note in _missing_words(header, rows, label_columns):
        _log.warning("%s: %s, as a config reads them; here they are a class", metadata, note)
    for column, values in zip(label_columns, zip(*labels, strict=True), strict=True):
        known = {value for value in values if value.casefold() in MISSING_VALUES}  # named above
        for note in [*spelling_notes(f"label {column}", values), *label_notes(column, values, known)]:
            _log.warning("%s: %s", metadata, note)
    groups = groups_by_image(images or [""] * len(rows))
    if group_column:
        if unnamed := _missing_words(header, rows, [group_column]):
            raise DataError(metadata, [f"{note}; say which patient or case each is of" for note in unnamed])
        groups = [normal_form(row[header.index(group_column)]) for row in rows]
        refuse_case_twins(metadata, f"column {group_column!r}", groups)
        for note in group_notes(groups):
            _log.warning("%s: %s", metadata, note)
    assigned = assign_splits(labels, groups, fractions=fractions[: len(splits)], seed=seed)
    make_folder(out)
    with all_or_none(out, files) as draft:
        before_writing()
        for number, file in enumerate(files):
            write_csv(draft / file.name, [header, *(rows[row] for row in np.flatnonzero(assigned == number))])
    return {
        split: {
            column: dict(
                sorted(Counter(labels[row][place] for row in np.flatnonzero(assigned == number)).items())
            )
            for place, column in enumerate(label_columns)
        }
        for number, split in enumerate(splits)
    }


def _missing_words(header: Sequence[str], rows: Sequence[Sequence[str]], columns: Sequence[str]) -> list[str]:
    """A line for each column with words for nothing, by the words of a config that names none."""
    missing = MissingWords(MISSING_VALUES)
    for column in columns:
        for row in rows:
            missing(f"column {column!r}", row[header.index(column)])
    return missing.notes()


def groups_by_image(images: Sequence[str]) -> list[str]:
    """A group for each row, named after the first row of the same image; a row without an image is one of its own."""
    first: dict[str | int, int] = {}
    return [str(first.setdefault(image or row, row)) for row, image in enumerate(images)]


def refuse_case_twins(source: Path | str, what: str, groups: Sequence[str]) -> None:
    """Refuses groups that look alike: they may be one patient, who would then be in two splits.

    Args:
        source: the table.
        what: names the groups.
        groups: one a row, in their normal form.

    Raises:
        DataError: there are some; both spellings are named.
    """
    twins = case_twins(groups)
    if twins:
        pairs = [f"{one!r}, {other!r}" for one, other in twins.items()]
        shown = first_of(pairs, SHOWN, "; ")
        raise DataError(
            source,
            [f"{what}: in two spellings that look alike: {shown}; {GROUP_REMEDY}"],
        )


def assign_splits(
    labels: Sequence[tuple[str, ...]], groups: Sequence[str], *, fractions: Sequence[float], seed: int
) -> NDArray[np.int64]:
    """Assigns whole groups to splits as `spread_groups` does; train gets every class and no split stays empty.

    Args:
        labels: labels of each row, one a label column.
        groups: group of each row.
        fractions: share of each split, train first.
        seed: decides between equally good splits and groups of equal size.

    Returns:
        The number of the split of each row, int64.

    Raises:
        UserError: there are too few groups to fill every split and have every class in train.
    """
    names, group_of_row = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < len(fractions):
        raise UserError(
            f"{counted(len(names), 'group')} cannot fill {counted(len(fractions), 'split')}; every split "
            "needs one at least"
        )
    split_of_group = spread_groups(labels, group_of_row, fractions=fractions, seed=seed)
    _give_train_every_class(split_of_group, labels, group_of_row)
    _fill_empty_splits(split_of_group, labels, group_of_row, len(fractions))
    return split_of_group[group_of_row]


def spread_groups(
    labels: Sequence[tuple[str, ...]],
    group_of_row: NDArray[np.int64],
    *,
    fractions: Sequence[float],
    seed: int,
) -> NDArray[np.int64]:
    """Spreads whole groups over parts, the largest first, each to where it brings the class counts nearest.

    Rows are stratified on the combination of their labels, those of combinations with fewer than 10 rows on
    the first label alone. A group goes to the part that lowers most
    `sum over parts s and strata k of (count[s, k] - fraction[s] * total[k])^2 / total[k]`,
    where the size of the part counts as one more stratum.

    Args:
        labels: labels of each row, one a label column.
        group_of_row: number of the group of each row, from 0.
        fractions: share of each part.
        seed: decides between equally good parts and groups of equal size.

    Returns:
        The number of the part of each group, int64.
    """
    groups = int(group_of_row.max()) + 1
    counts = _counts_by_group(_strata(labels), group_of_row, groups)
    totals = counts.sum(axis=0)
    target = np.asarray(fractions)[:, None] * totals
    random = np.random.default_rng(seed)
    order = random.permutation(groups)
    order = order[np.argsort(-counts[order, -1], kind="stable")]
    have = np.zeros_like(target)
    part_of_group = np.empty(groups, dtype=np.int64)
    for group in order:
        # (h + c - t)^2 - (h - t)^2 = c (2 (h - t) + c)
        cost = (counts[group] * (2.0 * (have - target) + counts[group]) / totals).sum(axis=1)
        best = np.flatnonzero(np.isclose(cost, cost.min()))
        part_of_group[group] = best[random.integers(len(best))]
        have[part_of_group[group]] += counts[group]
    return part_of_group


def _wanted_splits(fractions: tuple[float, float, float]) -> tuple[Split, ...]:
    train, dev, test = fractions
    if not (train > 0 and dev > 0 and test >= 0 and math.isclose(sum(fractions), 1.0, abs_tol=1e-6)):
        shown = ", ".join(f"{fraction:g}" for fraction in fractions)
        raise UserError(f"fractions {shown}: train and dev must be above 0, and all three must add up to 1")
    return SPLITS if test > 0 else SPLITS[:2]


def read_table_rows(
    path: Path, needed: Sequence[str], encoding: str | None = None
) -> tuple[list[str], list[list[str]], str]:
    """The header and all rows of a table, each as wide as its header, and how it was read where that is a guess.

    Args:
        path: the file.
        needed: columns that must be there once and be filled in every row.
        encoding: of CSV; None finds it out.

    Raises:
        DataError: the file cannot be read, a column is missing, or a row lacks a value.
    """
    try:
        table = open_table(path, needed, encoding)
        header, numbered = table.header, list(table.rows)
    except FileNotFoundError:
        raise DataError(path, ["there is no such file"]) from None
    except TableError as error:
        raise DataError(path, [f"{error.row}: {error}" if error.row else str(error)]) from None
    missing = [column for column in needed if header.count(column) != 1]
    if missing:
        found = f"columns found: {listed(header)}"
        raise DataError(
            path, [f"1: not one column {name!r}; {found}{nearest_hint(name, header)}" for name in missing]
        )
    if lost := [name for name in needed if name in table.lost]:
        raise DataError(path, [f"column {name!r} {LOST_LISTS}" for name in lost])
    faults: list[Faulty] = []
    for number, row in numbered:
        fault = row_fault(header, row)
        if fault is not None:
            faults.append((str(number), fault))
        else:
            empty = [name for name in needed if not row[header.index(name)].strip()]
            faults += [(str(number), Fault(f"column {name!r} is empty")) for name in empty]
    if faults or not numbered:
        raise DataError(path, by_cause(faults) or ["there is no row below the header"], by_example(faults))
    return header, [row for _, row in numbered], table.said(GIVE_ENCODING) if table.is_guess else ""


def _strata(labels: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    times = Counter(labels)
    return [row if times[row] >= RARE else row[:1] for row in labels]


def _counts_by_group(
    strata: Sequence[tuple[str, ...]], group_of_row: NDArray[np.int64], groups: int
) -> NDArray[np.float64]:
    """Returns rows by group and stratum, shape (groups, strata + 1); the last column is the group's size."""
    number = {stratum: place for place, stratum in enumerate(sorted(set(strata)))}
    counts = np.zeros((groups, len(number) + 1))
    for group, stratum in zip(group_of_row.tolist(), strata, strict=True):
        counts[group, number[stratum]] += 1.0
    counts[:, -1] = counts[:, :-1].sum(axis=1)
    return counts


def _classes_by_group(
    labels: Sequence[tuple[str, ...]], group_of_row: NDArray[np.int64]
) -> dict[int, set[tuple[int, str]]]:
    classes: dict[int, set[tuple[int, str]]] = {}
    for group, row in zip(group_of_row.tolist(), labels, strict=True):
        classes.setdefault(group, set()).update(enumerate(row))
    return classes


def _give_train_every_class(
    split_of_group: NDArray[np.int64], labels: Sequence[tuple[str, ...]], group_of_row: NDArray[np.int64]
) -> None:
    classes = _classes_by_group(labels, group_of_row)
    sizes = np.bincount(group_of_row)
    in_train: set[tuple[int, str]] = set()
    for group in np.flatnonzero(split_of_group == 0).tolist():
        in_train |= classes[group]
    for group in np.argsort(sizes, kind="stable").tolist():
        if not classes[group] <= in_train:
            split_of_group[group] = 0
            in_train |= classes[group]


def _fill_empty_splits(
    split_of_group: NDArray[np.int64],
    labels: Sequence[tuple[str, ...]],
    group_of_row: NDArray[np.int64],
    splits: int,
) -> None:
    classes = _classes_by_group(labels, group_of_row)
    sizes = np.bincount(group_of_row)
    for split in range(splits):
        if (split_of_group == split).any():
            continue
        times = Counter(c for group in np.flatnonzero(split_of_group == 0).tolist() for c in classes[group])
        for group in np.argsort(sizes, kind="stable").tolist():
            if split_of_group[group] == 0 and all(times[c] > 1 for c in classes[group]):
                split_of_group[group] = split
                break
        else:
            alone = sum(count == 1 for count in times.values())
            raise UserError(
                f"no row or group can leave train for {SPLITS[split]}: "
                f"{alone} of {counted(len(times), 'class', 'classes')} are in a single "
                "one; merge rare classes, or name another label column where this one holds numbers or names"
            )
