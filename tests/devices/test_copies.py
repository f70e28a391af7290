"""Examples that do not fit the device: their copies run one batch ahead, on a stream that the computation waits for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from pretended import PretendedDevice, UnorderedStreams, pretended

from distune.data import device_arrays
from distune.data.batches import Batch, ModelInputs, train_batches
from distune.data.device_arrays import Placed, Room
from distune.data.ragged import ragged

EXAMPLES, BATCH, VIEWS = 12, 4, 2
COPIES = 5
"""Of a batch: the image, the ids and their mask, and two targets."""


@pytest.fixture(params=["cuda", "mps"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendedDevice]:
    """A device with no room for examples."""
    monkeypatch.setattr(device_arrays, "SHARE", 0.0)
    with pretended(request.param) as found:
        yield found


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendedDevice]:
    monkeypatch.setattr(device_arrays, "SHARE", 0.0)
    with pretended("cuda") as found:
        yield found


def batches(device: torch.device, epoch: int = 1) -> Iterator[Batch]:
    random = np.random.default_rng(0)
    inputs = ModelInputs(
        random.integers(0, 256, (VIEWS, EXAMPLES, 3, 4, 4), dtype=np.uint8),
        ragged([random.integers(1, 50, 3 + row) for row in range(EXAMPLES)], np.int64),
    )
    labels = np.arange(EXAMPLES)[:, None]
    room = Room(device)
    of_views = Placed(random.normal(size=(VIEWS, EXAMPLES, 3)).astype(np.float32), room, axes=2)
    of_rows = Placed(random.normal(size=(1, EXAMPLES, 3)).astype(np.float32), room, axes=2)
    return train_batches(
        inputs, labels, np.arange(EXAMPLES), batch_size=BATCH, seed=1, epoch=epoch, device=device,
        targets=(of_views, of_rows),
    )  # fmt: skip


def values(batch: Batch) -> list[np.ndarray]:
    tensors = (batch.image, batch.text, batch.text_mask, batch.labels, *batch.targets)
    return [tensor.cpu().numpy() for tensor in tensors if tensor is not None]


def test_what_is_copied_is_what_lies_there(device: PretendedDevice) -> None:
    """On mps, too, where every copy is waited for."""
    sent = [values(batch) for batch in batches(device.device)]
    here = [values(batch) for batch in batches(torch.device("cpu"))]
    assert len(sent) == EXAMPLES // BATCH
    for one, other in zip(sent, here, strict=True):
        for ours, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_the_copies_of_a_batch_begin_before_the_one_ahead_of_it_is_used(cuda: PretendedDevice) -> None:
    under_way = batches(cuda.device)
    for number in range(EXAMPLES // BATCH):
        batch = next(under_way)
        assert cuda.order.count("copy") == COPIES * min(number + 2, EXAMPLES // BATCH)
        assert batch.image is not None
        batch.image.float()


def test_nothing_waits_on_the_host(cuda: PretendedDevice) -> None:
    under_way = batches(cuda.device)
    next(under_way)  # the rows and labels of the epoch are sent once
    cuda.waits.clear()
    for batch in under_way:
        for tensor in batch.targets:
            tensor.sum()
    assert not cuda.waits


@pytest.mark.parametrize("left_out", ["wait_event", "record_stream"])
def test_a_copy_that_is_not_waited_for_or_not_recorded_is_noticed(
    cuda: PretendedDevice, monkeypatch: pytest.MonkeyPatch, left_out: str
) -> None:
    owner = type(cuda.computing) if left_out == "wait_event" else PretendedDevice
    name = left_out if left_out == "wait_event" else "record"
    monkeypatch.setattr(owner, name, lambda *_: None)
    with pytest.raises(UnorderedStreams):
        next(batches(cuda.device)).targets[0].sum()
