"""From labels as they are written to the columns of a table."""

from __future__ import annotations

import pytest

from distune.config import TaskConfig
from distune.data.labels import encoded_label, joined_columns, task_of
from distune.data.table import MISSING

SIGNS = TaskConfig(columns=("a", "b", "c"))


def test_classes_are_those_of_an_order_in_it_or_sorted() -> None:
    ordered = task_of("grade", TaskConfig(order=("low", "mid", "high")), {"low", "high"})
    assert (ordered.kind, ordered.classes) == ("ordinal", ("low", "mid", "high"))
    assert task_of("organ", TaskConfig(), {"knee", "brain"}).classes == ("brain", "knee")


@pytest.mark.parametrize(
    ("cells", "columns"),
    [
        (("1", "0", ""), [1, 0, MISSING]),
        (("0", "0.0", "1.0"), [0, 0, 1]),
        (("0", "0", "0"), [0, 0, 0]),
        (("", "", ""), [MISSING] * 3),
    ],
)
def test_each_column_of_a_multi_label_task_may_be_unknown(cells: tuple[str, ...], columns: list[int]) -> None:
    task = task_of("signs", SIGNS, ())
    assert encoded_label(joined_columns(SIGNS, cells), task, SIGNS) == columns


def test_several_labels_of_a_cell() -> None:
    settings = TaskConfig(separator=";", negative="nothing")
    task = task_of("signs", settings, {"b", "a"})
    cells = {"b; a": [1, 1], "b": [0, 1], "nothing": [0, 0], " ": [MISSING, MISSING]}
    assert {cell: encoded_label(cell, task, settings) for cell in cells} == cells
