"""The pretended device refuses and counts what a real one would: planted faults are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from pretended import MixedDevices, PretendedDevice, pretended
from torch import Tensor


@pytest.fixture(params=["cuda", "mps"])
def device(request: pytest.FixtureRequest) -> Iterator[PretendedDevice]:
    with pretended(request.param) as found:
        yield found


@pytest.mark.parametrize(
    "operation",
    [
        lambda here, there: here + there,
        lambda here, there: torch.nn.Linear(4, 2)(there),
        lambda here, there: torch.cat([here, there]),
        lambda here, there: here[torch.zeros(2, dtype=torch.int64, device=there.device)],
        lambda here, there: torch.nn.functional.layer_norm(there, (4,), torch.ones(4)),
    ],
)
def test_mixed_devices_are_refused(
    device: PretendedDevice, operation: Callable[[Tensor, Tensor], Tensor]
) -> None:
    here = torch.randn(3, 4)
    with pytest.raises(MixedDevices):
        operation(here, here.to(device.device))


def test_tensors_know_where_they_are(device: PretendedDevice) -> None:
    here = torch.randn(3, 4)
    there = here.to(device.device)
    assert here.device.type == "cpu" and there.device == device.device
    assert there.cpu().device.type == "cpu" and torch.equal(there.cpu(), here)
    for made in (there + 1.0, there[0], torch.zeros_like(there), torch.arange(3, device=device.device)):
        assert made.device == device.device
    assert torch.ones(3).device.type == torch.from_numpy(np.ones(3)).device.type == "cpu"
    with pytest.raises(TypeError, match="to numpy"):
        there.numpy()


def test_a_step_of_training_stays_on_the_device_and_waits_for_nothing(device: PretendedDevice) -> None:
    model = torch.nn.Linear(4, 2).to(device.device)
    batch = torch.randn(3, 4).to(device.device)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    device.waits.clear()
    loss = model(batch).square().mean()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    assert loss.device == model.weight.grad.device == device.device  # type: ignore[union-attr]
    assert all(
        value.device == device.device for state in optimizer.state.values() for value in state.values()
    )
    assert not device.waits


@pytest.mark.parametrize(
    "fault",
    [
        lambda there: there.sum().item(),
        lambda there: float(there.sum()),
        lambda there: bool(there.sum() > 0),
        lambda there: there.tolist(),
        lambda there: there.cpu(),
        lambda there: there[there > 0],
        lambda there: there[torch.tensor([0, 1])],
        lambda there: torch.nonzero(there),
        lambda there: there.new_tensor(0.5),
        lambda there: torch.tensor([0.5], device=there.device),
        lambda there: torch.ones(3).to(there.device),
        lambda there: torch.ones(3).to(there.device, non_blocking=True),
    ],
)
def test_what_makes_the_host_wait_is_counted(
    device: PretendedDevice, fault: Callable[[Tensor], object]
) -> None:
    there = torch.ones(3, 4).to(device.device)
    device.waits.clear()
    fault(there)
    assert sum(device.waits.values()) == 1


def test_pinned_memory_goes_to_the_device_without_waiting(device: PretendedDevice) -> None:
    sent = torch.ones(3).pin_memory().to(device.device, non_blocking=True)
    assert sent.device == device.device
    assert not device.waits and sum(device.copies.values()) == 1


def test_mps_has_no_float64() -> None:
    with pretended("mps") as device, pytest.raises(TypeError, match="float64"):
        torch.ones(3, dtype=torch.float64).to(device.device)


def test_peaks_of_an_uninitialised_device_are_refused() -> None:
    with pretended("cuda") as device:
        with pytest.raises(RuntimeError, match="did you call init"):
            torch.cuda.reset_peak_memory_stats(device.device)
        torch.ones(3).to(device.device)
        torch.cuda.reset_peak_memory_stats(device.device)
