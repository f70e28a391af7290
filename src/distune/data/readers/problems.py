"""Why examples cannot be used, listed by cause: how many share it, three of them, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from distune.utils.text import counted

SHOWN = 3
"""Examples that are named for each cause."""
LONGEST_DETAIL = 600


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one example cannot be used.

    Attributes:
        cause: the rule that is broken, in the same words for every example that breaks it.
        detail: what this example has instead.
        remedy: what to do about it, the same for all.
    """

    cause: str
    detail: str = ""
    remedy: str = ""

    def __post_init__(self) -> None:
        if len(self.detail) > LONGEST_DETAIL:  # a path or a label as long as a text
            object.__setattr__(self, "detail", self.detail[: LONGEST_DETAIL - 1] + "…")

    def __str__(self) -> str:
        return f"{self.cause}: {self.detail}" if self.detail else self.cause


Faulty = tuple[str, Fault]
"""Where an example comes from (`file:row`), and what is wrong with it."""


def by_cause(faults: Iterable[Faulty]) -> list[str]:
    """One entry a cause, in the order in which they first occur.

    Returns:
        `file:row: cause: detail; remedy` for a cause with one example; else the cause with its count and remedy, and
        up to three examples in lines below.
    """
    groups: dict[tuple[str, str], list[Faulty]] = {}
    for origin, fault in faults:
        groups.setdefault((fault.cause, fault.remedy), []).append((origin, fault))
    return [_told(members) for members in groups.values()]


def _told(members: Sequence[Faulty]) -> str:
    origin, fault = members[0]
    remedy = f"; {fault.remedy}" if fault.remedy else ""
    if len(members) == 1:
        return f"{origin}: {fault}{remedy}"
    lines = [f"{fault.cause} ({counted(len(members), 'example')}){remedy}"]
    lines += [
        f"  {place}: {other.detail}" if other.detail else f"  {place}" for place, other in members[:SHOWN]
    ]
    if len(members) > SHOWN:
        lines.append(f"  and {len(members) - SHOWN} more")
    return "\n".join(lines)


def by_example(faults: Iterable[Faulty]) -> list[str]:
    """One line an example with everything that is wrong with it: `file:row: cause: detail; cause: detail`."""
    reasons: dict[str, list[str]] = {}
    for origin, fault in faults:
        reasons.setdefault(origin, []).append(str(fault))
    return [f"{origin}: {'; '.join(own)}" for origin, own in reasons.items()]
