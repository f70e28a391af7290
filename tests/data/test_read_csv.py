from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from distune.config import DataConfig
from distune.data import read_table
from distune.data.pixels.several_pictures import holds_several
from distune.errors import DataError

from .conftest import write_csv, write_png


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def problems(config: DataConfig) -> tuple[str, ...]:
    with pytest.raises(DataError) as caught:
        read_table(config)
    return caught.value.problems


def test_wound_has_its_columns_by_default(wound: Path) -> None:
    table = read_table(DataConfig(reader="wound", root=wound))
    assert [(task.name, task.classes) for task in table.tasks] == [
        ("type", ("a", "b")),
        ("severity", ("x", "y")),
    ]
    assert table.ids == tuple(f"photos/{n}.png" for n in range(12))
    assert table.images[0] == str(wound.resolve() / "photos/0.png")
    assert table.texts[9] == "text 9"
    assert table.labels.tolist() == [[n % 2, n // 2 % 2] for n in range(12)]
    assert len(set(table.groups)) == 12
    assert [len(table.rows(split)) for split in ("train", "dev", "test")] == [8, 4, 0]


def test_wound_takes_img_path_where_a_file_has_no_file_path(wound: Path) -> None:
    rows = rows_of(wound / "metadata_dev.csv")
    write_csv(wound / "metadata_dev.csv", [["img_path", *rows[0][1:]], *rows[1:]])
    assert read_table(DataConfig(reader="wound", root=wound)).ids[8] == "photos/8.png"


def test_any_columns_in_any_order_with_quotes_newlines_and_a_byte_order_mark(wound: Path) -> None:
    header = ["note", "patient", "unused", "picture", "grade"]
    for split, numbers in (("train", range(4)), ("dev", range(8, 10)), ("test", range(10, 12))):
        body = [[f'say "{n}",\r\nagain', f"p{n // 2}", "", f"photos/{n}.png", "IV"[n % 2]] for n in numbers]
        write_csv(wound / f"metadata_{split}.csv", [header, *body])
        path = wound / f"metadata_{split}.csv"
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    config = DataConfig(
        reader="csv",
        root=wound,
        image_column="picture",
        text_column="note",
        label_columns=("grade",),
        group_column="patient",
    )
    table = read_table(config)
    assert [task.classes for task in table.tasks] == [("I", "V")]
    assert table.texts[1] == 'say "1",\r\nagain'
    assert table.groups == ("p0", "p0", "p1", "p1", "p4", "p4", "p5", "p5")
    assert [len(table.rows(split)) for split in ("train", "dev", "test")] == [4, 2, 2]
    assert table.labels.shape == (8, 1)


def test_an_image_used_twice_gets_ids_by_row(wound: Path) -> None:
    rows = rows_of(wound / "metadata_dev.csv")
    write_csv(wound / "metadata_dev.csv", [*rows, ["photos/0.png", "a", "x", "again"]])
    table = read_table(DataConfig(reader="wound", root=wound))
    assert table.ids[0] == "metadata_train.csv:2"
    assert table.ids[-1] == "metadata_dev.csv:6"
    assert table.ids[1] == "photos/1.png"


def test_every_missing_column_is_one_line_with_the_nearest_name(wound: Path) -> None:
    rows = rows_of(wound / "metadata_train.csv")
    write_csv(wound / "metadata_train.csv", [["FilePath", "typ", "severity", "text"], *rows[1:]])
    found = "columns found: 'FilePath', 'typ', 'severity', 'text'"
    assert problems(DataConfig(reader="wound", root=wound, on_bad_example="drop")) == (
        f"metadata_train.csv:1: no column 'file_path' or 'img_path' for the image; {found}; did you mean 'FilePath'?",
        f"metadata_train.csv:1: no column 'description'; {found}",
        f"metadata_train.csv:1: no column 'type'; {found}; did you mean 'typ'?",
    )


def test_a_wide_table_without_the_column_is_told_in_a_line(wound: Path) -> None:
    rows = rows_of(wound / "metadata_train.csv")
    header = ["file_path", "typ", "severity", "description", *(f"{n}{'x' * 500}" for n in range(900))]
    write_csv(wound / "metadata_train.csv", [header, *([*row, *["1"] * 900] for row in rows[1:])])
    (line,) = problems(DataConfig(reader="wound", root=wound))
    assert len(line) < 5000 and "more" in line and line.endswith("did you mean 'typ'?")


def test_spellings_of_a_task_that_there_is_not_are_refused(wound: Path) -> None:
    config = DataConfig(reader="wound", root=wound, label_map={"typ": {"a": "b"}})
    assert problems(config)[0].startswith("data.label_map: there is no task 'typ'; did you mean 'type'?")


@pytest.mark.parametrize(("label", "words"), [(" NaN", ("nan",)), ("na", ("nil", " NA "))])
def test_a_spelling_that_becomes_a_word_for_nothing_is_refused(
    wound: Path, label: str, words: tuple[str, ...]
) -> None:
    """It would be a class of that name, as cells are read before they are mapped."""
    config = DataConfig(
        reader="wound", root=wound, label_map={"type": {"abrasion": label}}, missing_values=words
    )
    assert problems(config)[0].startswith(f"data.label_map.type: 'abrasion' becomes {label!r}")
    (wound / "metadata_dev.csv").unlink()
    assert not any("label_map" in problem for problem in problems(config)), "first what is not there"


def test_a_spelling_may_stand_for_no_label(wound: Path) -> None:
    settings = DataConfig(
        reader="wound", root=wound, label_map={"type": {"abrasion": " "}}, missing_values=("", "nil")
    )
    assert "abrasion" not in read_table(settings, check_images=False).tasks[0].classes


def test_a_missing_group_column_and_a_missing_file_are_both_named(wound: Path) -> None:
    (wound / "metadata_dev.csv").unlink()
    lines = problems(DataConfig(reader="wound", root=wound, group_column="patient"))
    assert "no column 'patient'" in lines[0]
    assert lines[1].startswith("metadata_dev.csv: there is no such file")
    assert len(lines) == 2
    (wound / "metadata_valid.csv").write_text("")
    assert "rename metadata_valid.csv" in problems(DataConfig(reader="wound", root=wound))[0]
    (wound / "metadata_train.csv").unlink()
    first, second = problems(DataConfig(reader="wound", root=wound))
    assert first.startswith("metadata_train.csv: ") and "rename" not in first and "rename" in second


def test_a_column_that_is_there_twice_is_refused(wound: Path) -> None:
    rows = rows_of(wound / "metadata_dev.csv")
    write_csv(wound / "metadata_dev.csv", [[*row, row[1]] for row in rows])
    assert problems(DataConfig(reader="wound", root=wound)) == (
        "metadata_dev.csv:1: column 'type' is there 2 times",
    )
    write_csv(wound / "metadata_dev.csv", [[*row, row[0]] for row in rows])
    assert problems(DataConfig(reader="wound", root=wound)) == (
        "metadata_dev.csv:1: column 'file_path' is there 2 times",
    )


def test_a_class_that_is_known_already_need_not_be_in_train(wound: Path) -> None:
    """As in data that a student is evaluated on, where it does not matter which split holds a class."""
    dev = rows_of(wound / "metadata_dev.csv")
    write_csv(wound / "metadata_dev.csv", [*dev, ["photos/3.png", "c", "x", ""]])
    config = DataConfig(reader="wound", root=wound)
    with pytest.raises(DataError, match="does not occur in train"):
        read_table(config, known={"type": ["d"]})
    table = read_table(config, known={"type": ["c", "d"]})
    assert table.tasks[0].classes == ("a", "b", "c", "d") and table.labels[-1, 0] == 2
    write_csv(wound / "metadata_train.csv", [rows_of(wound / "metadata_train.csv")[0]])
    with pytest.raises(DataError):
        read_table(config)
    assert set(read_table(config, known={"type": ["a", "b", "c"], "severity": ["x", "y", "z"]}).splits) == {
        "dev"
    }, "it is no set to train on"


def test_bad_rows_are_all_named_and_can_be_dropped(wound: Path, tmp_path: Path) -> None:
    write_png(tmp_path / "outside.png", 0)
    rows = rows_of(wound / "metadata_train.csv")
    rows += [
        ["photos/0.png", "a", "x"],
        [],
        ["", "a", "x", ""],
        ["photos/none.png", "", "x", ""],
        [str(tmp_path / "outside.png"), "a", "x", ""],
    ]
    write_csv(wound / "metadata_train.csv", rows)
    dev = rows_of(wound / "metadata_dev.csv")
    write_csv(wound / "metadata_dev.csv", [*dev, ["photos/3.png", "c", "x", ""]])
    expected = (
        "metadata_train.csv:10: too many or too few fields: 3 where the header has 4",
        "metadata_train.csv:12: no image path",
        "metadata_train.csv:13: empty label for task 'type'; image file is missing: 'photos/none.png'",
        f"metadata_train.csv:14: image that leaves the data root: '{tmp_path / 'outside.png'}'",
        "metadata_dev.csv:6: label of task 'type' that does not occur in train: 'c'",
    )
    with pytest.raises(DataError) as caught:
        read_table(DataConfig(reader="wound", root=wound))
    assert caught.value.examples == expected
    table = read_table(DataConfig(reader="wound", root=wound, on_bad_example="drop"))
    assert table.dropped == expected
    assert len(table) == 12


def test_an_empty_value_in_the_group_column_is_a_problem(wound: Path) -> None:
    rows = rows_of(wound / "metadata_train.csv")
    write_csv(
        wound / "metadata_train.csv",
        [[*rows[0], "p"], *([*row, str(n % 7)] for n, row in enumerate(rows[1:]))],
    )
    dev = rows_of(wound / "metadata_dev.csv")
    write_csv(
        wound / "metadata_dev.csv",
        [[*dev[0], "p"], *([*row, "" if n == 1 else "9"] for n, row in enumerate(dev[1:]))],
    )
    (line,) = problems(DataConfig(reader="wound", root=wound, group_column="p"))
    assert line.startswith("metadata_dev.csv:3: empty group")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty; its first row must name the columns"),
        (b'file_path,type,severity,description\nphotos/1.png,a,x,"open', "not readable as CSV"),
        (b"file_path,type,severity\0,description\n", "not a text file"),
    ],
)
def test_a_file_that_is_no_csv_stops_even_when_dropping(wound: Path, content: bytes, reason: str) -> None:
    (wound / "metadata_dev.csv").write_bytes(content)
    (line,) = problems(DataConfig(reader="wound", root=wound, on_bad_example="drop"))
    assert line.startswith("metadata_dev.csv")
    assert reason in line


def test_a_column_that_looks_like_one_that_is_read_is_noted(wound: Path) -> None:
    rows = list(csv.reader((wound / "metadata_dev.csv").open(encoding="utf-8", newline="")))
    write_csv(wound / "metadata_dev.csv", [[*rows[0], "Type"], *([*row, "c"] for row in rows[1:])])
    (note,) = read_table(DataConfig(reader="wound", root=wound)).notes
    assert note.startswith("metadata_dev.csv: ") and "'Type'" in note


@pytest.mark.parametrize("form", ["TIFF", "GIF", "WEBP", "PNG"])
def test_files_of_several_pictures_are_counted_in_a_note(wound: Path, form: str) -> None:
    pictures = [Image.new("RGB", (20, 20), (grey, grey, 9)) for grey in (10, 90)]
    for number in (1, 3):
        pictures[0].save(wound / f"photos/{number}.png", form, save_all=True, append_images=pictures[1:])
    (note,) = read_table(DataConfig(reader="wound", root=wound)).notes
    assert note.startswith("image: 2 files hold several pictures") and "'photos/1.png'" in note
    assert [holds_several(str(wound / f"photos/{number}.png")) for number in range(4)] == [False, True] * 2
    (wound / "photos/0.png").write_bytes(b"no picture")
    assert not holds_several(str(wound / "photos/0.png"))


def test_a_window_that_no_image_is_deep_enough_for_is_noted(wound: Path) -> None:
    def notes(**section: Any) -> tuple[str, ...]:
        return read_table(DataConfig(reader="wound", root=wound, **section)).notes

    assert notes(percentiles=(0.5, 99.5)) == ()
    (note,) = notes(window=(40.0, 400.0), percentiles=(1.0, 99.0))
    assert note.startswith("data.window and data.percentiles: without effect")
    Image.fromarray(np.arange(0, 400, 25, np.uint16).reshape(4, 4)).save(wound / "photos/1.png")
    assert notes(window=(40.0, 400.0)) == ()


@pytest.mark.parametrize("path", ["x" * 5000, "photos/" + "x" * 5000 + ".png", "../" * 3000 + "a.png"])
def test_of_a_path_as_long_as_a_text_the_start_is_told(wound: Path, path: str) -> None:
    rows = rows_of(wound / "metadata_train.csv")
    write_csv(wound / "metadata_train.csv", [*rows, [path, "a", "x", ""]])
    (line,) = problems(DataConfig(reader="wound", root=wound))
    assert path[:100] in line and len(line) < 1000
