"""Cross-validation folds: whole groups, every example evaluated once, and the same table in every fold."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from distune.config import DataConfig, FoldConfig, with_values
from distune.data import Table, read_table
from distune.data.fingerprint import table_fingerprint
from distune.data.folds import _confined, _spread_classes, assign_folds, with_fold
from distune.data.readers.raw_rows import RawExample
from distune.data.table import Split
from distune.errors import ConfigError, DataError

from .conftest import write_csv, write_png

FOLDS = 3


def write_set(root: Path, splits: dict[str, list[tuple[str, str]]]) -> Path:
    """A set of (group, label) rows by split."""
    number = 0
    for split, rows in splits.items():
        lines = [["img", "text", "label", "patient"]]
        for group, label in rows:
            write_png(root / f"{number}.png", number)
            lines.append([f"{number}.png", f"text {number}", label, group])
            number += 1
        write_csv(root / f"metadata_{split}.csv", lines)
    return root


def config_of(root: Path, **values: object) -> DataConfig:
    return DataConfig(
        reader="csv", root=root, image_column="img", text_column="text", label_columns=("label",),
        group_column="patient", **values,
    )  # fmt: skip


def folds_of(root: Path, count: int = FOLDS, seed: int = 0, **values: object) -> list[Table]:
    return [
        read_table(config_of(root, fold=FoldConfig(number=n, of=count), **values))
        for n in range(1, count + 1)
    ]


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    """30 rows of 15 patients in train and dev, two thirds "a", one third "b"; 4 rows in test."""
    rows = [(f"p{n // 2}", "b" if n // 2 % 3 == 2 else "a") for n in range(30)]
    return write_set(
        tmp_path / "set", {"train": rows[:22], "dev": rows[22:], "test": [("t0", "a"), ("t1", "b")] * 2}
    )


def test_every_example_is_in_dev_once_and_no_group_on_both_sides(patients: Path) -> None:
    tables, plain = folds_of(patients), read_table(config_of(patients))
    scored = Counter(row for table in tables for row in table.rows("dev").tolist())
    assert scored == Counter(np.flatnonzero(np.asarray(plain.splits) != "test").tolist())
    for table in tables:
        assert table.rows("test").tolist() == plain.rows("test").tolist()
        sides = [{table.groups[row] for row in table.rows(split)} for split in ("train", "dev")]
        assert not sides[0] & sides[1]
        assert len(table.rows("dev")) == 10
        assert np.bincount(table.labels[table.rows("dev"), 0]).tolist() in ([6, 4], [8, 2])


def test_each_fold_leaves_out_the_part_of_its_number(patients: Path) -> None:
    """A resumed study finds its folds under the numbers that they had."""
    tables = folds_of(patients)
    rows = np.sort(np.concatenate([tables[0].rows("train"), tables[0].rows("dev")]))
    labels = [(tables[0].tasks[0].classes[tables[0].labels[row, 0]],) for row in rows]
    parts = assign_folds(labels, [tables[0].groups[row] for row in rows], FOLDS, ["label"])
    for number, table in enumerate(tables):
        assert table.rows("dev").tolist() == rows[parts == number].tolist()


def test_only_the_splits_differ_between_folds(patients: Path) -> None:
    tables, plain = folds_of(patients), read_table(config_of(patients))
    for table in tables:
        assert (table.ids, table.images, table.texts) == (plain.ids, plain.images, plain.texts)
        assert table.tasks == plain.tasks and np.array_equal(table.labels, plain.labels)
    assert len({table_fingerprint(table) for table in (plain, *tables)}) == FOLDS + 1


@pytest.mark.slow
def test_the_seed_does_not_change_the_folds(patients: Path) -> None:
    assert [t.splits for t in folds_of(patients, seed=1)] == [t.splits for t in folds_of(patients, seed=2)]


def test_a_rare_class_is_in_two_folds_so_that_all_can_learn_it() -> None:
    labels = [("rare",) if n in (3, 17) else ("often",) for n in range(40)]
    for count in (2, 3, 5, 10):
        folds = assign_folds(labels, [str(n) for n in range(40)], count, ["label"])
        assert folds[3] != folds[17]
        assert np.bincount(folds).tolist() == pytest.approx([40 / count] * count, abs=1)


def test_the_smallest_group_moves_that_brings_a_class_into_a_second_fold() -> None:
    fold_of_group = np.array([0, 0, 0, 1, 1])
    holds = np.array([[True, False], [True, False], [False, True], [False, True], [False, True]])
    left = _spread_classes(fold_of_group, holds, np.array([3, 1, 5, 4, 4]), 2)
    assert fold_of_group.tolist() == [0, 1, 0, 1, 1] and not left.any()


def test_of_two_groups_that_share_a_class_and_a_fold_the_one_with_fewer_rows_moves() -> None:
    sizes = {
        "p0": 4,
        "p1": 1,
        "p2": 3,
        "p3": 5,
        "p4": 4,
    }  # p1, p2 and p3 were given to the first fold, by chance
    groups = [group for group, rows in sizes.items() for _ in range(rows)]
    first = {name: groups.index(name) for name in sizes}
    labels = [("rare",) if row in (first["p2"], first["p3"]) else ("often",) for row in range(len(groups))]
    folds = assign_folds(labels, groups, 2, ["label"])
    assert {name: int(folds[row]) for name, row in first.items()} == {
        "p0": 1,
        "p1": 0,
        "p2": 1,
        "p3": 0,
        "p4": 1,
    }


def test_more_folds_than_groups_are_refused(patients: Path) -> None:
    with pytest.raises(DataError, match=r"15 groups .* 16 folds"):
        folds_of(patients, 16)


def test_a_class_of_one_group_is_named_with_what_to_do(tmp_path: Path) -> None:
    rows = [(f"p{n}", "ab"[n % 2]) for n in range(10)]
    root = write_set(tmp_path, {"train": [*rows, ("lone", "c"), ("lone", "c")], "dev": rows[:2]})
    with pytest.raises(DataError) as caught:
        folds_of(root)
    assert caught.value.problems == (
        "group 'lone' alone has label 'c' of task 'label', and no folds part its examples: the fold evaluated on it "
        "cannot learn it; join the label with another, leave its examples out, or do without folds",
    )


def test_bad_examples_take_no_part_and_come_before_trouble_with_folds(patients: Path) -> None:
    (patients / "3.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="not an image"):
        folds_of(patients, 16)
    tables = folds_of(patients, on_bad_example="drop")
    assert sum(len(table.rows("dev")) for table in tables) == 29
    assert all("3.png" not in table.ids and len(table.dropped) == 1 for table in tables)


def test_a_fold_beyond_the_last_does_not_exist() -> None:
    from distune.config import Config

    with pytest.raises(ConfigError, match="fold 4 of 3"):
        with_values(Config(), {"data.fold.number": 4, "data.fold.of": 3})


def test_as_many_groups_as_folds_fill_one_each() -> None:
    folds = assign_folds([("a",)] * 3, ["p", "q", "r"], 3, ["label"])
    assert sorted(folds.tolist()) == [0, 1, 2] and folds.dtype == np.int64


def test_among_equal_groups_the_class_moves_to_the_emptiest_fold() -> None:
    """Both groups of class 0 are in fold 0; folds 1 and 2 hold 9 and 4 rows."""
    fold_of_group = np.array([0, 0, 1, 2])
    holds = np.array([[True], [True], [False], [False]])
    left = _spread_classes(fold_of_group, holds, np.array([2, 2, 9, 4]), 3)
    assert fold_of_group.tolist() == [2, 0, 1, 2] and not left.any()


def test_a_class_that_stays_in_one_fold_is_told_and_moves_nothing() -> None:
    fold_of_group = np.array([0, 0, 1])
    left = _spread_classes(fold_of_group, np.array([[True], [False], [False]]), np.array([1, 1, 1]), 2)
    assert left.tolist() == [True] and fold_of_group.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("holding", "where"),
    [([False, True, False], "group 'q' alone has"), ([True, False, True], "2 groups have")],
)
def test_a_class_that_no_move_can_part_says_who_has_it(holding: list[bool], where: str) -> None:
    said = _confined(1, "c", np.array(holding), np.array(["p", "q", "r"]), ["grade", "organ"])
    assert said.startswith(f"{where} label 'c' of task 'organ'")


def test_only_train_and_dev_are_folded_and_no_label_is_no_class() -> None:
    splits: tuple[Split, ...] = ("train", "dev", "test", "train", "unlabelled", "dev")
    rows = [
        RawExample(str(n), "", "", ("" if n == 4 else "a",), f"g{n}", split, f"t:{n}")
        for n, split in enumerate(splits)
    ]
    dev = []
    for number in (1, 2, 3, 4):
        folded = with_fold(rows, FoldConfig(number=number, of=4), ("label",))
        assert [row.id for row in folded] == [row.id for row in rows]
        assert (folded[2].split, folded[4].split) == ("test", "unlabelled")
        dev += [row.id for row in folded if row.split == "dev"]
        assert [row.split for row in folded].count("train") == 3
    assert sorted(dev) == ["0", "1", "3", "5"]
