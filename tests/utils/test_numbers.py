from __future__ import annotations

from typing import Any

import pytest

from distune.analysis.records import attributes
from distune.utils.numbers import is_number, is_whole, written_number


@pytest.mark.parametrize("value", [True, False, None, "1", [1], float("nan"), float("inf"), 10**400])
def test_what_is_no_number_is_unknown_in_a_record(value: Any) -> None:
    assert not is_number(value)
    assert attributes.number(value) is None and attributes.whole(value) is None
    assert attributes.numbers({"a": value, "b": 1}) == {"b": 1.0}


@pytest.mark.parametrize(
    ("value", "whole"), [(0, True), (-3, True), (2**70, True), (1.0, False), (0.5, False)]
)
def test_numbers(value: Any, whole: bool) -> None:
    assert is_number(value) and is_whole(value) == whole
    assert attributes.number(value) == value


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("0", 0.0),
        ("-1.50", -1.5),
        ("+.5", 0.5),
        ("7.", 7.0),
        ("1e-05", 1e-5),
        ("2.5E+3", 2500.0),
        (" 3 ", 3.0),
    ],
)
def test_a_number_in_a_cell(cell: str, number: float) -> None:
    assert written_number(cell) == number


@pytest.mark.parametrize(
    "cell", ["", ".", "e5", "1_000", "\uff11", "1\u0662", "1,5", "nan", "inf", "0x10", "1 2", "1\n2"]
)
def test_what_python_alone_reads_as_a_number_is_none(cell: str) -> None:
    with pytest.raises(ValueError):
        written_number(cell)
