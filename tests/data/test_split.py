from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from distune.config import DataConfig
from distune.data import read_table
from distune.data.split import (
    _fill_empty_splits,
    _give_train_every_class,
    assign_splits,
    read_table_rows,
    refuse_case_twins,
    split_csv,
    spread_groups,
)
from distune.errors import DataError, UserError

from .conftest import write_csv, write_png

FRACTIONS = (0.7, 0.15, 0.15)
rows = st.lists(
    st.tuples(st.tuples(st.sampled_from("abc"), st.sampled_from("xy")), st.integers(0, 30).map(str)),
    min_size=3,
    max_size=120,
)


@pytest.mark.slow
@given(rows, st.integers(0, 2**31))
@settings(max_examples=150)
def test_no_group_spans_splits_nothing_is_lost_and_train_has_every_class(
    drawn: list[tuple[tuple[str, str], str]], seed: int
) -> None:
    labels, groups = [row[0] for row in drawn], [row[1] for row in drawn]
    assume(len(set(groups)) >= 3)
    try:
        assigned = assign_splits(labels, groups, fractions=FRACTIONS, seed=seed)
    except UserError:
        # Only where some split cannot be filled: nearly every group then holds a class of its own.
        alone = Counter(
            c for g in set(groups) for c in {(k, v) for lab, h in drawn if h == g for k, v in enumerate(lab)}
        )
        assert min(alone.values()) <= 2
        return
    assert len(assigned) == len(drawn)
    assert set(assigned.tolist()) == {0, 1, 2}
    for group in set(groups):
        assert len({split for split, own in zip(assigned, groups, strict=True) if own == group}) == 1
    for column in range(2):
        train = {row[column] for row, split in zip(labels, assigned, strict=True) if split == 0}
        assert train == {row[column] for row in labels}


def test_combinations_are_spread_as_the_fractions_say() -> None:
    random = np.random.default_rng(0)
    groups = [str(group) for group in random.integers(0, 500, 2000)]
    labels = [(str(random.integers(2)), str(min(random.integers(8), 4))) for _ in range(2000)]
    assigned = assign_splits(labels, groups, fractions=FRACTIONS, seed=1)
    for combination in set(labels):
        mine = np.bincount(
            [s for s, lab in zip(assigned, labels, strict=True) if lab == combination], minlength=3
        )
        assert np.abs(mine / mine.sum() - FRACTIONS).max() < 0.03
    assert np.abs(np.bincount(assigned) / 2000 - FRACTIONS).max() < 0.005


def test_rare_combinations_are_spread_by_their_first_label() -> None:
    labels = [("ab"[n % 2], str(n // 2 % 10)) for n in range(80)]  # 20 combinations of 4 rows
    for seed in range(5):
        assigned = assign_splits(labels, [str(n) for n in range(80)], fractions=FRACTIONS, seed=seed)
        assert np.bincount(assigned[0::2]).tolist() == [28, 6, 6]
        assert np.bincount(assigned[1::2]).tolist() == [28, 6, 6]


def test_a_class_of_one_small_group_is_in_train() -> None:
    labels = [("common",)] * 40 + [("rare",)]
    for seed in range(20):
        assigned = assign_splits(labels, [str(n) for n in range(41)], fractions=(0.2, 0.4, 0.4), seed=seed)
        assert assigned[40] == 0


def test_large_groups_are_placed_first_and_small_ones_fill_up() -> None:
    groups = ["large"] * 30 + [str(n) for n in range(30)]
    for seed in range(10):
        assigned = assign_splits([("a",), ("b",)] * 30, groups, fractions=(0.5, 0.25, 0.25), seed=seed)
        assert np.bincount(assigned).tolist() == [30, 15, 15]


def test_the_seed_decides() -> None:
    labels, groups = [("a",), ("b",)] * 50, [str(n // 2) for n in range(100)]
    first = assign_splits(labels, groups, fractions=FRACTIONS, seed=1)
    assert np.array_equal(first, assign_splits(labels, groups, fractions=FRACTIONS, seed=1))
    assert not np.array_equal(first, assign_splits(labels, groups, fractions=FRACTIONS, seed=2))


def metadata(root: Path, rows_: int = 60) -> Path:
    header = ["file_path", "type", "severity", "description", "patient", "extra"]
    body = []
    for n in range(rows_):
        body.append([f"{n}.png", "ab"[n % 2], "xyz"[n % 3], f'note "{n}",\nsecond line', f"p{n // 2}", "é"])
    root.mkdir(exist_ok=True)
    write_csv(root / "metadata.csv", [header, *body])
    return root / "metadata.csv"


def read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_files_keep_every_column_and_row_and_can_be_read(tmp_path: Path) -> None:
    path = metadata(tmp_path / "set")
    counts = split_csv(path, path.parent, label_columns=["type", "severity"], group_column="patient", seed=3)
    parts = {split: read(path.parent / f"metadata_{split}.csv") for split in ("train", "dev", "test")}
    source = read(path)
    assert all(part[0] == source[0] for part in parts.values())
    assert sorted(row for part in parts.values() for row in part[1:]) == sorted(source[1:])
    patients = [{row[4] for row in part[1:]} for part in parts.values()]
    assert sum(len(own) for own in patients) == 30
    for split, part in parts.items():
        assert counts[split]["type"] == dict(Counter(row[1] for row in part[1:]))
        assert counts[split]["severity"] == dict(Counter(row[2] for row in part[1:]))
    for n in range(60):
        write_png(path.parent / f"{n}.png", n)
    table = read_table(DataConfig(reader="wound", root=path.parent, group_column="patient"))
    assert len(table) == 60
    assert [path.name for path in path.parent.iterdir() if path.name.endswith(".new")] == []


def test_without_a_test_share_there_is_no_test_file(tmp_path: Path) -> None:
    path = metadata(tmp_path / "set")
    counts = split_csv(path, tmp_path / "out/deep", label_columns=["type"], fractions=(0.8, 0.2, 0.0))
    assert sorted(counts) == ["dev", "train"]
    assert sorted(p.name for p in (tmp_path / "out/deep").iterdir()) == [
        "metadata_dev.csv",
        "metadata_train.csv",
    ]


def test_existing_files_are_not_overwritten(tmp_path: Path) -> None:
    path = metadata(tmp_path / "set")
    (path.parent / "metadata_test.csv").write_text("mine")
    with pytest.raises(UserError, match=r"metadata_test\.csv: .*already"):
        split_csv(path, path.parent, label_columns=["type"])
    assert not (path.parent / "metadata_train.csv").exists()
    with pytest.raises(UserError, match="already"):  # before anything is read
        split_csv(path.parent / "none.csv", path.parent, label_columns=["type"])


@pytest.mark.parametrize("fractions", [(0.7, 0.2, 0.2), (0.0, 0.5, 0.5), (1.0, 0.0, 0.0), (0.8, 0.3, -0.1)])
def test_senseless_fractions_are_refused(tmp_path: Path, fractions: tuple[float, float, float]) -> None:
    with pytest.raises(UserError, match="must add up to 1"):
        split_csv(metadata(tmp_path / "set"), tmp_path, label_columns=["type"], fractions=fractions)


def test_bad_metadata_is_named_all_at_once(tmp_path: Path) -> None:
    path = metadata(tmp_path / "set", 6)
    with pytest.raises(DataError) as caught:
        split_csv(path, tmp_path, label_columns=["typ", "severity"], group_column="case")
    assert [line.split(";")[0] for line in caught.value.problems] == [
        "1: not one column 'typ'",
        "1: not one column 'case'",
    ]
    rows_ = read(path)
    rows_[2][1] = ""
    rows_[4] = rows_[4][:3]
    rows_[5][4] = " "
    write_csv(path, rows_)
    with pytest.raises(DataError) as caught:
        split_csv(path, tmp_path, label_columns=["type"], group_column="patient")
    assert caught.value.problems == (
        "3: column 'type' is empty",
        "5: too many or too few fields: 3 where the header has 6",
        "6: column 'patient' is empty",
    )
    with pytest.raises(DataError, match="no such file"):
        split_csv(tmp_path / "none.csv", tmp_path, label_columns=["type"])


def test_one_patient_in_two_spellings_is_in_one_split_and_two_of_other_case_are_refused(
    tmp_path: Path,
) -> None:
    path = metadata(tmp_path / "set")
    rows_ = read(path)
    for row in rows_[1:]:
        row[4] = row[4].removeprefix("p")
    for row in rows_[2::2]:
        row[4] += ".0 "
    write_csv(path, rows_)
    split_csv(path, tmp_path / "out", label_columns=["type"], group_column="patient")
    parts = [read(tmp_path / f"out/metadata_{split}.csv")[1:] for split in ("train", "dev", "test")]
    patients = [{row[4].strip().removesuffix(".0") for row in part} for part in parts]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 30
    rows_[3][4], rows_[5][4] = "Ab", "aB"
    write_csv(path, rows_)
    with pytest.raises(DataError, match="'aB', 'Ab'"):
        split_csv(path, tmp_path / "other", label_columns=["type"], group_column="patient")
    assert not (tmp_path / "other").exists()


def test_the_smallest_group_of_a_class_goes_to_train_and_the_smallest_that_can_leaves_it() -> None:
    """Group 0 has 3 rows, 1 has 2, 2 and 3 one each; train lacks class r."""
    labels, groups = [("a",), ("a",), ("a",), ("r",), ("a",), ("r",), ("a",)], np.array([0, 0, 0, 1, 1, 2, 3])
    splits = np.array([0, 1, 1, 2])
    _give_train_every_class(splits, labels, groups)
    assert splits.tolist() == [0, 1, 0, 2]
    everything_in_train = np.array([0, 0, 0, 0])
    _fill_empty_splits(everything_in_train, labels, groups, 2)
    assert everything_in_train.tolist() == [0, 0, 1, 0]  # the first of the smallest; group 1 keeps class r


def test_too_few_groups_are_an_error() -> None:
    with pytest.raises(UserError, match="2 groups cannot fill 3 splits"):
        assign_splits([("a",), ("b",)], ["1", "2"], fractions=FRACTIONS, seed=0)
    with pytest.raises(UserError, match="classes are in a single"):
        assign_splits([("a",), ("b",), ("c",)], ["1", "2", "3"], fractions=FRACTIONS, seed=0)


def test_a_group_goes_where_the_squared_misses_over_the_totals_grow_least() -> None:
    """Parts of 0.75 and 0.25 of eight rows; groups of 4, 2, 1 and 1 rows, the last two of a class of their own.

    The largest fits the first part alone (wanted 6 and 2 rows); then that has room for 2 and the other for 2 rows. The
    group of 2 rows is as well off in either by size and class a, but 6 a's want 4.5 and 1.5: it goes to the second.
    """
    labels = [("a",)] * 6 + [("b",)] * 2
    groups = np.array([0, 0, 0, 0, 1, 1, 2, 3])
    for seed in range(8):
        parts = spread_groups(labels, groups, fractions=(0.75, 0.25), seed=seed)
        assert parts.dtype == np.int64
        assert parts.tolist() == [0, 1, 0, 0]


def misses(counts: np.ndarray, wanted: np.ndarray, totals: np.ndarray) -> float:
    """As the docstring says it: the squared misses of each part and stratum over the stratum's rows, added up."""
    return float(((counts - wanted) ** 2 / totals).sum())


def test_every_group_goes_where_the_misses_are_then_least() -> None:
    """Groups of 1 to 12 rows in three classes, placed one by one, the whole sum computed anew for each part."""
    random, seen = np.random.default_rng(2), set()
    for _ in range(30):
        sizes = random.permutation(np.arange(1, 13))
        groups = np.repeat(np.arange(12), sizes)
        labels = [(name,) for name in random.choice(list("abc"), len(groups), p=(0.8, 0.15, 0.05))]
        fractions = (0.6, 0.25, 0.15)
        strata = [np.array([row == (name,) for row in labels]) for name in "abc" if (name,) in labels]
        by_group = np.array([[*(own[groups == g].sum() for own in strata), sizes[g]] for g in range(12)])
        totals = by_group.sum(axis=0)
        wanted, have = np.outer(fractions, totals), np.zeros((3, len(totals)))
        expected, is_tied = np.zeros(12, int), False
        for group in np.argsort(-sizes):
            costs = []
            for part in range(3):
                after = have.copy()
                after[part] += by_group[group]
                costs.append(misses(after, wanted, totals))
            first, second, _ = sorted(costs)
            is_tied |= second - first < 1e-6
            expected[group] = int(np.argmin(costs))
            have[expected[group]] += by_group[group]
        if not is_tied:
            seen.add(tuple(expected))
            assert spread_groups(labels, groups, fractions=fractions, seed=0).tolist() == expected.tolist()
    assert len(seen) > 5


def test_the_size_of_a_part_counts_in_rows_and_not_in_classes() -> None:
    labels = [("a",)] * 20 + [("b",)] * 20
    groups = np.array([0] * 20 + [1] * 20)
    for seed in range(4):
        assert sorted(spread_groups(labels, groups, fractions=(0.5, 0.5), seed=seed).tolist()) == [0, 1]
    thirds = spread_groups([("a",)] * 9, np.repeat(np.arange(9), 1), fractions=(2 / 3, 1 / 3), seed=0)
    assert np.bincount(thirds).tolist() == [6, 3]


def test_ten_rows_of_a_combination_are_a_stratum_of_their_own() -> None:
    """Of 10 rows (a, x) and 10 rows (a, y) five of each go to either half; nine of each count as 18 of a."""
    for count, is_own in ((10, True), (9, False)):
        labels = [("a", "x")] * count + [("a", "y")] * count
        found = [
            assign_splits(labels, list(map(str, range(2 * count))), fractions=(0.5, 0.5), seed=seed)[:count]
            for seed in range(20)
        ]
        assert all(abs(int(part.sum()) - count / 2) < 1 for part in found) == is_own


def test_one_group_that_brings_two_classes_is_enough_for_train() -> None:
    """Groups 1 (one row) and 2 (two rows) hold the classes r and s that train lacks: one moves, not both."""
    labels, groups = [("a",), ("r",), ("r",), ("r",)], np.array([0, 1, 2, 2])
    splits = np.array([0, 1, 2])
    _give_train_every_class(splits, labels, groups)
    assert splits.tolist() == [0, 0, 2]


def test_a_group_brings_the_classes_of_all_its_rows() -> None:
    """Train lacks r and s: the one group that has r has s, too, in another row, so no other has to move."""
    labels, groups = [("a",), ("r",), ("s",), ("s",), ("s",)], np.array([0, 1, 1, 2, 2])
    splits = np.array([0, 1, 2])
    _give_train_every_class(splits, labels, groups)
    assert splits.tolist() == [0, 0, 2]


def test_a_row_of_two_labels_leaves_train_only_where_train_keeps_both() -> None:
    """Class x is left with group 2, class b is not: the smallest group may not go."""
    labels, groups = [("a", "x"), ("b", "x"), ("a", "x"), ("a", "x")], np.array([0, 1, 2, 2])
    splits = np.array([0, 0, 0])
    _fill_empty_splits(splits, labels, groups, 2)
    assert splits.tolist() == [1, 0, 0]
    with pytest.raises(UserError, match="for dev: 2 of 3 classes"):
        _fill_empty_splits(np.array([0, 0]), [("a", "x"), ("b", "x")], np.array([0, 1]), 2)


def test_options_that_name_no_split_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    path, out = metadata(tmp_path / "set"), tmp_path / "out"
    for options in (
        {"label_columns": []},
        {"label_columns": ["type", "type"]},
        {"label_columns": ["type"], "seed": -1},
        {"label_columns": ["type"], "fractions": (0.8, 0.0, 0.2)},
        {"label_columns": ["type"], "fractions": (0.7, 0.2, 0.15)},
        {"label_columns": ["type"], "fractions": (0.7, 0.15, 0.149)},
    ):
        with pytest.raises(UserError):
            split_csv(path, out, **options)
    assert not out.exists()


def test_the_seed_and_the_normal_form_decide_the_files(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write_csv(path, [["kind", "id"], *([["1", "1.0", "2"][n % 3], str(n)] for n in range(60))])
    by_seed = {}
    for seed in (1, 2):
        counts = split_csv(path, tmp_path / str(seed), label_columns=["kind"], seed=seed)
        assert {split: sum(found["kind"].values()) for split, found in counts.items()} == {
            "train": 42,
            "dev": 9,
            "test": 9,
        }
        assert counts["train"]["kind"] == {"1": 28, "2": 14}  # 1.0 is the class 1
        by_seed[seed] = read(tmp_path / f"{seed}/metadata_dev.csv")
    assert by_seed[1] != by_seed[2]


def test_one_group_in_two_spellings_is_in_one_split_and_a_twin_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [["ab"[n % 2], f"{n // 2}{('', '.0')[n % 2]}"] for n in range(60)]
    write_csv(path, [["kind", "case"], *rows])
    split_csv(path, tmp_path / "out", label_columns=["kind"], group_column="case")
    for split in ("train", "dev", "test"):
        cases = [row[1] for row in read(tmp_path / f"out/metadata_{split}.csv")[1:]]
        assert cases and all(f"{case.removesuffix('.0')}.0" in cases for case in cases)
    write_csv(path, [["kind", "case"], *rows, ["a", "P1"], ["b", "p1"]])
    with pytest.raises(DataError, match="look alike"):
        split_csv(path, tmp_path / "other", label_columns=["kind"], group_column="case")
    assert not (tmp_path / "other").exists()


def test_groups_that_may_be_one_or_none_are_noted_as_in_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "t.csv"
    rows = [["ab"[n % 2], ("P1", "P-1", "unknown", f"{n}")[min(n, 3)]] for n in range(30)]
    rows += [[kind, f"{n}"] for n, kind in enumerate(("A", "A", "a-b", "a b", "?", "a;b"), start=30)]
    write_csv(path, [["kind", "case"], *rows])
    split_csv(path, tmp_path / "out", label_columns=["kind"], group_column="case")
    assert "'P1', 'P-1' look alike" in caplog.text and "'unknown' is a patient or case" in caplog.text
    assert caplog.text.count("look alike") == 3  # of groups, and of labels with and without signs
    assert "label kind: 'a', 'A' look alike" in caplog.text and "'a;b' is taken for a class" in caplog.text


def test_groups_that_look_alike_are_shown_three_and_the_rest_counted() -> None:
    groups = [name for letter in "abcde" for name in (letter, letter, letter.upper())]
    with pytest.raises(DataError) as caught:
        refuse_case_twins(Path("t.csv"), "case", groups)
    (problem,) = caught.value.problems
    assert "'C', 'c'; and 2 more" in problem and "'D'" not in problem
    with pytest.raises(DataError) as caught:
        refuse_case_twins(Path("t.csv"), "case", groups[:9])
    assert "more" not in caught.value.problems[0]
    refuse_case_twins(Path("t.csv"), "case", ["a", "b", "a"])


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("kind,kind\na,b\n", "1: not one column 'kind'"),
        ("kind,id\n", "no row below"),
        ("kind,id\n \t,1\nx,2\n", "2: column 'kind' is empty"),
    ],
)
def test_a_table_whose_needed_column_is_not_there_once_and_filled(
    tmp_path: Path, body: str, problem: str
) -> None:
    (tmp_path / "t.csv").write_text(body)
    with pytest.raises(DataError) as caught:
        read_table_rows(tmp_path / "t.csv", ["kind"])
    assert len(caught.value.problems) == 1 and problem in caught.value.problems[0]


def test_a_word_for_nothing_is_no_patient_and_is_said_of_a_label(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [f"{'ab'[n % 2] if n else 'nan'},{n // 2 if n > 3 else 'NaN'}" for n in range(20)]
    (tmp_path / "t.csv").write_text("\n".join(["kind,id", *rows, "nan,9"]))
    with pytest.raises(DataError, match=r"'id': 4 cells .*'NaN': 4"):
        split_csv(tmp_path / "t.csv", tmp_path / "out", label_columns=["kind"], group_column="id")
    assert not (tmp_path / "out").exists()
    split_csv(tmp_path / "t.csv", tmp_path / "out", label_columns=["kind"])
    assert "'kind': 2 cells" in caplog.text


def test_nothing_is_left_where_the_step_before_writing_fails(tmp_path: Path) -> None:
    path = metadata(tmp_path / "set")

    def fail() -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        split_csv(path, tmp_path / "out", label_columns=["type"], before_writing=fail)
    assert not list((tmp_path / "out").iterdir())


def test_an_encoding_that_is_a_guess_is_said_and_one_that_is_named_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(("kind\n" + "Kość\nŁódź\n" * 5).encode("cp1250"))
    counts = split_csv(path, tmp_path / "named", label_columns=["kind"], encoding="cp1250")
    assert set(counts["train"]["kind"]) == {"Kość", "Łódź"} and not caplog.records
    assert "Kość" in (tmp_path / "named/metadata_train.csv").read_text(encoding="utf-8")
    split_csv(path, tmp_path / "guessed", label_columns=["kind"])
    assert "Windows-1252" in caplog.text and "--encoding" in caplog.text
    caplog.clear()
    path.write_text("kind\n" + "Kość\nŁódź\n" * 5, encoding="utf-8")
    split_csv(path, tmp_path / "usual", label_columns=["kind"])
    assert not caplog.records
    with pytest.raises(DataError, match="utf-9"):
        split_csv(path, tmp_path / "odd", label_columns=["kind"], encoding="utf-9")
