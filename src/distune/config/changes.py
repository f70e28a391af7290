"""What differs between two configs, or other settings, by dotted key."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any


class Absent(Enum):
    """In the place of a value that one side has not."""

    ABSENT = "absent"

    def __str__(self) -> str:
        return self.value


ABSENT = Absent.ABSENT


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of sections in sections by dotted key."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found.update(flat(value, f"{prefix}{key}."))
        else:
            found[prefix + key] = value
    return found


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Each key whose value differs, with both values, in the order of the old ones; `ABSENT` where a side has none."""
    keys = [*old, *(key for key in new if key not in old)]
    pairs = [(key, old.get(key, ABSENT), new.get(key, ABSENT)) for key in keys]
    return [pair for pair in pairs if pair[1] != pair[2]]
