"""New examples: an image in any form, and a text."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from io import IOBase
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from distune.data.pixels.image_size import size_of
from distune.data.pixels.images import FRAME, NO_FRAME, decode, from_array, located, squared, with_frame
from distune.data.pixels.intensity import DEFAULT, PixelRules
from distune.data.readers.image_files import ImageFiles
from distune.data.readers.table_formats import TableError, open_table, row_fault
from distune.errors import DataError, UserError, is_of_the_machine
from distune.utils.text import NOT_UNICODE, counted, is_unicode, listed, nearest_hint, one_line

NO_SEQUENCES = (str, bytes, bytearray, Mapping, Set, IOBase)
_log = logging.getLogger(__name__)
PICTURE_MODES = ("L", "RGB", "RGBA", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")
"""Modes of Pillow whose arrays are what they look like; the others are converted."""


@dataclass(frozen=True)
class Columns:
    """How a table of new examples is read, as that of training was; of several names the first that is there is used.

    Attributes:
        image: choices for the image; none where the model reads no image.
        text: choices for the text; none where the model reads no text.
        missing: texts that stand for nothing, whatever their case, as in training.
        group: choices for the patient or case, where labelled examples are read.
        frame: choices for the number of the frame, of images in files of several; a table may have none.
        encoding: of CSV that is not UTF-8; None finds it out.
        follow_links: also take files outside of the images' folder to which a link inside points.
    """

    image: tuple[str, ...] = ("image",)
    text: tuple[str, ...] = ("text",)
    missing: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    frame: tuple[str, ...] = ()
    encoding: str | None = None
    follow_links: bool = False

    def text_of(self, cell: str) -> str:
        """The text that a cell holds; empty where it stands for nothing."""
        text = cell.strip()
        return "" if is_missing(text, self.missing) else text


def is_missing(cell: str, words: Collection[str]) -> bool:
    """Whether a cell stands for nothing: it is empty, or one of the words, whatever its case."""
    cell = cell.strip().casefold()
    return not cell or any(cell == word.strip().casefold() for word in words)


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
        Example(_name(image, row), image, text)
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
    return text


def is_image(value: Any) -> TypeGuard[Any]:
    """Whether a value is one image rather than a sequence of them."""
    return (
        isinstance(value, str | Path)
        or is_picture(value)
        or (isinstance(value, np.ndarray) and value.ndim in (2, 3) and value.dtype != object)
    )


def is_picture(value: Any) -> bool:
    """Whether a value is a Pillow image."""
    return hasattr(value, "getexif") and hasattr(value, "mode")


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


def positions(source: str, header: Sequence[str], columns: Columns) -> tuple[int | None, int | None]:
    """Where the image and the text are; None for what is not read.

    Raises:
        DataError: a column is missing; it names those that are there.
    """
    found: list[int | None] = []
    problems = []
    for what, choices in (("image", columns.image), ("text", columns.text)):
        there = [choice for choice in choices if choice in header]
        found.append(header.index(there[0]) if there else None)
        if there and header.count(there[0]) > 1:
            problems.append(f"there are two columns {there[0]!r}; rename or drop one")
        if choices and not there:
            looked, hint = listed(list(dict.fromkeys(choices))), nearest_hint(choices[0], header)
            problems.append(
                f"no column for the {what}: looked for {looked}; columns found: {listed(header)}{hint}"
            )
    if problems:
        raise DataError(source, problems)
    return found[0], found[1]


def frame_position(source: str, header: Sequence[str], columns: Columns) -> int | None:
    """Where the number of the frame is; None for models that read no such column, and tables that have none."""
    found = [header.index(name) for name in columns.frame if name in header]
    if columns.frame and columns.image and not found:
        _log.warning(
            "%s: no column %s; of an image file of several frames the middle one is read",
            source,
            listed(columns.frame),
        )
    return found[0] if found else None


def read_examples(path: Path, root: Path, columns: Columns) -> list[Example]:
    """Reads a table of new examples: CSV in any common form, JSON lines or parquet.

    Args:
        path: the file; its first row names the columns.
        root: folder that image paths are relative to, and that none of them leaves.
        columns: how it is read; a column `id` names the examples, else `file:row`.

    Returns:
        All rows in file order; those that cannot be used say why.

    Raises:
        DataError: the file cannot be read, or a column is missing.
    """
    return read_table_of(path, root, columns)[2]


def read_table_of(
    path: Path, root: Path, columns: Columns
) -> tuple[list[str], list[list[str]], list[Example]]:
    """Reads a table of examples as `read_examples` does.

    Returns:
        The header, the fields of every row, and its example; a row with a fault (see `row_fault`) has empty ones.

    Raises:
        DataError: see `read_examples`.
    """
    files = ImageFiles(root, follow_links=columns.follow_links)
    rows, found = [], []
    try:
        table = open_table(path, (*columns.image, *columns.text, *columns.frame), likely=columns.encoding)
        header = table.header
        if table.is_guess and columns.encoding is None:
            _log.warning("%s: read %s", path, table.said("save it as UTF-8"))
        image, text = positions(str(path), header, columns)
        frame = frame_position(str(path), header, columns)
        if image is not None and not root.is_dir():
            raise DataError(root, ["there is no such folder; data_root is what image paths are relative to"])
        name = header.index("id") if "id" in header else None
        for number, values in table.rows:
            origin, odd = f"{path.name}:{number}", row_fault(header, values)
            if odd is not None:
                values = [""] * len(header)
            file, fault = None, None if odd is None else str(odd)
            if image is not None and fault is None:
                file, fault = _file(files, values[image], "" if frame is None else values[frame])
            said = None if text is None else columns.text_of(values[text])
            rows.append(values)
            own_name = values[name] if name is not None and values[name] else origin
            found.append(Example(own_name, file, said, fault))
    except FileNotFoundError:
        raise DataError(path, ["there is no such file"]) from None
    except TableError as error:
        raise DataError(path, [f"row {error.row}: {error}" if error.row else str(error)]) from None
    return header, rows, found


def _file(files: ImageFiles, image: str, cell: str) -> tuple[str | None, str | None]:
    """The image's file, with its frame where one is named, or why there is none; nothing for an empty cell."""
    if not image.strip():
        return None, None
    try:
        name, frame = located(with_frame(image, cell))
    except ValueError as error:
        return None, f"{NO_FRAME}: {str(error)!r}"
    found = files.find(name)
    if not isinstance(found, Path):
        return None, f"{found}; {found.remedy}" if found.remedy else str(found)
    return (str(found) if frame is None else f"{found}{FRAME}{frame}"), None


def encoder_pixels(
    image: Any, size: int, rules: PixelRules = DEFAULT, max_megapixels: float = math.inf
) -> NDArray[np.uint8]:
    """An image in any form -> what the encoder reads, uint8 (3, size, size).

    Args:
        image: a path, an array or a Pillow image.
        size: side of the result in pixels.
        rules: how deep pixels become 8 bits.
        max_megapixels: larger images are refused, files by their header as far as it tells.

    Raises:
        UserError: it cannot be read, or is too large.
    """
    if isinstance(image, str | Path):
        _check_size(size_of(located(image)[0]), max_megapixels)
        return decode(image, size, rules)
    if is_picture(image):
        _check_size(image.size, max_megapixels)
        image = array_of(image)
    if not isinstance(image, np.ndarray):
        raise UserError(
            f"an image of type {type(image).__name__}: give a path, a NumPy array or a Pillow image"
        )
    _check_size(image.shape[:2][::-1], max_megapixels)
    return squared(from_array(image, rules), size)


def _check_size(size: tuple[int, ...] | None, max_megapixels: float) -> None:
    if size is not None and len(size) == 2 and size[0] * size[1] > max_megapixels * 1e6:
        raise UserError(
            f"image of {size[0]} x {size[1]} pixels is larger than data.max_image_megapixels {max_megapixels:g}"
        )


def array_of(picture: Any) -> NDArray[Any]:
    """The values of a Pillow image, turned as its camera says, as those of a file would be.

    Raises:
        UserError: the file behind it is damaged.
    """
    from PIL import ImageOps

    try:
        picture.load()  # which turns most of the TIFF files, and says so
        picture = ImageOps.exif_transpose(picture)
        has_alpha = picture.mode in ("LA", "PA", "La", "RGBa") or "transparency" in picture.info
        if has_alpha or picture.mode not in PICTURE_MODES:
            picture = picture.convert("RGBA" if has_alpha else "L" if picture.mode == "1" else "RGB")
        return np.asarray(picture)
    except Exception as error:  # Pillow reads the file only now, and its plugins raise what they like
        if is_of_the_machine(error):
            raise
        raise UserError(f"not readable: {one_line(error, 100)}") from None


def columns_of(data: Mapping[str, Any], modalities: Sequence[str]) -> Columns:
    """Names of the columns that a data set's config gives, and the plain ones, for what the model reads."""
    is_wound = data.get("reader") == "wound"
    image = data.get("image_column")
    images = (image,) if image else ("file_path", "img_path") if is_wound else ()
    text = data.get("text_column") or ("description" if is_wound else None)
    return Columns(
        (*images, "image") if "image" in modalities else (),
        (*((text,) if text else ()), "text") if "text" in modalities else (),
        tuple(data.get("missing_values", ())),
        (group,) if (group := data.get("group_column")) else (),
        (frame,) if (frame := data.get("frame_column")) and "image" in modalities else (),
        data.get("encoding"),
        bool(data.get("follow_links")),
    )
