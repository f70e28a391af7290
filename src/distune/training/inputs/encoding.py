"""What frozen layers make of all examples: computed once, and kept part by part, so that a kill costs one part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distune.store import Entry, Store
from distune.training.devices import Compute
from distune.training.inputs import parts
from distune.training.inputs.parts import Parts, cut
from distune.utils.progress import Progress

PREFIX_BATCH = 16
"""Examples a forward pass of frozen layers: enough to keep a CPU busy, little memory for activations."""


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

    More than `parts.PART` examples are computed part by part.

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
    kept = Parts(store, step, key)

    def fill(entry: Entry) -> None:
        work = encoding()
        whole = _Rows(entry, int(work.offsets[-1]))
        if len(work.order) <= parts.PART:
            _encode(work, work.order, 0, compute, progress, whole.put)
            return
        for part in cut(len(work.order)):
            examples = work.order[part]
            found = kept.get(part, _part(work, examples, part.start, compute, progress))
            whole.put(work.rows(examples), found.array("hidden"))
            progress(work.name, part.stop, len(work.order))

    hidden = store.get(step, key, fill).array("hidden")
    kept.remove()
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

        _encode(work, examples, done, compute, progress, put)

    return fill


def _encode(
    work: Encoding,
    examples: NDArray[np.int64],
    done: int,
    compute: Compute,
    progress: Progress,
    put: Callable[[NDArray[np.int64], NDArray[Any]], None],
) -> None:
    for piece in cut(len(examples), PREFIX_BATCH):
        batch = examples[piece]
        with torch.no_grad(), compute.autocast():
            values = work.encode(batch)
        kept = values.to(torch.bfloat16).view(torch.uint16) if compute.bf16 else values.float()
        put(work.rows(batch), kept.cpu().numpy())
        progress(work.name, done + piece.stop, len(work.order))


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
