"""Arguments of the public functions: one of a wrong type is named before any work."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from distune.errors import UserError
from distune.utils.numbers import is_number
from distune.utils.text import is_unicode, one_line

LONGEST_NAME = 255
"""Bytes of one file or folder's name, on every common file system."""
LONGEST_PATH = 4000


def check_argument(name: str, value: Any, *kinds: type, remedy: str = "") -> None:
    """Refuses a value of another type, which would fail far from the call that gave it.

    Args:
        name: of the argument.
        value: what was given.
        kinds: the types that it may be of; True and False are no numbers.
        remedy: how one of them is made.

    Raises:
        UserError: it is of none of them.
    """
    is_flag = isinstance(value, bool) and bool not in kinds
    if is_flag or not isinstance(value, kinds):
        wanted = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
        raise UserError(f"{name}: takes {wanted}, not {type(value).__name__}" + (remedy and f"; {remedy}"))


def check_number(name: str, value: Any, *, least: float, most: float = math.inf, whole: bool = False) -> None:
    """Refuses what is no finite number between two others.

    Args:
        name: of the argument.
        value: what was given.
        least: the smallest number that it may be.
        most: the largest one.
        whole: it must be an int.

    Raises:
        UserError: it is none.
    """
    check_argument(name, value, *((int,) if whole else (int, float)))
    if not (is_number(value) and least <= value <= most):
        wanted = f"at least {least:g}" if most == math.inf else f"a number from {least:g} to {most:g}"
        raise UserError(f"{name}: {one_line(value, 40)}; give {wanted}")


def check_text(name: str, value: Any, *others: type) -> None:
    """Refuses a name that says nothing, or that no file can hold.

    Args:
        name: of the argument.
        value: a text, or something of the other types.
        others: these types.

    Raises:
        UserError: it is of another type, blank, or holds half a character.
    """
    check_argument(name, value, str, *others)
    if isinstance(value, str) and not (value.strip() and is_unicode(value)):
        raise UserError(f"{name}: {value!r} names nothing; give a text")


def check_flags(**flags: Any) -> None:
    """Refuses what is neither True nor False: `overwrite="no"` would be taken for yes.

    Raises:
        UserError: one of them is.
    """
    for name, value in flags.items():
        check_argument(name, value, bool)


def check_callable(name: str, value: Any) -> None:
    """Refuses what cannot be called.

    Raises:
        UserError: it cannot.
    """
    if not callable(value):
        raise UserError(f"{name}: takes a function, not {type(value).__name__}")


def check_path(name: str, value: Any, *others: type) -> None:
    """Refuses what can be no path of a file or folder, nor the name of a study.

    Args:
        name: of the argument.
        value: a path or name, or something of the other types.
        others: these types.

    Raises:
        UserError: it is of another type, empty, longer than a path can be, of characters that no path can have, or
            begins with `~`, which would be a folder of that name.
    """
    check_argument(name, value, str, Path, *others)
    if isinstance(value, others):
        return
    text = str(value)
    if not text.strip():
        raise UserError(f"{name}: empty")
    try:
        longest = max(len(os.fsencode(part)) for part in Path(text).parts or (text,))
    except UnicodeEncodeError:
        raise UserError(f"{name}: {text!r} holds half a character, which no path can") from None
    if "\0" in text or longest > LONGEST_NAME or len(text) > LONGEST_PATH:
        raise UserError(f"{name}: {one_line(text, 80)!r} cannot be a path: too long, or with a NUL character")
    if Path(text).parts[:1] == ("~",):
        raise UserError(
            f"{name}: {text!r}: Python does not put the home folder in; give Path({text!r}).expanduser()"
        )
