"""Arguments that are taken and refused, at their edges."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from distune.errors import UserError
from distune.utils.arguments import (
    LONGEST_NAME,
    LONGEST_PATH,
    check_argument,
    check_callable,
    check_flags,
    check_number,
    check_path,
    check_text,
)
from distune.utils.seeds import LARGEST_SEED, check_seed, derived_seed


@pytest.mark.parametrize(
    ("value", "kinds", "is_taken"),
    [
        (1, (int,), True),
        (True, (int,), False),
        (True, (int, float, str), False),
        (True, (bool,), True),
        (False, (int, bool), True),
        (None, (str,), False),
        (None, (str, type(None)), True),
        (1.0, (int,), False),
    ],
)
def test_a_value_is_of_one_of_the_types_and_a_flag_is_no_number(
    value: Any, kinds: tuple[type, ...], is_taken: bool
) -> None:
    if is_taken:
        check_argument("name", value, *kinds)
        return
    with pytest.raises(UserError, match=rf"^name: takes .*{type(value).__name__}$") as refused:
        check_argument("name", value, *kinds)
    names = ("None" if kind is type(None) else kind.__name__ for kind in kinds)
    assert f"takes {' or '.join(names)}, not" in str(refused.value)


@pytest.mark.parametrize(
    ("value", "limits", "is_taken"),
    [
        (0, {"least": 0}, True),
        (-0.1, {"least": 0}, False),
        (2, {"least": 0, "most": 2}, True),
        (2.1, {"least": 0, "most": 2}, False),
        (1.0, {"least": 0, "whole": True}, False),
        (1, {"least": 0, "whole": True}, True),
        (True, {"least": 0}, False),
        (math.nan, {"least": 0}, False),
        (math.inf, {"least": 0}, False),
        ("1", {"least": 0}, False),
    ],
)
def test_a_number_is_finite_and_within_its_limits(value: Any, limits: dict[str, Any], is_taken: bool) -> None:
    if is_taken:
        check_number("name", value, **limits)
        return
    with pytest.raises(UserError, match=r"^name: "):
        check_number("name", value, **limits)


@pytest.mark.parametrize("value", ["", " \t", "\ud800", None, 1])
def test_a_text_says_something(value: Any) -> None:
    with pytest.raises(UserError, match=r"^name: "):
        check_text("name", value)
    check_text("name", "x")
    check_text("name", None, type(None))


def test_flags_and_functions_are_what_they_seem() -> None:
    check_flags(one=True, two=False)
    check_callable("name", len)
    for value in (0, "no", None):
        with pytest.raises(UserError, match=r"^two: "):
            check_flags(one=True, two=value)
    with pytest.raises(UserError, match=r"^name: takes a function"):
        check_callable("name", "len")


@pytest.mark.parametrize(
    ("value", "is_taken"),
    [
        ("a/b", True),
        (Path("a"), True),
        ("x" * LONGEST_NAME, True),
        ("é" * (LONGEST_NAME // 2), True),
        ("é" * (LONGEST_NAME // 2 + 1), False),
        ("x" * (LONGEST_NAME + 1), False),
        ("/a" * (LONGEST_PATH // 2), True),
        ("/a" * (LONGEST_PATH // 2) + "b", False),
        ("", False),
        ("  ", False),
        ("a\0b", False),
        ("\ud800", False),
        ("~/a", False),
        (Path("~"), False),
        ("~a", True),
        (None, False),
        (3, False),
    ],
)
def test_a_path_can_be_one(value: Any, is_taken: bool) -> None:
    if is_taken:
        check_path("name", value)
        return
    with pytest.raises(UserError, match=r"^name: "):
        check_path("name", value)
    check_path("name", None, type(None))


def test_a_seed_is_one_of_a_config() -> None:
    for seed in (0, LARGEST_SEED):
        check_seed(seed)
    for seed in (-1, LARGEST_SEED + 1):
        with pytest.raises(UserError, match=str(seed)):
            check_seed(seed)


def test_a_derived_seed_depends_on_each_part_and_its_place() -> None:
    assert derived_seed(3, "teacher", 1) == 750023258577913051
    parts: list[tuple[object, ...]] = [(1, 12), (11, 2), (12, 1), (112,), (1, 1, 2), (), ("",), ("", "")]
    seeds = {derived_seed(*each) for each in parts}
    assert len(seeds) == len(parts) - 1  # no part at all is an empty one
    assert all(0 <= derived_seed("x", number) < 2**62 for number in range(200))
