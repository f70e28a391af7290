"""`data.subgroup_columns`: read beside the labels, part of no fingerprint, and refused where nothing has a value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distune.config import Config, as_dict, parse_config
from distune.data import read_table
from distune.data.audit.participant_flow import participant_flow
from distune.data.demo.demo import write_demo
from distune.data.fingerprint import table_fingerprint
from distune.data.readers.raw_rows import RawExample, RawTable
from distune.data.readers.read_table import _subgroup_problems
from distune.errors import DataError
from distune.training.devices import compute_for
from distune.training.keys import student_key
from distune.tuning.study.settings import comparable


def demo(tmp_path: Path, **data: Any) -> Config:
    """A config on a demo set of a few examples, which is made at the first call."""
    if not (tmp_path / "demo").exists():
        write_demo(tmp_path / "demo", seed=1, examples=80)
    models = {role: {"vision": "tiny-cnn", "text": "tiny-text"} for role in ("teacher", "student")}
    return parse_config({"data": {"reader": "demo", "root": str(tmp_path / "demo"), **data}, **models})


@pytest.mark.slow
def test_they_change_no_fingerprint_no_key_and_no_study(tmp_path: Path) -> None:
    plain, config = demo(tmp_path), demo(tmp_path, subgroup_columns=["age", "sex"])
    before, table = read_table(plain.data), read_table(config.data)
    assert set(table.subgroups) == {"age", "sex"} and before.subgroups == {}
    assert set(table.subgroups["sex"]) == {"female", "male"}
    fingerprint = table_fingerprint(table)
    assert fingerprint == table_fingerprint(before)
    compute = compute_for(config.training)
    assert student_key(config, fingerprint, compute) == student_key(plain, fingerprint, compute)
    assert comparable(as_dict(config)) == comparable(as_dict(plain))
    half = read_table(demo(tmp_path, subgroup_columns=["sex"], label_fraction=0.5).data)
    assert len(half.labelled().subgroups["sex"]) == len(half.labelled()) < len(half)


@pytest.mark.slow
def test_a_field_that_no_example_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_table(demo(tmp_path, subgroup_columns=["sex", "height"]).data)
    assert "'height'" in str(caught.value) and "'sex'" not in str(caught.value)


def wound(folder: Path, header: str = "img,kind,site") -> Config:
    import cv2

    for split in ("train", "dev"):
        rows = [header]
        for number in range(6):
            name = f"{split}{number}.png"
            cv2.imwrite(str(folder / name), np.full((8, 8, 3), 20 * number, np.uint8))
            rows.append(f"{name},{'ab'[number % 2]},{('north', ' south ', 'N/A')[number % 3]}")
        (folder / f"metadata_{split}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    data = {"reader": "csv", "root": str(folder), "image_column": "img", "label_columns": ["kind"]}
    models = {role: {"vision": "tiny-cnn", "text": "none"} for role in ("teacher", "student")}
    return parse_config({"data": {**data, "subgroup_columns": ["site"]}, **models})


def test_a_column_of_a_table_is_read_without_its_missing_values(tmp_path: Path) -> None:
    table = read_table(wound(tmp_path).data)
    assert set(table.subgroups["site"]) == {"north", "south", ""}
    with pytest.raises(DataError) as caught:
        read_table(wound(tmp_path, "img,kind,sites").data)
    assert "'site'" in str(caught.value) and "sites" in str(caught.value)


def test_of_a_table_that_is_not_whole_no_column_is_called_empty(tmp_path: Path) -> None:
    config = wound(tmp_path).data
    raw = RawTable(("kind",), [RawExample("1", "1.png", "", ("a",), "1", "dev", "dev:1", ("",))])
    assert len(_subgroup_problems(config, raw)) == 1
    raw.structure.append("metadata_train.csv: there is no such file")
    assert _subgroup_problems(config, raw) == []


@pytest.mark.slow
def test_the_flow_counts_what_was_read_dropped_and_split(tmp_path: Path) -> None:
    config = demo(tmp_path, on_bad_example="drop", label_fraction=0.5)
    read_table(config.data)
    lines = tmp_path / "demo/splitted_dataset/descriptions_train.jsonl"
    rows = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    for row in rows[:3]:
        row["image"] = "missing" + row["image"]
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    table = read_table(config.data)
    steps = {str(row["step"]): row for row in participant_flow(table).rows}
    dropped = [row for step, row in steps.items() if step.startswith("dropped: ")]
    assert [row["examples"] for row in dropped] == [3]
    splits = [row for step, row in steps.items() if step != "rows read" and row not in dropped]
    assert steps["rows read"]["examples"] == 3 + sum(int(row["examples"]) for row in splits)
    assert steps["train"]["cases"] == len({table.groups[row] for row in table.rows("train")})
    assert any(step.startswith("without labels") for step in steps)
