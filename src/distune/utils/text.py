"""Text for messages and pages: near misses, lists of names, and text from elsewhere that does no harm."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

LONGEST_LINE = 300
LONGEST_NAME = 100
LONGEST_MESSAGE = 2_000
MOST_NAMES = 30
_PASTED = re.compile(
    "[\u00a0\u2000-\u200b\u2060\u3000\ufeff\u201c-\u201f\u2018\u201a\u201b\u2010\u2011\u2212\uff10-\uff19]"
)
"""Blanks, quotes, hyphens and digits that are none where plain ones are needed, as in YAML; not the apostrophe U+2019,
with which words end."""
NOT_UNICODE = "text that is not valid Unicode (half of a surrogate pair)"


def nearest(name: str, known: Iterable[str], n: int = 1) -> list[str]:
    """Returns the at most `n` known names most like the given one, best first, whatever their case."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    return [by_lower[close] for close in difflib.get_close_matches(name.lower(), list(by_lower), n=n)]


def nearest_hint(name: str, known: Iterable[str]) -> str:
    """Returns `"; did you mean 'x'?"` for the known name most like the given one, or nothing."""
    near = nearest(name, known)
    return f"; did you mean {near[0]!r}?" if near else ""


def counted(count: int, one: str, many: str | None = None) -> str:
    """Returns a number with its noun: `1 row`, `2,000 rows`; `many` is the plural that is not made by an s."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def first_of(items: Sequence[str], most: int, between: str = ", ") -> str:
    """Returns the first items and how many more there are: `a, b and 3 more`, or `a; b; and 3 more`."""
    shown = between.join(items[:most])
    if len(items) <= most:
        return shown
    return f"{shown}{' ' if between == ', ' else between}and {len(items) - most:,} more"


def listed(names: Sequence[str]) -> str:
    """Returns names as a readable list; of many the first ones, and each cut at a length."""
    shown = [repr(name) if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]!r}..." for name in names]
    return first_of(shown, MOST_NAMES) or "none"


def is_unicode(text: str) -> bool:
    """Whether a text can be written in UTF-8: it holds no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def pasted(text: str) -> str:
    """Returns `"; holds U+201C (...)"` of a text that holds a sign which looks like a plain one, or nothing."""
    if (found := _PASTED.search(text)) is None:
        return ""
    sign, line = found[0], text.count("\n", 0, found.start()) + 1
    where = f"line {line} " if "\n" in text else ""
    return f"; {where}holds U+{ord(sign):04X} ({unicodedata.name(sign).lower()}), as pasted text does"


def harmless(text: str) -> str:
    """Text without control, direction-changing or invisible characters, which are replaced one by one."""
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    is_hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs") and character not in "\n\r\t"
    return "\N{REPLACEMENT CHARACTER}" if is_hidden else character


def terminal_line(text: str) -> str:
    """Text as one line of a terminal, which no name in it ends: line breaks are replaced, too."""
    return _LINE_BREAK.sub("\N{REPLACEMENT CHARACTER}", harmless(text))


def terminal_message(text: str) -> str:
    """A message of several lines: all but the first are indented, so that none stands for another message."""
    first, *rest = text.split("\n")
    lines = (line if line.startswith("  ") or not line else f"  {line}" for line in rest)
    return "\n".join(map(terminal_line, [first, *lines]))


def one_line(held: Any, longest: int = LONGEST_LINE) -> str:
    """Foreign text in one line: no control or direction-changing characters, cut at a length."""
    shown = " ".join(harmless(str(held)).split())
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


_LINE_BREAK = re.compile(r"[\n\r\u2028\u2029]")
_SPECIAL = re.compile(r"([\\`*|~]|\[(?=[\^ xX])|\](?=[(\[:]))")
_WORD_EDGE_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_LINE_START = re.compile(r"^(\s*)([#+\-=]|\d+(?=[.)]))")


def in_markdown(text: str) -> str:
    """Text within a line that Markdown shows as it is: no emphasis, HTML, table bars or links come of it."""
    text = _WORD_EDGE_UNDERSCORE.sub(r"\\_", _SPECIAL.sub(r"\\\1", text))
    text = _ENTITY.sub("&amp;", text).replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("://", ":\\//").replace("www.", "www\\.").replace("@", "\\@")


def at_line_start(text: str) -> str:
    """Markdown that may begin a line, or an item of a list, without making a list or a heading of it."""
    return _LINE_START.sub(
        lambda match: match[1] + (match[2] + "\\" if match[2].isdigit() else "\\" + match[2]), text
    )


_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def inert(text: str) -> str:
    """Text for a CSV cell that a person opens in a spreadsheet, where some first characters start a formula.

    Such a cell gets an apostrophe in front (OWASP: CSV injection). Not for cells that a program reads back.
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def as_written(cell: str) -> str:
    """The text that `inert` made a cell of."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA_STARTS) else cell
