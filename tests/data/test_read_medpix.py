from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from distune.config import DataConfig
from distune.data import read_table
from distune.data.pixels.images import decode_all
from distune.errors import DataError

from .conftest import medpix_row, write_lines

Write = Callable[..., Path]


def test_every_value_arrives_in_its_place(medpix: Write) -> None:
    root = medpix()
    table = read_table(DataConfig(root=root))
    assert [(task.name, task.classes) for task in table.tasks] == [
        ("modality", ("CT", "MR")),
        ("location", ("Head", "Thorax")),
    ]
    assert table.ids == tuple(f"MPX{n}_synpic{n}" for n in range(12))
    assert table.images[3] == str(root.resolve() / "images/MPX3_synpic3.png")
    assert table.texts[3] == "Caption 3."
    assert table.groups[3] == "MPX3"
    assert table.labels.tolist() == [[n % 2, n // 2 % 2] for n in range(12)]
    assert table.rows("train").tolist() == list(range(8))
    assert table.rows("dev").tolist() == [8, 9, 10, 11]
    assert table.rows("test").size == 0
    assert table.dropped == ()


def test_a_test_split_is_read_where_there_is_one(medpix: Write) -> None:
    splits = {"train": [medpix_row(n) for n in range(4)], "dev": [medpix_row(4)], "test": [medpix_row(5)]}
    table = read_table(DataConfig(root=medpix(splits)))
    assert table.rows("test").tolist() == [5]


def test_text_fields_are_joined_in_order_without_empty_ones(medpix: Write) -> None:
    root = medpix()
    for split, numbers in (("train", range(8)), ("dev", range(8, 12))):
        cases = [
            {
                "U_id": f"MPX{n}",
                "Case": {
                    "History": None if n == 1 else f"History {n}.",
                    "Findings": "N/A" if n % 2 else "n/a",
                },
            }
            for n in numbers
        ]
        write_lines(root / f"splitted_dataset/data_{split}.jsonl", cases)
    fields = ("sex", "history", "findings", "caption", "age")
    table = read_table(DataConfig(root=root, text_fields=fields))
    assert table.texts[0] == "male History 0. Caption 0. 20"
    assert table.texts[1] == "male Caption 1. 21"
    assert table.texts[8] == "male History 8. Caption 8. 28"


@pytest.mark.parametrize("field", ["history", "findings"])
def test_a_missing_case_file_stops_only_those_who_need_it(medpix: Write, field: str) -> None:
    root = medpix()
    read_table(DataConfig(root=root, text_fields=("age",)))
    with pytest.raises(DataError) as caught:
        read_table(DataConfig(root=root, text_fields=("caption", field)))
    assert [line.split(":")[0] for line in caught.value.problems] == [
        "splitted_dataset/data_train.jsonl",
        "splitted_dataset/data_dev.jsonl",
    ]


@pytest.mark.parametrize("description", [None, {}, {"Caption": None}, {"Caption": "N/A"}, {"Caption": " "}])
def test_an_example_without_caption_stays_with_an_empty_text(medpix: Write, description: object) -> None:
    rows = [medpix_row(n) for n in range(4)]
    rows[2]["Description"] = description
    table = read_table(DataConfig(root=medpix({"train": rows, "dev": [medpix_row(4)]})))
    assert len(table) == 5
    assert table.texts[2] == ""


def test_blank_lines_and_line_separators_inside_text_keep_the_row_numbers(medpix: Write) -> None:
    rows = [medpix_row(n) for n in range(4)]
    rows[0]["Description"] = {"Caption": "one\u2028two"}
    root = medpix({"train": rows, "dev": [medpix_row(4)]})
    path = root / "splitted_dataset/descriptions_train.jsonl"
    first, *others = path.read_text(encoding="utf-8").replace("\\u2028", "\u2028").split("\n")
    path.write_text("\n".join([first, "", "oops", *others]), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_table(DataConfig(root=root))
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith("splitted_dataset/descriptions_train.jsonl:3: not JSON")


@pytest.mark.skipif("MEDPIX_ROOT" not in os.environ, reason="MEDPIX_ROOT names no copy of MedPix 2.0")
class TestRealMedPix:
    def test_whole_table(self) -> None:
        table = read_table(DataConfig(root=Path(os.environ["MEDPIX_ROOT"])), check_images=False)
        assert len(table.rows("train")) == 1653
        assert len(table.rows("dev")) == 197
        assert table.tasks[0].classes == ("CT", "MR")
        assert table.tasks[1].classes == (
            "Abdomen",
            "Head",
            "Reproductive and Urinary System",
            "Spine and Muscles",
            "Thorax",
        )
        train = table.labels[table.rows("train")]
        assert np.bincount(train[:, 0]).tolist() == [878, 775]
        assert np.bincount(train[:, 1]).tolist() == [264, 742, 127, 257, 263]

    def test_forty_images_decode(self) -> None:
        table = read_table(DataConfig(root=Path(os.environ["MEDPIX_ROOT"])), check_images=False)
        rows = np.linspace(0, len(table) - 1, 40).astype(int)
        pixels = decode_all([table.images[row] for row in rows], 64)
        assert pixels.shape == (40, 3, 64, 64)
        assert (pixels.reshape(40, -1).std(axis=1) > 5).all()
        assert len({image.tobytes() for image in pixels}) >= 39
