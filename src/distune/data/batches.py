"""Batches for one model: gathered where the examples lie, padded to the longest of the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distune.data.device_arrays import Copy, Placed, Room, as_tensor, send
from distune.data.ragged import LENGTH_STEP, Ragged

POOL = 32
"""Batches whose examples are sorted by length together: little padding, and still a random order."""
_Item = TypeVar("_Item")
_Begun = TypeVar("_Begun")


@dataclass(frozen=True)
class ModelInputs:
    """What one model reads, for all N examples of a table.

    Attributes:
        image: shape (views, N, ...): uint8 pixels (3, S, S), or what the frozen layers made of them; (views, N, width)
            where only the mean over the frozen encoder's tokens is read; None where no image is.
        text: N sequences of token ids, or what the frozen layers made of them; None where no text is read.
        text_mean: (N, width) where only the mean over the frozen encoder's tokens is read; `text` then is the token
            ids, whose lengths still decide the batches.
        absent: which examples lack their image, and their text, bool (N,) each; None where none does, or where it is
            not read.

    Activations are float32, or uint16 that holds the bits of bf16.
    """

    image: NDArray[Any] | None
    text: Ragged | None
    text_mean: NDArray[Any] | None = None
    absent: tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None] = (None, None)
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
        labels: int64 (B, columns), as in a table.
        host_rows: the same rows on the CPU.
        targets: rows of further arrays, (B, ...) each.
        absent: which examples lack their image, and their text, bool (B,) each; None where none does.
    """

    rows: Tensor
    views: Tensor
    image: Tensor | None
    text: Tensor | None
    text_mask: Tensor | None
    labels: Tensor
    host_rows: Tensor
    targets: tuple[Tensor, ...] = ()
    absent: tuple[Tensor | None, Tensor | None] = (None, None)

    def __len__(self) -> int:
        return len(self.rows)

    def parts(self, count: int) -> list[Batch]:
        """The batch cut into at most `count` parts of nearly equal size."""
        if count == 1:
            return [self]
        number = len(self.rows.chunk(count))

        def pieces(value: Any) -> Sequence[Any]:
            if isinstance(value, tuple):
                return list(zip(*map(pieces, value), strict=True)) if value else [()] * number
            return [None] * number if value is None else value.chunk(count)

        return [Batch(*piece) for piece in zip(*map(pieces, vars(self).values()), strict=True)]


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
    targets: Sequence[Placed] = (),
) -> Iterator[Batch]:
    """One epoch over the given rows in random order.

    The view that an image shows depends on the seed, the row and the epoch only, so the targets of a batch are those
    of exactly that view.

    Args:
        inputs: of the model.
        labels: the table's columns, int64 (N, columns).
        rows: of one epoch.
        batch_size: examples a batch; the last one may be smaller.
        seed: of the order and the views.
        epoch: from 1.
        device: where the batches are needed.
        targets: arrays whose rows are the examples of every view, one view after the other, or the examples alone.
    """
    first_view = np.random.default_rng(seed).integers(inputs.views, size=len(labels))
    views = (first_view + epoch) % inputs.views
    order = [rows[batch] for batch in train_order(inputs.lengths[rows], batch_size, seed + epoch)]
    yield from _batches(inputs, labels, order, views, device, targets)


def eval_batches(
    inputs: ModelInputs,
    rows: NDArray[np.int64],
    *,
    batch_size: int,
    device: torch.device,
    view: int = 0,
) -> Iterator[Batch]:
    """The given rows without their labels, longest texts first, every image in the same view."""
    labels = np.zeros((len(inputs), 0), np.int64)
    order = rows[np.argsort(-inputs.lengths[rows], kind="stable")]
    parts = [order[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    yield from _batches(inputs, labels, parts, np.full(len(labels), view), device)


def _batches(
    inputs: ModelInputs,
    labels: NDArray[np.int64],
    order: Sequence[NDArray[np.int64]],
    views: NDArray[np.int64],
    device: torch.device,
    targets: Sequence[Placed] = (),
) -> Iterator[Batch]:
    """Batches of the given rows. What they need beside the inputs goes to the device once, before the first."""
    if not order:
        return
    if device not in inputs._on:
        inputs._on[device] = _PlacedInputs(inputs, device)
    placed, sizes = inputs._on[device], [len(rows) for rows in order]
    host_rows = torch.from_numpy(np.concatenate(order))
    host_views = torch.from_numpy(views)[host_rows]
    host_seen = host_views * len(inputs) + host_rows  # where the arrays hold an example as it is shown
    on_device = (column.to(device) for column in (host_rows, host_views, host_seen))
    columns = (torch.split(column, sizes) for column in (*on_device, host_rows, host_seen))
    labels_there = as_tensor(labels).to(device)
    has_views = [len(array) > len(inputs) for array in targets]

    def begin(item: tuple[Tensor, ...]) -> tuple[_Copies, list[Copy | None]]:
        *_, rows, seen = item
        each = zip(targets, has_views, strict=True)
        return placed.send(rows, seen), [array.send(seen if viewed else rows) for array, viewed in each]

    for (rows, shown_views, seen, on_host, _), (copies, of_targets) in one_ahead(
        zip(*columns, strict=True), begin
    ):
        text, mask = placed.text(rows, on_host, copies)
        each = zip(targets, has_views, of_targets, strict=True)
        yield Batch(
            rows=rows,
            views=shown_views,
            image=placed.image(seen, copies),
            text=text,
            text_mask=mask,
            labels=labels_there.index_select(0, rows),
            host_rows=on_host,
            targets=tuple(array.take(seen if viewed else rows, copy) for array, viewed, copy in each),
            absent=placed.absent(rows),
        )


def one_ahead(items: Iterable[_Item], begin: Callable[[_Item], _Begun]) -> Iterator[tuple[_Item, _Begun]]:
    """Each item with what was started for it while the item before it was in use.

    Args:
        items: taken one earlier than they are yielded.
        begin: starts what shall run meanwhile, such as a copy to the device.
    """
    waiting: list[tuple[_Item, _Begun]] = []
    for item in items:
        waiting.append((item, begin(item)))
        if len(waiting) > 1:
            yield waiting.pop(0)
    yield from waiting


@dataclass(frozen=True)
class _Copies:
    """What of a batch's inputs is on its way to the device; None lies there, or is not read."""

    image: Copy | None = None
    mean: Copy | None = None
    text: tuple[Copy, Copy] | None = None


class _PlacedInputs:
    """A model's inputs on the device, as far as they fit."""

    def __init__(self, inputs: ModelInputs, device: torch.device):
        room = Room(device)
        self._inputs, self._device = inputs, device
        self._lengths = torch.from_numpy(inputs.lengths)
        self._mean = None if inputs.text_mean is None else Placed(inputs.text_mean, room)
        self._image = None if inputs.image is None else Placed(inputs.image, room, axes=2)
        self._absent = [None if gone is None else torch.from_numpy(gone).to(device) for gone in inputs.absent]
        self._text: Placed | None = None
        if inputs.text is not None and inputs.text_mean is None:
            self._text = Placed(inputs.text.values, room)
            self._offsets = torch.from_numpy(inputs.text.offsets).to(device)

    def absent(self, rows: Tensor) -> tuple[Tensor | None, Tensor | None]:
        image, text = (None if gone is None else gone.index_select(0, rows) for gone in self._absent)
        return image, text

    def send(self, host_rows: Tensor, host_seen: Tensor) -> _Copies:
        """Begins to copy what does not lie on the device."""
        text = None
        if self._text is not None and not self._text.is_here and self._inputs.text is not None:
            values, real = map(as_tensor, self._inputs.text.padded(host_rows.numpy()))
            text = (send(values, self._device), send(real, self._device))
        return _Copies(
            image=self._image.send(host_seen) if self._image else None,
            mean=self._mean.send(host_rows) if self._mean else None,
            text=text,
        )

    def image(self, seen: Tensor, copies: _Copies) -> Tensor | None:
        return self._image.take(seen, copies.image) if self._image else None

    def text(self, rows: Tensor, host_rows: Tensor, copies: _Copies) -> tuple[Tensor | None, Tensor | None]:
        if self._mean is not None:
            mean = self._mean.take(rows, copies.mean)
            return mean, torch.ones((len(rows), 1), dtype=torch.bool, device=self._device)
        if self._text is None:
            return None, None
        if copies.text is not None:
            values, real = (copy.arrived() for copy in copies.text)
            return values.float() if values.dtype == torch.bfloat16 else values, real
        # The width of the batch is known on the host; everything else is found on the device.
        longest = -(-int(self._lengths[host_rows].max()) // LENGTH_STEP) * LENGTH_STEP
        starts = self._offsets[rows]
        places = torch.arange(longest, device=self._device)
        mask = places < (self._offsets[rows + 1] - starts)[:, None]
        index = (starts[:, None] + places).masked_fill(~mask, 0).flatten()
        tokens = self._text.take(index)
        tokens = tokens.masked_fill(~mask.view(-1, *[1] * (tokens.dim() - 1)), 0)
        return tokens.view(*mask.shape, *tokens.shape[1:]), mask


def tensor(array: NDArray[Any], device: torch.device) -> Tensor:
    """A writable array on a device, shared where that is the CPU; uint16 holds the bits of bf16 and becomes float32."""
    values = as_tensor(array).to(device)
    return values.float() if values.dtype == torch.bfloat16 else values
