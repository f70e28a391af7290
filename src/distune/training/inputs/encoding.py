"""What frozen layers make of all examples: computed once, and kept part by part, so that a kill costs one part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distune.store import Entry, Store
from distune.training.devices import Compute

PREFIX_BATCH = 16
"""Examples a forward pass of frozen layers: enough to keep a CPU busy, little memory for activations."""
PART = 512
"""Examples of a part, a multiple of the batch: the same examples are computed together with and without parts."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Encoding:
    """How the frozen layers of one encoder are applied to N examples.

    Attributes:
        name: of the work, such as "encoding images".
        order: of the examples; those of similar length together.
        offsets: int64 of shape (N + 1,); the result's rows of example i are `offsets[i]` to `offsets[i + 1]`.
        encode: some examples -> their rows, one after the other.
    """

    name: str
    order: NDArray[np.int64]
    offsets: NDArray[np.int64]
    encode: Callable[[NDArray[np.int64]], Tensor]

    def rows(self, examples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the rows of some examples are in the result."""
        return np.concatenate([np.arange(self.offsets[i], self.offsets[i + 1]) for i in examples])


def encoded(
    store: Store,
    step: str,
    key: Mapping[str, Any],
    encoding: Callable[[], Encoding],
    compute: Compute,
    progress: Progress,
) -> NDArray[Any]:
    """The activations of all examples, from the store or computed.

    More than `PART` examples are computed in parts, each an entry of its own in the store; what a process that was
    killed has left of them is used. The whole takes their place.

    What was computed under bf16 autocast is kept as the bits of bf16 (NumPy has no such type): half the size. A last
    layer that autocast leaves in fp32, such as a norm, is rounded by that, as any linear layer after it would do.

    Args:
        store: where they are kept.
        step: of the store.
        key: everything that they depend on.
        encoding: how they are computed; called only where they are.
        compute: device and precision.
        progress: called with what is done, how many of it, and of how many.

    Returns:
        float32, or uint16 with the bits of bf16; (rows, ...).
    """
    parts: list[dict[str, Any]] = []

    def fill(entry: Entry) -> None:
        work = encoding()
        whole = _Rows(entry, int(work.offsets[-1]))
        for done, examples in _cut(work.order, PART):
            if len(work.order) <= PART:
                _encode(work, examples, 0, compute, progress, whole.put)
                return
            parts.append({**key, "part": [done, len(examples)]})
            part = store.get(f"{step}_part", parts[-1], _part(work, examples, done, compute, progress))
            whole.put(work.rows(examples), part.array("hidden"))
            progress(work.name, done + len(examples), len(work.order))

    hidden = store.get(step, key, fill).array("hidden")
    for each in parts:
        store.remove(f"{step}_part", each)
    return hidden


def _part(
    work: Encoding, examples: NDArray[np.int64], done: int, compute: Compute, progress: Progress
) -> Callable[[Entry], None]:
    """Fills an entry with the rows of some examples, in their order."""

    def fill(entry: Entry) -> None:
        lengths = work.offsets[examples + 1] - work.offsets[examples]
        rows, at = _Rows(entry, int(lengths.sum())), 0

        def put(_: NDArray[np.int64], values: NDArray[Any]) -> None:
            nonlocal at
            rows.put(slice(at, at + len(values)), values)
            at += len(values)

        # The last batch is not shown: the whole shows it with its part.
        _encode(work, examples, done, compute, progress, put, shows_last=False)

    return fill


def _encode(
    work: Encoding,
    examples: NDArray[np.int64],
    done: int,
    compute: Compute,
    progress: Progress,
    put: Callable[[NDArray[np.int64], NDArray[Any]], None],
    *,
    shows_last: bool = True,
) -> None:
    for start, batch in _cut(examples, PREFIX_BATCH):
        with torch.no_grad(), compute.autocast():
            values = work.encode(batch)
        kept = values.to(torch.bfloat16).view(torch.uint16) if compute.bf16 else values.float()
        put(work.rows(batch), kept.cpu().numpy())
        end = start + len(batch)
        if shows_last or end < len(examples):
            progress(work.name, done + end, len(work.order))


def _cut(order: NDArray[np.int64], size: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Pieces of at most a size, each with the count of those before it."""
    yield from ((start, order[start : start + size]) for start in range(0, len(order), size))


class _Rows:
    """An array in a store entry whose width is known only when the first rows arrive."""

    def __init__(self, entry: Entry, count: int):
        self._entry = entry
        self._count = count
        self._array: NDArray[Any] | None = None

    def put(self, where: NDArray[np.int64] | slice, values: NDArray[Any]) -> None:
        if self._array is None:
            self._array = self._entry.new_array("hidden", (self._count, *values.shape[1:]), values.dtype)
        self._array[where] = values
