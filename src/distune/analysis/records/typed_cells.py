"""Cells of a table of trials as numbers, truths or texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from distune.analysis.records import attributes
from distune.data.readers.nothing import may_be_nothing
from distune.utils.numbers import written_number
from distune.utils.text import listed


def typed(name: str, column: Sequence[str], problems: list[str], said: list[str]) -> list[Any]:
    """A column as ints, floats, bools or texts: the first that all its filled cells are.

    Args:
        name: of the column.
        column: its cells.
        problems: gets what is wrong with a cell.
        said: gets how cells were understood.
    """
    filled = ["" if cell.strip().lower() in ("nan", "nat") else cell.strip() for cell in column]
    words = sorted({cell for cell in filled if may_be_nothing(cell)})
    known = ["" if cell in words else cell for cell in filled]
    for read in (whole, finite, _truth) if any(known) else ():
        try:
            values = [read(cell) if cell else None for cell in known]
        except (ValueError, OverflowError):
            continue
        said += [f"In {name}, {listed(words)} stands for no value."] if words else []
        return values
    _check_texts(name, known, problems, said)
    return [cell or None for cell in filled]


def _check_texts(name: str, cells: Sequence[str], problems: list[str], said: list[str]) -> None:
    """Names cells that begin as a number among numbers, such as `0,002`: all would be choices because of them."""
    texts = {row: cell for row, cell in enumerate(cells, start=2) if cell and not _is_number(cell)}
    begun = {row: cell for row, cell in texts.items() if cell[0].isdigit() or cell[0] in "+-."}
    if len(texts) < sum(map(bool, cells)) and begun:
        problems += [f"row {row}: {name} is {cell!r}, beside numbers" for row, cell in begun.items()]
    elif texts and (begun or len(texts) < sum(map(bool, cells))):
        said.append(
            f"The values of {name} are choices and no numbers, as {next(iter(texts.values()))!r} is none."
        )


def _is_number(written: str) -> bool:
    try:
        finite(written)
    except (ValueError, OverflowError):
        return False
    return True


def whole(written: str) -> int:
    """An int; 384.0 is one, since a column with gaps holds floats."""
    number = written_number(written)
    if "e" in written.lower() or number != int(number):
        raise ValueError(written)
    return int(number)


def finite(written: str) -> float:
    """A float whose differences are finite."""
    value = attributes.number(written_number(written))
    if value is None:
        raise ValueError(written)
    return value


def _truth(written: str) -> bool:
    if written not in ("True", "False"):
        raise ValueError(written)
    return written == "True"
