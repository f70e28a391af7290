"""Text for messages: near misses, and lists of names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def nearest(name: str, known: Iterable[str], n: int = 1) -> list[str]:
    """Returns the at most `n` known names most like the given one, best first, whatever their case."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    return [by_lower[close] for close in difflib.get_close_matches(name.lower(), list(by_lower), n=n)]


def nearest_hint(name: str, known: Iterable[str]) -> str:
    """Returns `"; did you mean 'x'?"` for the known name most like the given one, or nothing."""
    near = nearest(name, known)
    return f"; did you mean {near[0]!r}?" if near else ""


def listed(names: Sequence[str]) -> str:
    """Returns names as a readable list."""
    return ", ".join(repr(name) for name in names) or "none"
