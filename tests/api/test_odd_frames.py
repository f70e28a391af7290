"""Data frames with cells that hold nothing, or nothing that a table can hold."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distune.api.frames import with_data
from distune.config import Config, with_values
from distune.data import read_table
from distune.errors import DataError, UserError
from distune.prediction.examples import examples_of
from distune.prediction.table_columns import Columns

pandas = pytest.importorskip("pandas")
PICTURE = np.zeros((4, 4), np.uint8)
NOTHING = [None, float("nan"), np.float32("nan"), pandas.NaT, pandas.NA]


def frame(**odd: Any) -> Any:
    """Three rows; the first one's cells are replaced."""
    rows = {
        "image": [PICTURE] * 3,
        "text": ["a", "b", "c"],
        "label": ["x", "y", "z"],
        "split": ["train", "dev", "test"],
    }
    for column, value in odd.items():
        rows[column][0] = value
    return pandas.DataFrame({name: pandas.Series(values, dtype=object) for name, values in rows.items()})


@pytest.fixture
def config(tiny_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.chdir(tmp_path)
    return tiny_config(data__missing="allow")


def test_two_columns_of_one_name_are_refused(config: Config) -> None:
    twice = pandas.concat([frame(), frame()[["text"]]], axis=1)
    with pytest.raises(UserError, match="two columns 'text'"):
        with_data(config, twice)
    with pytest.raises(UserError, match="two columns 'text'"):
        examples_of(twice, None, Columns())


@pytest.mark.parametrize("odd", [{"a", "b"}, {"a": 1, "b": 2}, b"ab", np.zeros(()), BytesIO(b"ab"), 3])
def test_what_has_no_order_is_no_sequence(odd: Any) -> None:
    for name, given in (("images", (odd, ["x", "y"])), ("texts", (["a", "b"], odd))):
        with pytest.raises(UserError, match=f"^{name}: "):
            examples_of(*given, Columns())


def test_a_generator_is_read_once() -> None:
    found = examples_of(None, (text for text in "ab"), Columns())
    assert [example.text for example in found] == ["a", "b"]


def test_a_frame_without_a_row_is_said_to_have_none(config: Config) -> None:
    with pytest.raises(DataError, match="no row"):
        with_data(config, frame().iloc[:0])


@pytest.mark.parametrize("nothing", [*NOTHING, ""])
def test_a_cell_that_holds_nothing_is_an_empty_one(config: Config, nothing: Any) -> None:
    root = with_data(config, frame(image=nothing, text=nothing, label=nothing)).data.root
    with (root / "metadata_train.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row == {"image": "", "text": "", "label": ""}
    with pytest.raises(DataError, match="row 0: no image"):
        with_data(config.replace(**{"data.missing": "stop"}), frame(image=nothing))


@pytest.mark.parametrize(
    "image", ["a\0.png", "gone.png", b"bytes", np.zeros((2, 2)), np.zeros((2, 2, 7), np.uint8)]
)
def test_an_image_that_cannot_be_read_is_named_by_its_row(config: Config, image: Any) -> None:
    with pytest.raises(DataError, match="row 0: "):
        with_data(config, frame(image=image))


ODD = {
    "text": [b"bytes", ["several"], {"a": 1}, PICTURE, "half \ud800", "nul \0"],
    "label": [b"x", ("x",), "\udfff"],
    "image": [
        3,
        b"x",
        PICTURE[:0],
        np.ma.array(PICTURE, mask=np.eye(4)),
        np.zeros((2, 2, 5), np.uint8),
        np.zeros(3, np.uint8),
        np.zeros((2, 2)),
        "no.png",
        "\0",
    ],
}


@pytest.mark.parametrize(
    ("column", "value"), [(name, value) for name, values in ODD.items() for value in values]
)
def test_a_value_that_no_table_holds_is_refused_with_its_row(config: Config, column: str, value: Any) -> None:
    with pytest.raises(DataError, match="row 0: "):
        with_data(config, frame(**{column: value}))
    assert not Path("logs").exists()


def test_new_examples_are_understood_alike() -> None:
    found = examples_of(frame(text=7), None, Columns())
    assert [example.text for example in found] == ["7", "b", "c"]
    for nothing in NOTHING:
        (first, *_) = examples_of(frame(text=nothing, image=nothing), None, Columns())
        assert (first.text, first.image, first.problem) == (None, None, None)
    for value in ODD["text"]:
        (first, *rest) = examples_of(frame(text=value), None, Columns())
        assert first.problem and not rest[0].problem


def test_rows_of_a_patient_are_never_parted_and_other_splits_are_other_data(config: Config) -> None:
    count = 60
    rows = {
        "image": [PICTURE] * count,
        "text": [f"text {n}" for n in range(count)],
        "label": ["xy"[n % 2] for n in range(count)],
        "group": [f"p{n // 6}" for n in range(count)],
    }
    spelled = with_data(
        config, pandas.DataFrame({**rows, "group": [f"p{n // 6}" + " " * (n % 2) for n in range(count)]})
    )
    made = with_data(config, pandas.DataFrame(rows)).data
    of_split = [
        {row["group"].strip() for row in csv.DictReader((of.root / f"metadata_{split}.csv").open(newline=""))}
        for of in (made, spelled.data)
        for split in ("train", "dev", "test")
    ]
    for found in (of_split[:3], of_split[3:]):
        assert sum(map(len, found)) == len(set.union(*found)) == 10 and all(found)
    given = [
        with_data(config, pandas.DataFrame({**rows, "split": ["train", "dev", last] * 20})).data.root
        for last in ("test", "dev", "test")
    ]
    assert given[0] == given[2] != given[1]


def test_the_tables_of_a_frame_that_somebody_edited_are_not_trained_on_in_its_place(config: Config) -> None:
    held = {"image": [PICTURE] * 30, "text": ["a"] * 30}
    rows = pandas.DataFrame({**held, "label": ["x", "y"] * 15, "group": range(30)})
    table = with_data(config, rows).data.root / "metadata_train.csv"
    table.write_text(table.read_text().replace(",a,x,", ",a,y,", 1))
    with pytest.raises(DataError, match="metadata_train"):
        with_data(config, rows)


def test_rows_without_a_label_are_in_train_with_all_of_their_case(config: Config) -> None:
    rows = {
        "image": [PICTURE] * 30,
        "text": [f"text {n}" for n in range(30)],
        "label": [None if n in (0, 1, 3, 12) else "xy"[n % 2] for n in range(30)],
        "group": [f"p{n // 2}" for n in range(30)],
    }
    made = read_table(with_data(config, pandas.DataFrame(rows)).data)
    split_of = dict(zip(made.groups, made.splits, strict=True))
    assert split_of["p0"] == "unlabelled"
    assert {"train", "dev", "test"} <= {*made.splits} and made.splits.count("unlabelled") == 4
    assert {made.splits[row] for row in range(len(made)) if made.groups[row] in ("p1", "p6")} == {
        "train",
        "unlabelled",
    }


def test_what_a_frame_names_text_or_a_subgroup_is_no_label(config: Config) -> None:
    rows = {
        "image": [PICTURE] * 6,
        "text": ["a", "b"] * 3,
        "label": ["x", "y"] * 3,
        "site": ["s", "t"] * 3,
        "split": ["train", "train", "dev", "dev", "test", "test"],
    }
    read = {"data.subgroup_columns": ["site"], "data.label_columns": None, "data.text_column": None}
    made = with_data(with_values(config, read), pandas.DataFrame(rows)).data
    assert (made.label_columns, made.text_column, made.subgroup_columns) == (("label",), "text", ("site",))
    blind = with_values(config, {**read, "student.text.name": "none", "teacher.text.name": "none"})
    assert with_data(blind, pandas.DataFrame(rows)).data.text_column == "text"
