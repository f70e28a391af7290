"""Batches for one model: gathered from memory maps, padded to the longest of the batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distune.data.ragged import Ragged

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
    """

    rows: Tensor
    views: Tensor
    image: Tensor | None
    text: Tensor | None
    text_mask: Tensor | None
    labels: Tensor

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
    for batch in train_order(inputs.lengths[rows], batch_size, seed + epoch):
        yield _gather(inputs, labels, rows[batch], views[rows[batch]], device)


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
    order = np.argsort(-inputs.lengths[rows], kind="stable")
    for start in range(0, len(rows), batch_size):
        chosen = rows[order[start : start + batch_size]]
        yield _gather(inputs, labels, chosen, np.full(len(chosen), view), device)


def _gather(
    inputs: ModelInputs,
    labels: NDArray[np.int64],
    rows: NDArray[np.int64],
    views: NDArray[np.int64],
    device: torch.device,
) -> Batch:
    text = mask = None
    if inputs.text_mean is not None:
        text, mask = inputs.text_mean[rows], np.ones((len(rows), 1), np.bool_)
    elif inputs.text is not None:
        text, mask = inputs.text.padded(rows)
    image = None if inputs.image is None else inputs.image[views, rows]
    return Batch(
        rows=tensor(rows, device),
        views=tensor(views, device),
        image=None if image is None else tensor(image, device),
        text=None if text is None else tensor(text, device),
        text_mask=None if mask is None else tensor(mask, device),
        labels=tensor(labels[rows], device),
    )


def tensor(array: NDArray[Any], device: torch.device) -> Tensor:
    """A writable array on a device, shared where that is the CPU; uint16 holds the bits of bf16 and becomes float32."""
    values = torch.from_numpy(array).to(device)
    return values.view(torch.bfloat16).float() if array.dtype == np.uint16 else values
