"""Safetensors files written in place; the library itself can only make new ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def write_over(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes a safetensors file over what a file holds, keeping the blocks that it has on the disk.

    Format: the header's length (8 bytes, little-endian), the header (JSON: dtype, shape and place of each tensor,
    padded with spaces to a multiple of 8), the tensors one after the other. Source: the format's description in the
    safetensors repository.

    Args:
        path: the file; made where there is none.
        tensors: contiguous, on the CPU.
        metadata: texts by name.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    # Wider elements first, as the library does: each tensor then begins at a multiple of its element's size.
    ordered = sorted(tensors.items(), key=lambda item: -item[1].element_size())
    end = 0
    for name, tensor in ordered:
        start, end = end, end + tensor.nbytes
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.touch()
    with path.open("r+b") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, tensor in ordered:
            file.write(tensor.reshape(-1).view(torch.uint8).numpy().data)
        file.truncate()
