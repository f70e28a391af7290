"""Rows that lack labels: read, refused where they would leak, and kept apart from the labelled ones."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distune.config import parse_config
from distune.data import Table, read_table
from distune.data.audit.audit import audit
from distune.data.fingerprint import table_fingerprint
from distune.data.table import MISSING
from distune.errors import ConfigError, DataError

from .conftest import medpix_row, write_csv, write_lines, write_png


def write(root: Path, name: str, rows: Sequence[Sequence[str]]) -> None:
    header = ["image", "text", "case", "kind", "grade"]
    for seed, row in enumerate(rows):
        write_png(root / row[0], len(name) * 100 + seed)
    write_csv(root / name, [header, *rows])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """12 train cases of two rows, of which one lacks a grade and one both labels; 4 dev cases."""
    root = tmp_path / "set"
    train = [
        [f"a{n}_{k}.png", f"text {n} {k}", f"case{n}", "xy"[n % 2], "lm"[n // 2 % 2]]
        for n in range(12)
        for k in range(2)
    ]
    train[2][4] = ""
    train[5][3:] = ["", " "]
    write(root, "metadata_train.csv", train)
    dev = [[f"d{n}.png", f"dev {n}", f"dev{n}", "xy"[n % 2], "lm"[n // 2]] for n in range(4)]
    write(root, "metadata_dev.csv", dev)
    return root


def read(root: Path, **values: Any) -> Table:
    data = {
        "reader": "csv",
        "root": str(root),
        "image_column": "image",
        "text_column": "text",
        "group_column": "case",
        "label_columns": ["kind", "grade"],
        **values,
    }
    return read_table(parse_config({"data": data}).data)


def test_a_missing_label_is_refused_unless_it_is_allowed(root: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(root)
    assert all(origin in str(caught.value) for origin in ("metadata_train.csv:4", "metadata_train.csv:7"))
    table = read(root, missing="allow")
    assert table.labels[2].tolist() == [1, MISSING] and table.splits[2] == "train"
    assert table.labels[5].tolist() == [MISSING, MISSING] and table.splits[5] == "unlabelled"
    assert [task.classes for task in table.tasks] == [("x", "y"), ("l", "m")]
    assert len(table.rows("train")) == 23 and len(table.rows("train", 1)) == 22
    assert table.taught_rows().tolist() == list(range(24))


def test_a_whole_set_is_the_same_table_whether_labels_may_be_missing_or_not(wound: Path) -> None:
    data = {"reader": "wound", "root": str(wound)}
    tables = [
        read_table(parse_config({"data": {**data, **more}}).data) for more in ({}, {"missing": "allow"})
    ]
    assert len({table_fingerprint(table) for table in tables}) == 1


def test_an_evaluated_row_needs_a_label_and_an_evaluated_task_too(root: Path) -> None:
    dev = [["d0.png", "t", "dev0", "", ""], ["d1.png", "t", "dev1", "x", ""]]
    write(root, "metadata_dev.csv", dev)
    with pytest.raises(DataError) as caught:
        read(root, missing="allow")
    assert any(line.startswith("metadata_dev.csv:2: no label at all") for line in caught.value.problems)
    write(root, "metadata_dev.csv", dev[1:])
    with pytest.raises(DataError, match="'grade' has no label"):
        read(root, missing="allow")


@pytest.mark.slow
def test_a_file_of_unlabelled_examples(root: Path) -> None:
    write_png(root / "u0.png", 1)
    write_csv(root / "more.csv", [["case", "image", "text"], ["new", "u0.png", "unread"]])
    table = read(root, missing="allow", unlabelled="more.csv")
    assert table.splits[-1] == "unlabelled" and table.texts[-1] == "unread" and table.groups[-1] == "new"
    assert table.labels[-1].tolist() == [MISSING, MISSING]
    assert table_fingerprint(table) != table_fingerprint(read(root, missing="allow"))
    apart = read(root, missing="allow", unlabelled="more.csv", subgroup_columns=["case"])
    assert apart.subgroups["case"][-1] in ("", "new") and apart.subgroups["case"][0] == table.groups[0]
    flow, alone = (audit(read).to_dict() for read in (table, table.labelled()))
    assert str(flow["sections"][0]) != str(alone["sections"][0])
    assert flow["findings"] == alone["findings"] and flow["sections"][1:] == alone["sections"][1:]


@pytest.mark.parametrize("case", ["dev1", "late"])
def test_unlabelled_rows_of_an_evaluated_case_are_refused(root: Path, case: str) -> None:
    write(root, "metadata_test.csv", [["t.png", "t", "late", "x", "l"]])
    write_png(root / "u.png", 1)
    write_csv(root / "more.csv", [["case", "image", "text"], [case, "u.png", "t"], ["new", "u.png", "t"]])
    with pytest.raises(DataError) as caught:
        read(root, missing="allow", unlabelled="more.csv")
    assert [line.split(":")[1] for line in caught.value.problems] == ["2"] and case in caught.value.problems[
        0
    ]
    dropped = read(root, missing="allow", unlabelled="more.csv", on_bad_example="drop")
    assert dropped.groups[-1] == "new" and len(dropped.dropped) == 1


def test_the_case_that_a_fold_leaves_out_teaches_nothing(root: Path) -> None:
    """Case 2 has a labelled and an unlabelled row; whichever fold has it, the other row is no part of it."""
    splits = []
    for number in (1, 2, 3):
        table = read(root, missing="allow", fold={"number": number, "of": 3})
        scored = {table.groups[row] for row in table.rows("dev")}
        assert not scored & {table.groups[row] for row in table.taught_rows()}
        assert (table.splits[4], table.splits[5]) in {("dev", "unused"), ("train", "unlabelled")}
        splits.append(table.splits[4])
        assert len(table) == 28
    assert sorted(splits) == ["dev", "train", "train"]


def test_labels_of_a_share_of_the_cases(root: Path) -> None:
    whole = read(root, missing="allow", fold={"number": 1, "of": 3})
    table = read(root, missing="allow", fold={"number": 1, "of": 3}, label_fraction=0.5)
    assert table.rows("dev").tolist() == whole.rows("dev").tolist()
    assert table.taught_rows().tolist() == whole.taught_rows().tolist()
    labelled = {table.groups[row] for row in table.rows("train")}
    hidden = {
        table.groups[row] for row in table.rows("unlabelled") if row not in set(whole.rows("unlabelled"))
    }
    assert labelled and hidden and not labelled & hidden
    assert [task.classes for task in table.tasks] == [task.classes for task in whole.tasks]
    assert (table.labels[table.rows("unlabelled")] == MISSING).all()
    np.testing.assert_array_equal(table.labels[table.rows("train")], whole.labels[table.rows("train")])


def test_unlabelled_rows_that_repeat_an_image_or_hold_labels_are_named(root: Path) -> None:
    rows = [["case", "image", "kind"], ["new", "copy_d1.png", "x"], ["new", "copy_a2_0.png", ""]]
    for name in ("d1.png", "a2_0.png"):
        (root / f"copy_{name}").write_bytes((root / name).read_bytes())
    write_csv(root / "more.csv", [[*row, "t"] if n else [*row, "text"] for n, row in enumerate(rows)])
    table = read(root, missing="allow", unlabelled="more.csv")
    assert any("'kind'" in note and "more.csv" in note for note in table.notes)
    found = {finding.kind: finding for finding in audit(table).findings}
    severe, note = found["unlabelled_images_of_evaluated_rows"], found["unlabelled_images_of_train_rows"]
    assert (severe.severity, note.severity) == ("severe", "info")
    for finding, name in ((severe, "d1.png"), (note, "a2_0.png")):
        assert [(row["first"], row["second"]) for row in finding.rows] == [(name, f"copy_{name}")]


def test_unlabelled_lines_of_medpix(medpix: Callable[..., Path]) -> None:
    root = medpix()
    row = medpix_row(20)
    del row["Type"], row["Location Category"]
    write_lines(root / "splitted_dataset/more.jsonl", [row, medpix_row(21)])
    for number in (20, 21):
        write_png(root / f"images/MPX{number}_synpic{number}.png", number)
    data = {"reader": "medpix", "root": str(root), "unlabelled": "splitted_dataset/more.jsonl"}
    table = read_table(parse_config({"data": data}).data)
    assert table.splits[-2:] == ("unlabelled", "unlabelled")
    assert (table.labels[-2:] == MISSING).all() and table.texts[-1] == "Caption 21."
    assert any("1 row" in note and "more.jsonl" in note for note in table.notes)


@pytest.mark.parametrize("path", ["../more.csv", "/more.csv"])
def test_no_file_outside_the_root(path: str) -> None:
    with pytest.raises(ConfigError, match="unlabelled"):
        parse_config({"data": {"reader": "wound", "unlabelled": path}})


def test_predictions_leave_an_unknown_truth_empty(root: Path, tmp_path: Path) -> None:
    from distune.analysis.runs import known_predictions
    from distune.training.files.prediction_files import write_predictions

    table = read(root, missing="allow")
    rows = np.array([1, 2])
    write_predictions(tmp_path, "dev", table, rows, [np.full((2, 2), 0.5)] * 2)
    with (tmp_path / "predictions_dev.csv").open(newline="") as handle:
        assert [row["truth_grade"] for row in csv.DictReader(handle)] == ["l", ""]
    kind, grade = known_predictions(tmp_path)  # type: ignore[misc]
    assert kind.truth.tolist() == [0, 1] and grade.truth.tolist() == [0, MISSING]
