"""Arrays of examples on the device where they fit; batches are gathered from them without the host waiting."""

from __future__ import annotations

import warnings
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

    def take(self, rows: Tensor, host_rows: Tensor) -> Tensor:
        """The given rows on the device; bf16 becomes float32.

        Args:
            rows: on the device, int64 (B,).
            host_rows: the same on the CPU.
        """
        if self.is_here:
            taken = self._values.index_select(0, rows)
        else:
            taken = sent(self._values.index_select(0, host_rows), self._device)
        return taken.float() if taken.dtype == torch.bfloat16 else taken


def as_tensor(array: NDArray[Any]) -> Tensor:
    """The array as a tensor that shares its memory and is only read; uint16 holds the bits of bf16."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        if array.dtype == np.uint16:
            return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
        return torch.from_numpy(array)


def sent(values: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on a device; to a CUDA device it is copied from pinned memory, and nobody waits for that.

    torch keeps pinned memory until the copy is over. On mps it would not, so there the copy is waited for.
    """
    if device.type == "cuda":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


def _free_bytes(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return float(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return float("inf")
