"""What cannot be read back is known before anything is trained and before the test split is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from distune.config import Config
from distune.confirmation.dry_run import check_predictions_are_read_back
from distune.data import Table, read_table
from distune.data.table import Split, Task
from distune.errors import UserError


@pytest.fixture(scope="module")
def table(tiny_config: Callable[..., Config]) -> Table:
    config = tiny_config()
    return read_table(config.data)


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


@pytest.mark.parametrize(("split", "other"), [("dev", "test"), ("test", "dev")])
def test_every_split_is_tried(table: Table, tmp_path: Path, split: Split, other: Split) -> None:
    """An example twice in one split alone."""
    rows = table.rows(split)
    ids = list(table.ids)
    ids[rows[0]] = ids[rows[1]]
    odd = replace(table, ids=tuple(ids))
    check_predictions_are_read_back(odd, (other,), tmp_path)
    with pytest.raises(UserError, match=f"for the {split} split"):
        check_predictions_are_read_back(odd, ("dev", "test"), tmp_path)


def test_names_that_make_one_column_of_two_are_refused(table: Table, tmp_path: Path) -> None:
    odd = named(table, Task("kind", ("part_a", "b")), Task("kind_part", ("a", "c")))
    with pytest.raises(UserError, match="kind_part"):
        check_predictions_are_read_back(odd, ("dev", "test"), tmp_path)
    assert not list(tmp_path.iterdir())
