"""What the readers and checks make of rows that are written here."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from distune.config import DataConfig, TaskConfig
from distune.data.readers.checks import checked_images, label_problems, split_problems, value_problems
from distune.data.readers.csv_tables import csv_columns, read_csv_tables
from distune.data.readers.medpix import read_medpix
from distune.data.readers.problems import LONGEST_DETAIL, Fault, by_cause, by_example
from distune.data.readers.raw_rows import RawExample, RawTable
from distune.data.table import Split
from distune.data.unlabelled import keep_labels, leak_problems, left_out, set_apart

from .conftest import medpix_row, write_csv, write_lines, write_png


def row(number: int, split: Split, *labels: str, group: str | None = None, **others: Any) -> RawExample:
    given = {"image": f"{number}.png", "text": "words", **others}
    return RawExample(
        str(number), labels=labels, group=f"g{number}" if group is None else group, split=split,
        origin=f"t.csv:{number + 2}", **given,
    )  # fmt: skip


def causes(faults: Sequence[Sequence[Fault]]) -> list[list[str]]:
    return [[fault.cause for fault in own] for own in faults]


def test_which_labels_a_row_needs() -> None:
    rows = [
        row(0, "train", "", "x"),
        row(1, "train", " ", ""),
        row(2, "dev", "", "x"),
        row(3, "test", "", ""),
        row(4, "unlabelled", "", ""),
    ]
    one, other = "empty label for task 'a'", "empty label for task 'b'"
    assert causes(value_problems(rows, ("a", "b"))) == [[one], [one, other], [one], [one, other], []]
    allowed = causes(value_problems(rows, ("a", "b"), allow_missing=True))
    assert allowed == [[], [], [], ["no label at all"], []]
    assert not any(value_problems(rows, ("a", "b"), needs_labels=False)), "as a table that is evaluated"


def test_a_row_needs_a_group_an_own_id_and_one_of_image_and_text() -> None:
    rows = [
        row(0, "train", "x", group=" "),
        row(0, "dev", "x", image=" ", text="\t"),
        row(2, "train", "x", image="", text="t"),
        row(3, "train", "x", text=""),
        row(4, "train", "x", subgroups=("\ud800",)),
    ]
    rows[1] = RawExample("0", rows[1].image, rows[1].text, ("x",), "g", "dev", "t.csv:9")
    found = value_problems(rows, ("a",), allow_missing=True)
    assert causes(found)[:4] == [
        ["empty group"],
        ["neither an image nor a text", "id is already taken"],
        [],
        [],
    ]
    assert len(found[4]) == 1 and "Unicode" in found[4][0].cause
    assert found[1][1].detail == "'0' by t.csv:2"
    assert "neither an image nor a text" not in str(value_problems(rows, ("a",)))


def test_labels_that_train_does_not_know() -> None:
    rows = [
        row(0, "train", "a"),
        row(1, "train", "c"),
        row(2, "dev", "c"),
        row(3, "test", "d"),
        row(4, "dev", ""),
    ]
    assert causes(label_problems(rows, [True] * 5, ("t",))) == [
        [], [], [], ["label of task 't' that does not occur in train"], [],
    ]  # fmt: skip
    unusable = label_problems(rows, [True, False, True, True, True], ("t",))
    assert [bool(own) for own in unusable] == [False, False, True, True, False]
    ordered = label_problems(rows, [True] * 5, ("t",), {"t": TaskConfig(order=("a", "d"))})
    assert [bool(own) for own in ordered] == [False, True, True, False, False]
    assert ordered[1][0].cause == "label of task 't' that its order lacks"
    several = [row(0, "train", "a; b"), row(1, "dev", "b;e"), row(2, "dev", "none")]
    (_, (fault,), none) = label_problems(several, [True] * 3, ("t",), {"t": TaskConfig(separator=";")})
    assert fault.detail.startswith("'e'") and none == []


def test_splits_and_tasks_that_cannot_be_used() -> None:
    read: dict[Split, str] = {"train": "train.csv", "dev": "dev.csv", "test": "test.csv"}
    rows = [row(0, "train", "a", "x"), row(1, "train", "a", "y"), row(2, "dev", "", "x")]
    elsewhere = [row(0, "train", "a"), row(1, "dev", "b"), row(2, "test", "c")]
    assert any("'s' needs two classes" in problem for problem in split_problems(elsewhere, read, ("s",)))
    problems = split_problems(rows, read, ("s", "t"))
    assert [problem.split(";")[0] for problem in problems] == [
        "test.csv: the test split has no usable example",
        "train.csv: task 's' needs two classes or more in the train split, and has 'a'",
        "dev.csv: task 's' has no label in the dev split, so nothing can be evaluated on it",
    ]
    assert "remove the file" in problems[0]
    (dev,) = split_problems(rows[:2], {"train": "train.csv", "dev": "dev.csv"}, ("t",), {})[:1] or [""]
    assert "the dev split" in dev and "remove" not in dev
    one_label = {"s": TaskConfig(separator=";")}
    two = {"train": "train.csv", "dev": "dev.csv"}
    assert split_problems([row(0, "train", "a"), row(1, "dev", "none")], two, ("s",), one_label) == []
    (none,) = split_problems([row(0, "train", "none"), row(1, "dev", "none")], two, ("s",), one_label)
    assert "task 's' needs two classes" in none
    tested = [*rows, row(3, "dev", "a", "x"), row(4, "test", "a", "")]
    assert any(
        "'t' has no label in the test split" in problem
        for problem in split_problems(tested, read, ("s", "t"))
    )


def test_an_image_of_just_the_limit_is_read_and_of_a_pixel_more_is_not(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", 1, (20, 10))
    write_png(tmp_path / "b.png", 2, (67, 3))
    frames = [Image.new("L", (4, 4), shade) for shade in (0, 255)]
    frames[0].save(tmp_path / "c.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "d.png").write_bytes(b"")
    paths = [str(tmp_path / name) for name in ("a.png", "b.png", "c.gif", "d.png", "a.png")]
    first, large, several, empty, again = checked_images(paths, 200e-6)
    assert first.problem is None and not first.is_one_of_several and again == first
    assert large.problem is not None and "67 x 3" in large.problem.detail
    assert several.problem is None and several.is_one_of_several
    assert empty.problem is not None and empty.problem.cause == "image file is empty"


def test_problems_are_told_by_cause_and_by_example() -> None:
    faults = [(f"t:{n}", Fault("bad", f"d{n}", "mend it")) for n in range(4)]
    faults += [("t:1", Fault("odd")), ("t:7", Fault("bad", "x", "leave it")), ("t:8", Fault("odd", "y"))]
    assert by_cause(faults) == [
        "bad (4 examples); mend it\n  t:0: d0\n  t:1: d1\n  t:2: d2\n  and 1 more",
        "odd (2 examples)\n  t:1\n  t:8: y",
        "t:7: bad: x; leave it",
    ]
    assert by_cause(faults[:3]) == ["bad (3 examples); mend it\n  t:0: d0\n  t:1: d1\n  t:2: d2"]
    assert by_example(faults)[1] == "t:1: bad: d1; odd" and len(by_example(faults)) == 6
    long = Fault("c", "x" * (LONGEST_DETAIL + 1)).detail
    assert len(long) == LONGEST_DETAIL and long.endswith("x…")
    assert Fault("c", "x" * LONGEST_DETAIL).detail == "x" * LONGEST_DETAIL


def test_the_columns_that_a_config_asks_for() -> None:
    wound = csv_columns(DataConfig(reader="wound"))
    assert (wound.image, wound.text, wound.labels) == (
        ("file_path", "img_path"),
        "description",
        ("type", "severity"),
    )
    asked = csv_columns(
        DataConfig(
            reader="csv", image_column="i", label_columns=("s", "t"), group_column="g", frame_column="f",
            subgroup_columns=("age",), tasks={"s": TaskConfig(columns=("a", "b"))},
        )
    )  # fmt: skip
    assert asked.text is None and asked.image == ("i",)
    assert asked.labels == ("a", "b", "t") and asked.needed() == ("a", "b", "t", "g", "f", "age")
    assert asked.labels_of(["1", "", "x"]) == ("a\x1f?b", "x")


def tables(folder: Path, splits: dict[str, list[list[str]]], header: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in splits.items():
        write_csv(folder / name, [header, *rows])


def read_raw(root: Path, **values: Any) -> RawTable:
    given = {
        "reader": "csv",
        "root": root,
        "image_column": "i",
        "text_column": "t",
        "label_columns": ["k"],
        **values,
    }
    return read_csv_tables(DataConfig.model_validate(given))


def test_every_value_of_a_row_arrives_in_its_place(tmp_path: Path) -> None:
    header = ["age", "k", "t", "g", "f", "i"]
    splits = {"metadata_train.csv": [[" 7 ", "x", " one ", "p", " 2.0 ", "a.dcm"], ["8", "y", "two", "q", "", "a.dcm"]],
              "metadata_dev.csv": [["9", "x", "three", "p", "", ""]]}  # fmt: skip
    tables(tmp_path / "tables", splits, header)
    write_csv(tmp_path / "more.csv", [["i", "t", "g", "f"], ["u.png", "four", "r", ""]])
    raw = read_raw(
        tmp_path, tables=tmp_path / "tables", group_column="g", frame_column="f", subgroup_columns=["age"],
        unlabelled="more.csv",
    )  # fmt: skip
    assert raw.structure == [] and raw.read == {
        "train": "metadata_train.csv",
        "dev": "metadata_dev.csv",
        "unlabelled": "more.csv",
    }
    first, second, third, last = raw.examples
    assert first == RawExample(
        "a.dcm#frame=2", "a.dcm#frame=2", "one", ("x",), "p", "train", "metadata_train.csv:2", ("7",)
    )
    assert (second.id, second.image) == ("a.dcm", "a.dcm")
    assert (third.id, third.image, third.split) == ("metadata_dev.csv:2", "", "dev")
    assert last == RawExample("u.png", "u.png", "four", ("",), "r", "unlabelled", "more.csv:2", ())
    own = read_raw(tmp_path, tables=tmp_path / "tables").examples
    assert [one.group for one in own] == [
        "metadata_train.csv:2",
        "metadata_train.csv:3",
        "metadata_dev.csv:2",
    ]


@pytest.mark.parametrize(
    ("cell", "is_frame"), [("0", False), ("-1", False), ("1.5", False), ("x", False), ("12", True)]
)
def test_a_frame_is_a_whole_number_from_one(tmp_path: Path, cell: str, is_frame: bool) -> None:
    tables(
        tmp_path,
        {f"metadata_{split}.csv": [["x", "t", cell, "a"]] for split in ("train", "dev")},
        list("ktfi"),
    )
    raw = read_raw(tmp_path, frame_column="f")
    assert [one.image for one in raw.examples] == ["a#frame=12"] * 2 * is_frame
    assert [origin for origin, _ in raw.bad_rows] == [
        f"metadata_{split}.csv:2" for split in ("train", "dev") if not is_frame
    ]


def test_files_that_are_not_there_or_there_twice_are_named(tmp_path: Path) -> None:
    tables(
        tmp_path,
        {"metadata_train.csv": [["x", "t", "a"]], "metadata_train.tsv": [["x", "t", "a"]]},
        list("kti"),
    )
    raw = read_raw(tmp_path)
    assert [line.split(";")[0] for line in raw.structure] == [
        "metadata_train.csv, metadata_train.tsv: several tables of one split",
        "metadata_dev.csv: there is no such file",
    ]
    assert raw.read == {} and "data.tables" in raw.structure[1]
    empty = read_raw(tmp_path / "none").structure
    assert len(empty) == 2 and all("data.root" in line for line in empty)


def test_a_file_that_breaks_off_is_named_with_its_row_and_not_counted_as_read(tmp_path: Path) -> None:
    tables(tmp_path, {"metadata_dev.csv": [["x", "t", "a"]]}, list("kti"))
    (tmp_path / "metadata_train.csv").write_text('k,t,i\nx,t,a\n"open')
    raw = read_raw(tmp_path)
    assert [line.partition(": ")[0] for line in raw.structure] == ["metadata_train.csv:3"]
    assert list(raw.read) == ["dev"]


def test_medpix_fields_find_their_places(medpix: Callable[..., Path]) -> None:
    root = medpix()
    rows = [medpix_row(n) for n in range(4)]
    rows[1]["Description"] = {"Age": "n/a", "Caption": " N/a ", "Sex": None}
    rows[2]["image"] = ""
    rows[3]["Description"] = ["no object"]
    write_lines(root / "splitted_dataset/descriptions_train.jsonl", ["", *rows, "[1]"])
    for split in ("train", "dev"):
        cases = [
            {"U_id": f"MPX{n}", "Case": {"History": f"{split} history {n}", "Findings": "n/A"}}
            for n in range(12)
        ]
        write_lines(root / f"splitted_dataset/data_{split}.jsonl", cases)
    raw = read_medpix(
        DataConfig(
            root=root, text_fields=("history", "caption", "findings"), subgroup_columns=("age", "Location")
        )
    )
    first, second, third = raw.examples[:3]
    name = "splitted_dataset/descriptions_train.jsonl"
    assert first == RawExample(
        "MPX0_synpic0", "images/MPX0_synpic0.png", "train history 0 Caption 0.", ("CT", "Head"), "MPX0", "train",
        f"{name}:2", ("20", ""),
    )  # fmt: skip
    assert second.text == "train history 1" and second.subgroups == ("", "")
    assert (third.id, third.image) == (f"{name}:4", "")
    assert raw.examples[3].text.startswith("dev history 8") and raw.examples[3].split == "dev"
    assert [(origin, fault.cause) for origin, fault in raw.bad_rows] == [
        (f"{name}:5", "'Description' is not an object"),
        (f"{name}:6", "a row is a JSON object"),
    ]
    (root / "splitted_dataset/descriptions_dev.jsonl").unlink()
    assert [line.split(";")[0] for line in read_medpix(DataConfig(root=root)).structure] == [
        "splitted_dataset/descriptions_dev.jsonl: there is no such file"
    ]


def test_unlabelled_rows_are_set_apart_left_out_or_refused() -> None:
    rows = set_apart(
        [
            row(0, "train", "x", " "),
            row(1, "train", "", " "),
            row(2, "dev", "", ""),
            row(3, "train", "y", "z"),
        ]
    )
    assert [(one.split, one.labels) for one in rows] == [
        ("train", ("x", "")), ("unlabelled", ("", "")), ("dev", ("", "")), ("train", ("y", "z")),
    ]  # fmt: skip
    of_cases = [
        row(0, "train", "x", group="p"), row(1, "unlabelled", "", group="p"), row(2, "dev", "x", group="q"),
        row(3, "unlabelled", "", group="q"), row(4, "test", "x", group="r"), row(5, "unlabelled", "", group="r"),
    ]  # fmt: skip
    assert [one.split for one in left_out(of_cases)] == [
        "train",
        "unlabelled",
        "dev",
        "unused",
        "test",
        "unlabelled",
    ]
    assert causes(leak_problems(of_cases)) == [
        [], [], [], ["unlabelled row of a case of the dev split"], [], ["unlabelled row of a case of the test split"],
    ]  # fmt: skip


def test_the_share_of_labels_that_is_kept() -> None:
    rows = [row(n, "train", "xy"[n % 2], "") for n in range(20)] + [row(20, "dev", "x", "")]
    for share, kept in ((0.25, 5), (0.8, 16)):
        found = keep_labels(rows, share, ("a", "b"), {})
        assert [one.id for one in found] == [one.id for one in rows] and found[20] == rows[20]
        labelled = [one for one in found[:20] if one.split == "train"]
        assert abs(len(labelled) - kept) <= 1 and {one.labels[0] for one in labelled} == {"x", "y"}
        hidden = [one for one in found if one.split == "unlabelled"]
        assert len(labelled) + len(hidden) == 20 and {one.labels for one in hidden} == {("", "")}


def test_a_medpix_row_without_a_key_says_which_and_what_is_near(medpix: Callable[..., Path]) -> None:
    root = medpix()
    odd = {**medpix_row(0), "Typ": "CT"}
    del odd["Type"]
    write_lines(root / "splitted_dataset/descriptions_train.jsonl", ["{}", json.dumps(odd), "null"])
    assert [str(fault) for _, fault in read_medpix(DataConfig(root=root)).bad_rows] == [
        "no key 'image'",
        "no key 'U_id'",
        "no key 'Type'",
        "no key 'Location Category'",
        "no key 'Type': did you mean 'Typ'?",
        "a row is a JSON object: not NoneType",
    ]


def test_json_values_of_a_medpix_row_that_are_no_text(medpix: Callable[..., Path]) -> None:
    root = medpix()
    rows: list[Any] = [json.dumps({**medpix_row(0), "U_id": 7}), json.dumps({**medpix_row(1), "Type": None})]
    write_lines(root / "splitted_dataset/descriptions_train.jsonl", rows)
    assert [str(fault) for _, fault in read_medpix(DataConfig(root=root)).bad_rows] == [
        "'U_id' is not text: 7",
        "'Type' is not text: null",
    ]
