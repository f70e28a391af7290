"""Rows that lack an image or a text: refused, or read as such."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from distune.config import Config, parse_config
from distune.data import read_table
from distune.data.audit.audit import audit
from distune.data.fingerprint import image_fingerprints
from distune.data.pixels.images import decode
from distune.errors import ConfigError, DataError

from .planted import found, kinds

Rows = list[tuple[str, str]]
DEV: Rows = [("0.png", "one"), ("1.png", "two")]


def config_of(root: Path, rows: Rows, dev: Rows = DEV, **data: str) -> Config:
    """A set whose rows have these images and texts; their classes take turns."""
    for number in range(3):
        values = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(values).save(root / f"{number}.png")
    for split, lines in (("train", rows), ("dev", dev)):
        with (root / f"metadata_{split}.csv").open("w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(["image", "text", "case", "kind"])
            writer.writerows([*line, f"{split}{row}", "ab"[row % 2]] for row, line in enumerate(lines))
    columns = {
        "image_column": "image",
        "text_column": "text",
        "group_column": "case",
        "label_columns": ["kind"],
    }
    return parse_config({"data": {"reader": "csv", "root": str(root), **columns, **data}})


ROWS = [("0.png", "first"), ("", "second"), ("1.png", "  "), ("", "fourth")]


def test_they_are_read_where_they_may_be_missing(tmp_path: Path) -> None:
    table = read_table(config_of(tmp_path, ROWS, missing="allow").data)
    assert [bool(path) for path in table.images] == [True, False, True, False, True, True]
    image, text = table.absent("image"), table.absent("text")
    assert image is not None and image.tolist() == [False, True, False, True, False, False]
    assert text is not None and text.tolist() == [False, False, True, False, False, False]
    blank = replace(table, texts=("\t ", *table.texts[1:])).absent("text")  # as a plugin's reader may give it
    assert blank is not None and blank.tolist()[:3] == [True, False, True]
    assert [bool(each) for each in image_fingerprints(table)] == [bool(path) for path in table.images]
    assert len(table.with_images()) == 4


def test_rows_without_an_image_are_no_copies_of_each_other(tmp_path: Path) -> None:
    dev = [("2.png", "one"), ("", "two"), ("", "three")]
    report = audit(read_table(config_of(tmp_path, ROWS, dev, missing="allow").data))
    assert not kinds(report) & {"duplicate_images_across_splits", "same_image_other_label"}
    assert sum(row["empty"] for row in found(report, "empty_texts").rows) == 1


@pytest.mark.parametrize("splits", [("train",), ("dev",), ("train", "dev")], ids=" and ".join)
def test_a_set_without_images_in_a_split_is_audited_by_its_texts(
    tmp_path: Path, splits: tuple[str, ...]
) -> None:
    config = config_of(tmp_path, [("0.png", "first"), ("1.png", "second")], missing="allow")
    for split in splits:
        file = tmp_path / f"metadata_{split}.csv"
        file.write_text(file.read_text().replace("0.png", "").replace("1.png", ""))
    table = read_table(config.data)
    assert len(table.with_images()) == 4 - 2 * len(splits)
    found = audit(table)
    assert "few_to_judge" in [finding.kind for finding in found.findings]


def test_what_all_rows_lack_is_no_row_s_to_lack(tmp_path: Path) -> None:
    """There is nothing to learn from a difference: the model is one of the other modality alone."""
    texts_alone = [("", "one"), ("", "two")]
    table = read_table(config_of(tmp_path, texts_alone, texts_alone, missing="allow").data)
    assert table.absent("image") is None and table.absent("text") is None


def test_complete_rows_lack_nothing(tmp_path: Path) -> None:
    table = read_table(config_of(tmp_path, [("0.png", "x"), ("1.png", "y")], missing="allow").data)
    assert table.absent("image") is None and table.absent("text") is None


def test_a_missing_image_is_refused_where_nothing_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no image path"):
        read_table(config_of(tmp_path, ROWS).data)


def test_an_empty_text_is_a_text_where_nothing_is_said(tmp_path: Path) -> None:
    table = read_table(config_of(tmp_path, [("0.png", ""), ("1.png", "x")]).data)
    assert table.absent("text") is None


def test_a_row_with_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither"):
        read_table(config_of(tmp_path, [*ROWS, ("", "")], missing="allow").data)


def test_dropout_of_modalities_needs_rows_that_may_lack_them() -> None:
    with pytest.raises(ConfigError, match="modality_dropout"):
        parse_config({"student": {"modality_dropout": 0.2}})
    parse_config({"student": {"modality_dropout": 0.2}, "data": {"missing": "allow"}})


def test_in_the_place_of_an_absent_image_stands_a_grey_one() -> None:
    assert np.unique(decode("", 4)).tolist() == [128] and decode("", 4).shape == (3, 4, 4)
