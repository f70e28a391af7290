"""What the readers and checks make of rows that are written here."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from distune.config import DataConfig, TaskConfig
from distune.data import read_table
from distune.data.readers.checks import checked_images, label_problems, split_problems, value_problems
from distune.data.readers.csv_tables import csv_columns, read_csv_tables
from distune.data.readers.image_files import ImageFiles, image_paths, wrong_root
from distune.data.readers.medpix import read_medpix
from distune.data.readers.problems import LONGEST_DETAIL, Fault, by_cause, by_example
from distune.data.readers.raw_rows import RawExample, RawTable
from distune.data.table import Split
from distune.data.unlabelled import keep_labels, leak_problems, left_out, set_apart
from distune.errors import DataError

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
    write_png(tmp_path / "b.png", 2, (21, 10))
    frames = [Image.new("L", (4, 4), shade) for shade in (0, 255)]
    frames[0].save(tmp_path / "c.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "d.png").write_bytes(b"")
    paths = [str(tmp_path / name) for name in ("a.png", "b.png", "c.gif", "d.png", "a.png")]
    first, large, several, empty, again = checked_images(paths, 200e-6)
    assert first.problem is None and not first.is_one_of_several and again == first
    assert large.problem is not None and "21 x 10" in large.problem.detail
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


def test_images_that_are_found_missing_or_not_needed(tmp_path: Path) -> None:
    for name in ("a.png", "scan.dcm", "deep/er/x.png"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(b"")
    root = (tmp_path / "set").resolve()
    rows = [
        row(n, "train", "x", image=image)
        for n, image in enumerate(["a.png", "scan.dcm#frame=3", " ", "b.png"])
    ]
    faults: list[list[Fault]] = [[] for _ in rows]
    assert image_paths(ImageFiles(root), rows, faults, may_lack=True) == [
        str(root / "a.png"), f"{root / 'scan.dcm'}#frame=3", "", None,
    ]  # fmt: skip
    assert [len(own) for own in faults] == [0, 0, 0, 1] and wrong_root(root, rows, faults) is None
    strict: list[list[Fault]] = [[] for _ in rows]
    assert image_paths(ImageFiles(root), rows, strict)[2:] == [None, None]
    assert strict[2][0].cause == "no image path"
    there = root / "deep/er"
    for at in (root, root / "deep", there / "in", there / "in/side"):
        at.mkdir(exist_ok=True)
        lost = [row(n, "train", "x", image="x.png") for n in range(2)]
        found: list[list[Fault]] = [[] for _ in lost]
        image_paths(ImageFiles(at), lost, found)
        said = wrong_root(at, lost, found)
        assert said is not None and "none of 2 image files" in said and said.endswith(f"is under {there}")
        assert wrong_root(at, lost[:1], found[:1]) is None


def test_a_folder_beside_the_root_with_a_longer_name_is_outside(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    write_png(tmp_path / "set2/a.png", 1)
    for follow in (False, True):
        fault = ImageFiles(tmp_path / "set", follow_links=follow).find(f"{tmp_path}/set2/a.png")
        assert isinstance(fault, Fault) and fault.cause == "image that leaves the data root"
    (tmp_path / "set/folder").mkdir()
    inside = ImageFiles(tmp_path / "set").find("folder")
    assert isinstance(inside, Fault) and inside.cause == "image that is not a file"


def test_of_names_that_differ_in_case_the_written_one_is_taken_and_folders_have_no_suffix(
    tmp_path: Path,
) -> None:
    for name in ("x/a.png", "x/A.png", "z.png/b.png", "y/c.png", "y/d.png"):
        write_png(tmp_path / name, 1)
    files = ImageFiles(tmp_path)
    assert files.find("X\\a.png") == tmp_path / "x/a.png"
    assert isinstance(files.find("X/a"), Fault) and isinstance(files.find("z/b"), Fault)
    for name in "cd":
        assert files.find(f"Y/{name}") == tmp_path / f"y/{name}.png"
    assert files.find("Y/C.png") == tmp_path / "y/c.png"
    notes = files.notes()
    assert [note.partition(", such as ")[2] for note in notes][1:] == [
        "'Y/c' -> 'y/c.png'",
        "'Y/C.png' -> 'y/c.png'",
    ]
    assert "2 paths without an extension and in other case" in notes[1] and "1 path in other case" in notes[2]


def wound_rows(root: Path, split: str) -> list[list[str]]:
    with (root / f"metadata_{split}.csv").open(newline="") as file:
        return list(csv.reader(file))


def test_what_stands_in_the_config_reaches_the_table(wound: Path) -> None:
    rows = wound_rows(wound, "dev")
    write_csv(
        wound / "metadata_dev.csv",
        [[*line, "sex" if n == 0 else "N/A " if n == 1 else "f"] for n, line in enumerate(rows)],
    )
    rows = wound_rows(wound, "train")
    write_csv(
        wound / "metadata_train.csv", [[*line, "sex" if n == 0 else "m"] for n, line in enumerate(rows)]
    )
    table = read_table(
        DataConfig(reader="wound", root=wound, subgroup_columns=("sex",), percentiles=(2.0, 98.0), window=(40.0, 80.0),
                   missing="allow"), 0,
    )  # fmt: skip
    assert table.subgroups == {"sex": ("m",) * 8 + ("", "f", "f", "f")} and table.may_lack
    assert (table.rules.percentiles, table.rules.window) == ((2.0, 98.0), (40.0, 80.0))
    assert not read_table(DataConfig(reader="wound", root=wound), 0).may_lack
    for section, named in (("tasks", {"typ": {"weight": 2}}), ("label_map", {"typ": {"a": "b"}})):
        with pytest.raises(DataError, match=f"data.{section}: there is no task 'typ'"):
            read_table(DataConfig.model_validate({"reader": "wound", "root": wound, section: named}), 0)
    write_csv(wound / "metadata_dev.csv", [["file_path", "type", "severity", "description", "sex"], *(
        [*line[:4], ""] for line in wound_rows(wound, "dev")[1:])])  # fmt: skip
    read_table(DataConfig(reader="wound", root=wound, subgroup_columns=("sex",)), 0)
    write_csv(
        wound / "metadata_train.csv",
        [[*line[:4], "sex" if n == 0 else ""] for n, line in enumerate(wound_rows(wound, "train"))],
    )
    with pytest.raises(DataError, match="no example has a value of 'sex'"):
        read_table(DataConfig(reader="wound", root=wound, subgroup_columns=("sex",)), 0)


def test_classes_are_those_of_train_and_dropping_a_whole_split_is_refused(wound: Path) -> None:
    rows = wound_rows(wound, "dev")
    with pytest.raises(DataError) as caught:
        write_csv(wound / "metadata_dev.csv", [rows[0], *(["gone.png", *line[1:]] for line in rows[1:])])
        read_table(DataConfig(reader="wound", root=wound, on_bad_example="drop"), 0)
    assert "the dev split has no usable example" in caught.value.problems[0]
    write_csv(wound / "metadata_dev.csv", [rows[0], [rows[1][0], "new", *rows[1][2:]], *rows[2:]])
    table = read_table(DataConfig(reader="wound", root=wound, on_bad_example="drop"), 0)
    assert table.tasks[0].classes == ("a", "b") and len(table.dropped) == 1
    (wound / "photos/0.png").write_bytes(b"no image")
    dropping = DataConfig(reader="wound", root=wound, on_bad_example="drop")
    assert len(read_table(dropping, 0, check_images=False).dropped) == 2


def test_json_values_of_a_medpix_row_that_are_no_text(medpix: Callable[..., Path]) -> None:
    root = medpix()
    rows: list[Any] = [json.dumps({**medpix_row(0), "U_id": 7}), json.dumps({**medpix_row(1), "Type": None})]
    write_lines(root / "splitted_dataset/descriptions_train.jsonl", rows)
    assert [str(fault) for _, fault in read_medpix(DataConfig(root=root)).bad_rows] == [
        "'U_id' is not text: 7",
        "'Type' is not text: null",
    ]


def several(root: Path, cells: list[str], **values: Any) -> DataConfig:
    """Rows of their own cases with labels that share a cell, each with its picture; the last four are dev."""
    lines = [[f"{n}.png", cell, f"p{n}"] for n, cell in enumerate(cells)]
    for n in range(len(cells)):
        write_png(root / f"{n}.png", n)
    tables(root, {"metadata_train.csv": lines[:-4], "metadata_dev.csv": lines[-4:]}, ["i", "signs", "g"])
    return DataConfig.model_validate({
        "reader": "csv", "root": root, "image_column": "i", "label_columns": ["signs"], "group_column": "g",
        "tasks": {"signs": {"separator": ";"}}, **values,
    })  # fmt: skip


def test_folds_and_shares_spread_the_labels_of_a_cell(tmp_path: Path) -> None:
    """Each pair of labels occurs once: as whole cells they could be in one fold alone, label by label they are not."""
    names = "abcdefgh"
    cells = [f"{one};{other}" for one in names for other in names if one < other]
    for number in (1, 2, 3):
        table = read_table(several(tmp_path, cells, fold={"number": number, "of": 3}), 0)
        train, dev = table.labels[table.rows("train")], table.labels[table.rows("dev")]
        assert len(train) + len(dev) == 28 and train.sum(axis=0).min() >= 3 and dev.sum(axis=0).min() >= 1
    for share in (0.5, 0.75):
        table = read_table(several(tmp_path, cells, label_fraction=share), 0)
        assert len(table.rows("train")) == 24 * share and len(table.rows("unlabelled")) == 24 * (1 - share)
        assert set(table.tasks[0].classes) == set(names)
    kept = table.labels[table.rows("train")].sum(axis=0)
    assert kept.min() >= 2


def test_a_set_with_faults_is_not_folded_first(tmp_path: Path) -> None:
    config = several(tmp_path, ["a", "b"] * 6, fold={"number": 1, "of": 13})
    (tmp_path / "3.png").unlink()
    with pytest.raises(DataError) as caught:
        read_table(config, 0)
    assert len(caught.value.problems) == 1 and "image file is missing" in caught.value.problems[0]


def test_images_are_checked_by_the_window_of_the_config(tmp_path: Path) -> None:
    config = several(tmp_path, ["a", "b"] * 4)
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(tmp_path / "0.tif")
    tables(tmp_path, {"metadata_train.csv": [[f"{n}.png", "ab"[n % 2], f"p{n}"] for n in range(1, 4)] + [["0.tif", "a", "p0"]]},
           ["i", "signs", "g"])  # fmt: skip
    seen: list[Any] = []
    module = sys.modules["distune.data.readers.read_table"]
    real = checked_images

    def noted(paths: Sequence[str], limit: float, rules: Any) -> Any:
        seen.append((limit, rules.window))
        return real(paths, limit, rules)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "checked_images", noted)
        with pytest.raises(DataError, match="no pixel of the image is a number"):
            read_table(config.model_copy(update={"window": (1.0, 2.0), "max_image_megapixels": 3.0}), 0)
    assert seen == [(3.0, (1.0, 2.0))]
