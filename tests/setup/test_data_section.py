"""A set that is read as a first config will: few bad examples are left out, many are a fault."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from distune.errors import DataError
from distune.setup.columns import Layout
from distune.setup.data_section import data_section, tried
from distune.setup.source_table import SourceTable


@pytest.mark.parametrize(("bad", "is_refused"), [(0, False), (4, False), (5, True)])
def test_a_fifth_of_the_examples_may_be_left_out(tmp_path: Path, bad: int, is_refused: bool) -> None:
    rows = {"train": range(15), "dev": range(15, 20)}
    for number in range(20):
        values = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(values).save(tmp_path / f"{number}.png")
    for number in range(bad):
        (tmp_path / f"{number}.png").write_text("no image")
    for split, numbers in rows.items():
        with (tmp_path / f"metadata_{split}.csv").open("w", newline="") as handle:
            csv.writer(handle).writerows(
                [["image", "kind"], *([f"{number}.png", "ab"[number % 2]] for number in numbers)]
            )
    section: dict[str, object] = {
        "reader": "csv",
        "root": str(tmp_path),
        "image_column": "image",
        "label_columns": ["kind"],
    }
    if is_refused:
        with pytest.raises(DataError):
            tried(section)
        return
    table, extra, remarks = tried(section)
    assert len(table) == 20 - bad and bool(remarks) == bool(bad)
    assert all(remark.endswith("4 of 20 examples: file is not an image (4 examples)") for remark in remarks)
    assert extra == ({"on_bad_example": "drop"} if bad else {})


def test_the_section_names_what_the_table_needs_and_maps_no_labels_of_cells_with_several(
    tmp_path: Path,
) -> None:
    layout = Layout(tmp_path, "file", None, ("grade", "signs"), separators={"signs": ";"})
    header = ["file", "grade", "signs"]
    rows = [["1.png", "Mild", "Oedema;effusion"], ["2.png", "mild", "oedema"], ["3.png", "Mild", "oedema"]]
    section = data_section(tmp_path, SourceTable(header, rows, layout, lambda cell: not cell))
    assert section["label_map"] == {"grade": {"mild": "Mild"}}
    assert section["tasks"] == {"signs": {"separator": ";"}}
    assert not {"missing", "follow_links"} & section.keys()
    lacking = data_section(
        tmp_path, SourceTable(header, [*rows, ["4.png", "Mild", ""]], layout, lambda cell: not cell)
    )
    assert lacking["missing"] == "allow"
    words = [["5.png", "n/a", "oedema"], ["6.png", "N/A", "oedema"]]
    unknown = data_section(
        tmp_path, SourceTable(header, [*rows, *words], layout, lambda cell: cell.casefold() == "n/a")
    )
    assert (unknown["missing"], unknown["label_map"]) == ("allow", section["label_map"])
