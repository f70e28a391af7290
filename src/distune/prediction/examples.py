"""New examples: an image in any form, and a text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from io import IOBase
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from distune.data.pixels.images import NO_FRAME, with_frame
from distune.errors import UserError
from distune.prediction.example_pixels import is_picture
from distune.prediction.table_columns import Columns, frame_position, positions
from distune.utils.text import NOT_UNICODE, counted, is_unicode

NO_SEQUENCES = (str, bytes, bytearray, Mapping, Set, IOBase)


@dataclass(frozen=True, slots=True)
class Example:
    """One example to predict.

    Attributes:
        id: names it in answers and problems.
        image: path of a file, array (height, width[, channels]) or Pillow image; None where there is none.
        text: None where there is none, which is not the same as an empty one.
        problem: why it cannot be used, where that is known already.
    """

    id: str
    image: Any
    text: str | None
    problem: str | None = None


def examples_of(images: Any, texts: Any, columns: Columns) -> list[Example]:
    """The examples that a caller gives: one, several, or a data frame.

    Args:
        images: an image, a sequence of images, or a data frame with a column for images and one for texts; None where
            there are texts alone.
        texts: a text, or one for each image; None with a data frame.
        columns: their names in a data frame.

    Raises:
        UserError: there is neither, images and texts are not equally many, or a column is missing.
    """
    if is_frame(images):
        if texts is not None:
            raise UserError("a data frame holds its texts itself; leave the second argument out")
        return _of_frame(images, columns)
    if images is None and texts is None:
        raise UserError("give images, texts, or both")
    if texts is not None:
        texts = [texts] if isinstance(texts, str) else several("texts", texts)
    if images is None:
        images = [None] * len(texts)
    images = [images] if is_image(images) else several("images", images)
    if texts is None:
        texts = [None] * len(images)
    if len(images) != len(texts):
        raise UserError(
            f"{counted(len(images), 'image')} and {counted(len(texts), 'text')}: give one text for each image"
        )
    return [
        Example(_name(image, row), _none(image), _none(text))
        for row, (image, text) in enumerate(zip(images, texts, strict=True))
    ]


def several(name: str, value: Any) -> list[Any]:
    """What a sequence, a column, an array or a generator holds, in its order.

    Raises:
        UserError: it is one thing, or of no order: a set, a mapping, bytes, an open file.
    """
    try:
        if isinstance(value, Iterable) and not isinstance(value, NO_SEQUENCES):
            return list(value)
    except TypeError:  # an array without an axis
        pass
    raise UserError(f"{name}: takes one for each example, in their order, not {type(value).__name__}")


def columns_in(frame: Any) -> list[str]:
    """The names of a data frame's columns."""
    return [str(name) for name in frame.columns]


def column_of(frame: Any, name: str) -> list[Any]:
    """The values of a data frame's column, whose name may be no text.

    Raises:
        UserError: two columns have that name.
    """
    names = columns_in(frame)
    if names.count(name) > 1:
        raise UserError(f"the data frame has two columns {name!r}; rename or drop one")
    return list(frame.iloc[:, names.index(name)])


def is_frame(value: Any) -> bool:
    """Whether a value is a data frame, of pandas or of a package like it."""
    return hasattr(value, "columns") and hasattr(value, "to_dict")


def is_nothing(value: Any) -> bool:
    """Whether a cell of a data frame stands for nothing: None, an empty text, or what pandas has for it."""
    if isinstance(value, float | np.floating):
        return math.isnan(value)
    return (
        value is None
        or type(value).__name__ in ("NAType", "NaTType")
        or (isinstance(value, str) and not value.strip())
    )


def cell_of(value: Any) -> str:
    """A value of a data frame as a table file would hold it.

    Raises:
        UserError: it is several values, bytes, or text that no file can hold.
    """
    if is_nothing(value):
        return ""
    if isinstance(value, Iterable) and not isinstance(value, str):
        raise UserError(f"a value of type {type(value).__name__}; give text, or a number")
    text = str(value)
    if not is_unicode(text):
        raise UserError(NOT_UNICODE)
    if "\0" in text:
        raise UserError("a null character")
    return text


def is_image(value: Any) -> TypeGuard[Any]:
    """Whether a value is one image rather than a sequence of them."""
    return (
        isinstance(value, str | Path)
        or is_picture(value)
        or (isinstance(value, np.ndarray) and value.ndim in (2, 3) and value.dtype != object)
    )


def _none(value: Any) -> Any:
    """A value, or None for what pandas has in its place; an empty text is one that says nothing."""
    return None if not isinstance(value, str) and is_nothing(value) else value


def _name(image: Any, row: int) -> str:
    return str(image) if isinstance(image, str | Path) else f"example {row + 1}"


def _of_frame(frame: Any, columns: Columns) -> list[Example]:
    header = columns_in(frame)
    image, text = positions("the data frame", header, columns)
    nothing = [None] * len(frame)
    pictures = nothing if image is None else list(frame.iloc[:, image])
    number = frame_position("the data frame", header, columns)
    numbers = nothing if number is None else list(frame.iloc[:, number])
    texts = nothing if text is None else list(frame.iloc[:, text])
    own = list(frame.index)
    ids = column_of(frame, "id") if "id" in header else own
    return [
        _of_row(
            str(row if is_nothing(name) else name),
            None if is_nothing(picture) else _framed(picture, number),
            said,
            columns,
        )
        for row, name, picture, said, number in zip(own, ids, pictures, texts, numbers, strict=True)
    ]


def _framed(picture: Any, number: Any) -> Any:
    """A path with the number of its frame; what is in memory is one picture.

    Raises:
        UserError: the number is none from 1.
    """
    if not isinstance(picture, str | Path):
        return picture
    try:
        return with_frame(str(picture), cell_of(number))
    except ValueError as error:
        raise UserError(f"{picture}: {NO_FRAME}: {error}") from None


def _of_row(name: str, picture: Any, said: Any, columns: Columns) -> Example:
    if not isinstance(said, str) and is_nothing(said):  # an empty text is one that says nothing
        return Example(name, picture, None)
    try:
        return Example(name, picture, columns.text_of(cell_of(said)))
    except UserError as error:
        return Example(name, picture, None, f"its text: {error}")
