from __future__ import annotations

from typing import Any

import pytest

from distune.analysis.records import attributes
from distune.utils.numbers import is_number, is_whole


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
