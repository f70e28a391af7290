"""What cannot be read back is known before anything is trained and before the test split is opened."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from confirmation_helpers import config_on, request_for, write_study

from distune.config import Config, with_values
from distune.confirmation.confirm import confirm
from distune.confirmation.rehearsal import check_predictions_are_read_back
from distune.data import Table, read_table
from distune.data.table import Task
from distune.errors import UserError
from distune.training.files.run_folder import openings


@pytest.fixture(scope="module")
def table(tiny_config: Callable[..., Config]) -> Table:
    config = tiny_config()
    return read_table(config.data, config.seed)


def named(table: Table, first: Task, second: Task) -> Table:
    """The same examples with two tasks of other names and classes."""
    return replace(table, tasks=(first, second), labels=table.labels % 2)


@pytest.mark.parametrize(
    "name", ["kind", "nan", " spaced ", "a\u2028b", "two\nlines", "=1+1", '"quoted"', ",", "p_", "\ufeff"]
)
def test_any_name_of_a_class_and_an_example_is_read_back(table: Table, tmp_path: Path, name: str) -> None:
    odd = named(table, Task("kind", ("no", name)), Task("part", (name, "other")))
    odd = replace(odd, ids=tuple(f"{name}{row}" for row in range(len(table))), groups=(name,) * len(table))
    check_predictions_are_read_back(odd, ("dev", "test"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_names_that_make_one_column_of_two_are_refused(table: Table, tmp_path: Path) -> None:
    odd = named(table, Task("kind", ("part_a", "b")), Task("kind_part", ("a", "c")))
    with pytest.raises(UserError, match="kind_part"):
        check_predictions_are_read_back(odd, ("dev", "test"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_confirmation_that_cannot_end_is_refused_while_the_test_split_is_closed(
    demo_root: Path, tmp_path: Path
) -> None:
    picture = next((demo_root / "images").glob("*.png"))
    (tmp_path / "data").mkdir()
    shutil.copyfile(picture, tmp_path / "data" / "one.png")
    for split in ("train", "dev", "test"):
        with (tmp_path / "data" / f"metadata_{split}.csv").open("w", newline="") as handle:
            rows = [
                ("one.png", "a scan", ("part_a", "b")[n % 2], ("a", "c")[n % 2], f"{split}{n}")
                for n in range(8)
            ]
            csv.writer(handle).writerows([("image", "text", "kind", "kind_part", "case"), *rows])
    base = config_on(tmp_path / "data")
    columns = {"image_column": "image", "text_column": "text", "label_columns": ["kind", "kind_part"]}
    values = {
        "reader": "csv",
        "root": str(tmp_path / "data"),
        "group_column": "case",
        "subgroup_columns": [],
        **columns,
    }
    file = write_study(
        tmp_path / "optuna", with_values(base, {f"data.{key}": v for key, v in values.items()})
    )
    with pytest.raises(UserError, match="kind_part"):
        confirm(request_for(file))
    assert not openings(file.with_suffix("")) and not list(file.with_suffix("").rglob("seed_*"))
