"""Arrays of examples on the device where they fit; batches are gathered from them without the host waiting."""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SHARE = 0.25
"""Part of the device's free memory that examples may take; the rest is for the model and its activations."""


class Room:
    """What examples may still take of a device's memory.

    Args:
        device: a CPU has the examples in memory maps already.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self._left = SHARE * _free_bytes(device)

    def claim(self, size: int) -> bool:
        """Whether so many bytes fit; they are then taken."""
        if size > self._left:
            return False
        self._left -= size
        return True


class Placed:
    """An array whose rows are gathered for the device: it lies there if it fits, and where the CPU reads it if not.

    Args:
        array: (N, ...), or (V, N, ...) with two axes in front; uint16 holds the bits of bf16.
        room: of the device.
        axes: axes in front that make up the rows.
    """

    def __init__(self, array: NDArray[Any], room: Room, *, axes: int = 1):
        values = as_tensor(array).flatten(0, axes - 1)
        self.is_here = room.claim(values.nbytes)
        self._device = room.device
        self._values = values.to(room.device) if self.is_here else values

    def __len__(self) -> int:
        return len(self._values)

    def send(self, host_rows: Tensor) -> Copy | None:
        """Begins to copy the given rows to the device; None where they lie there.

        Args:
            host_rows: on the CPU, int64 (B,).
        """
        return None if self.is_here else send(self._values.index_select(0, host_rows), self._device)

    def take(self, rows: Tensor, copy: Copy | None = None) -> Tensor:
        """The given rows on the device; bf16 becomes float32.

        Args:
            rows: on the device, int64 (B,).
            copy: what `send` returned for them.
        """
        taken = self._values.index_select(0, rows) if copy is None else copy.arrived()
        return taken.float() if taken.dtype == torch.bfloat16 else taken


def as_tensor(array: NDArray[Any]) -> Tensor:
    """The array as a tensor that shares its memory and is only read; uint16 holds the bits of bf16."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        if array.dtype == np.uint16:
            return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
        return torch.from_numpy(array)


@dataclass(frozen=True)
class Copy:
    """A copy to the device that has begun.

    Attributes:
        values: on the device; to be read only as `arrived` returns them.
        done: recorded behind the copy, on its stream; None where no stream has to wait.
    """

    values: Tensor
    done: Any = None

    def arrived(self) -> Tensor:
        """The values, for operations of the current stream: that waits for the copy, the host does not."""
        if self.done is not None:
            stream = torch.cuda.current_stream(self.values.device)
            stream.wait_event(self.done)
            # The memory belongs to the stream of the copy, which would else use it again while this one still reads.
            self.values.record_stream(stream)
        return self.values


def send(values: Tensor, device: torch.device) -> Copy:
    """Begins to copy a tensor of the CPU to a device.

    To a CUDA device it goes from pinned memory, on a stream of its own beside the computation; torch keeps the pinned
    memory until the copy is over. On mps torch offers neither streams nor keeps the memory: the copy is over when this
    returns, and the host has waited for it.
    """
    if device.type != "cuda":
        return Copy(values.to(device))
    stream = _copy_stream(device)
    with torch.cuda.stream(stream):
        sent = values.pin_memory().to(device, non_blocking=True)
        return Copy(sent, stream.record_event())


@functools.cache
def _copy_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _free_bytes(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return float(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return float("inf")
