"""Steps that take long are computed part by part, each an entry of the store, so that a kill costs one part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from distune.store import Entry, Store

PART = 512
"""Examples of a part, a multiple of an encoder's batch: the same examples are computed together with and without
parts."""


@dataclass
class Parts:
    """The parts of one step's result; what a process that was killed has left of them is used.

    Args:
        store: where they are kept.
        step: of the whole.
        key: of the whole.
    """

    store: Store
    step: str
    key: Mapping[str, Any]
    _kept: list[dict[str, Any]] = field(default_factory=list)

    def get(self, part: slice, compute: Callable[[Entry], None]) -> Entry:
        """One part, from the store or computed."""
        self._kept.append({**self.key, "part": [part.start, part.stop - part.start]})
        return self.store.get(f"{self.step}_part", self._kept[-1], compute)

    def remove(self) -> None:
        """Removes the parts; to be called once the whole is kept."""
        for each in self._kept:
            self.store.remove(f"{self.step}_part", each)


def cut(count: int, size: int | None = None) -> Iterator[slice]:
    """Pieces of at most a size, by default `PART`, that make up so many examples."""
    size = size or PART
    yield from (slice(start, min(start + size, count)) for start in range(0, count, size))
