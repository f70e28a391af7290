"""Batches for one model: gathered where the examples lie, padded to the longest of the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distune.data.placed import Placed, Room, as_tensor, sent
from distune.data.ragged import LENGTH_STEP, Ragged

POOL = 32
"""Batches whose examples are sorted by length together: little padding, and still a random order."""


@dataclass(frozen=True)
class ModelInputs:
    """What one model reads, for all N examples of a table.

    Attributes:
        image: shape (views, N, ...): uint8 pixels (3, S, S), or what the frozen layers made of them; (views, N, width)
            where only the mean over the frozen encoder's tokens is read; None where no image is.
        text: N sequences of token ids, or what the frozen layers made of them; None where no text is read.
        text_mean: (N, width) where only the mean over the frozen encoder's tokens is read; `text` then is the token
            ids, whose lengths still decide the batches.

    Activations are float32, or uint16 that holds the bits of bf16.
    """

    image: NDArray[Any] | None
    text: Ragged | None
    text_mean: NDArray[Any] | None = None
    _on: dict[torch.device, _PlacedInputs] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __len__(self) -> int:
        return len(self.text) if self.text is not None else 0 if self.image is None else self.image.shape[1]

    @property
    def views(self) -> int:
        """How many views each image has; view 0 is the image as it is."""
        return 1 if self.image is None else int(self.image.shape[0])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Text length of each example, (N,); all 1 where no text is read."""
        return np.ones(len(self), np.int64) if self.text is None else self.text.lengths


@dataclass(frozen=True)
class Batch:
    """B examples on the device.

    Attributes:
        rows: table rows, int64 (B,).
        views: the view of each image, int64 (B,).
        image: (B, ...); None where the model reads no image.
        text: (B, L) token ids, (B, L, width), or a mean (B, width); None where the model reads no text.
        text_mask: bool (B, L), true at real tokens; a mean counts as one; None with the text.
        labels: int64 (B, tasks).
        host_rows: the same rows on the CPU, for what is gathered there.
        host_views: the same views on the CPU.
    """

    rows: Tensor
    views: Tensor
    image: Tensor | None
    text: Tensor | None
    text_mask: Tensor | None
    labels: Tensor
    host_rows: Tensor
    host_views: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def parts(self, count: int) -> list[Batch]:
        """The batch cut into at most `count` parts of nearly equal size."""
        if count == 1:
            return [self]
        number = len(self.rows.chunk(count))
        pieces = [[None] * number if value is None else value.chunk(count) for value in vars(self).values()]
        return [Batch(*piece) for piece in zip(*pieces, strict=True)]


def train_order(lengths: NDArray[np.int64], batch_size: int, seed: int) -> list[NDArray[np.int64]]:
    """Positions in random batches of similar length.

    Args:
        lengths: text length of each example.
        batch_size: examples a batch; the last one may be smaller.
        seed: decides the order, and nothing else does.

    Returns:
        Arrays of positions; each position occurs once.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(lengths))
    pools = [order[start : start + POOL * batch_size] for start in range(0, len(order), POOL * batch_size)]
    by_length = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    batches = [by_length[start : start + batch_size] for start in range(0, len(order), batch_size)]
    return [batches[position] for position in random.permutation(len(batches))]


def train_batches(
    inputs: ModelInputs,
    labels: NDArray[np.int64],
    rows: NDArray[np.int64],
    *,
    batch_size: int,
    seed: int,
    epoch: int,
    device: torch.device,
) -> Iterator[Batch]:
    """One epoch over the given rows in random order.

    The view that an image shows depends on the seed, the row and the epoch only, so teacher targets can be
    looked up for exactly that view.
    """
    first_view = np.random.default_rng(seed).integers(inputs.views, size=len(labels))
    views = (first_view + epoch) % inputs.views
    order = [rows[batch] for batch in train_order(inputs.lengths[rows], batch_size, seed + epoch)]
    yield from _batches(inputs, labels, order, views, device)


def eval_batches(
    inputs: ModelInputs,
    labels: NDArray[np.int64],
    rows: NDArray[np.int64],
    *,
    batch_size: int,
    device: torch.device,
    view: int = 0,
) -> Iterator[Batch]:
    """The given rows, longest texts first, every image in the same view."""
    order = rows[np.argsort(-inputs.lengths[rows], kind="stable")]
    parts = [order[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    yield from _batches(inputs, labels, parts, np.full(len(labels), view), device)


def _batches(
    inputs: ModelInputs,
    labels: NDArray[np.int64],
    order: Sequence[NDArray[np.int64]],
    views: NDArray[np.int64],
    device: torch.device,
) -> Iterator[Batch]:
    """Batches of the given rows. What they need beside the inputs goes to the device once, before the first."""
    if not order:
        return
    if device not in inputs._on:
        inputs._on[device] = _PlacedInputs(inputs, device)
    placed, sizes = inputs._on[device], [len(rows) for rows in order]
    host_rows = torch.from_numpy(np.concatenate(order))
    host_views = torch.from_numpy(views)[host_rows]
    every = (host_rows.to(device), host_views.to(device), host_rows, host_views)
    targets = as_tensor(labels).to(device)
    for rows, seen, on_host, seen_on_host in zip(
        *(torch.split(column, sizes) for column in every), strict=True
    ):
        text, mask = placed.text(rows, on_host)
        yield Batch(
            rows=rows,
            views=seen,
            image=placed.image(rows, seen, on_host, seen_on_host),
            text=text,
            text_mask=mask,
            labels=targets.index_select(0, rows),
            host_rows=on_host,
            host_views=seen_on_host,
        )


class _PlacedInputs:
    """A model's inputs on the device, as far as they fit."""

    def __init__(self, inputs: ModelInputs, device: torch.device):
        room = Room(device)
        self._inputs, self._device, self._count = inputs, device, len(inputs)
        self._lengths = torch.from_numpy(inputs.lengths)
        self._mean = None if inputs.text_mean is None else Placed(inputs.text_mean, room)
        self._image = None if inputs.image is None else Placed(inputs.image, room, axes=2)
        self._text: Placed | None = None
        if inputs.text is not None and inputs.text_mean is None:
            self._text = Placed(inputs.text.values, room)
            self._offsets = torch.from_numpy(inputs.text.offsets).to(device)

    def image(self, rows: Tensor, views: Tensor, host_rows: Tensor, host_views: Tensor) -> Tensor | None:
        if self._image is None:
            return None
        return self._image.take(views * self._count + rows, host_views * self._count + host_rows)

    def text(self, rows: Tensor, host_rows: Tensor) -> tuple[Tensor | None, Tensor | None]:
        if self._mean is not None:
            mean = self._mean.take(rows, host_rows)
            return mean, torch.ones((len(rows), 1), dtype=torch.bool, device=self._device)
        if self._text is None or self._inputs.text is None:
            return None, None
        if not self._text.is_here:
            padded = self._inputs.text.padded(host_rows.numpy())
            values, real = (sent(as_tensor(array), self._device) for array in padded)
            return values.float() if values.dtype == torch.bfloat16 else values, real
        # The width of the batch is known on the host; everything else is found on the device.
        longest = -(-int(self._lengths[host_rows].max()) // LENGTH_STEP) * LENGTH_STEP
        starts = self._offsets[rows]
        places = torch.arange(longest, device=self._device)
        mask = places < (self._offsets[rows + 1] - starts)[:, None]
        index = (starts[:, None] + places).masked_fill(~mask, 0).flatten()
        tokens = self._text.take(index, index)
        tokens = tokens.masked_fill(~mask.view(-1, *[1] * (tokens.dim() - 1)), 0)
        return tokens.view(*mask.shape, *tokens.shape[1:]), mask


def tensor(array: NDArray[Any], device: torch.device) -> Tensor:
    """A writable array on a device, shared where that is the CPU; uint16 holds the bits of bf16 and becomes float32."""
    values = as_tensor(array).to(device)
    return values.float() if values.dtype == torch.bfloat16 else values
