"""Names and shapes in weight files, without reading the weights; a file that cannot be one is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from distune.errors import UserError, has_run_out
from distune.models.encoders.hub.files import complete_weights
from distune.utils.files.json_files import parse_json

_POINTER = b"version https://git-lfs"
_LONGEST_HEADER = 100_000_000
"""Bytes; the limit of the safetensors format."""
_TYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip


def placeholders(folder: Path) -> dict[str, Tensor]:
    """Tensors of the published names and shapes that take no memory: every one is a single zero, expanded.

    Args:
        folder: holds complete weights.

    Raises:
        UserError: a file is a Git LFS pointer, is cut off, is no weight file, or holds quantised weights.
    """
    found: dict[str, Tensor] = {}
    for file in complete_weights(folder):
        refuse_pointer(file)
        tensors = _safetensors(file) if file.suffix == ".safetensors" else _pickled(file)
        for name, tensor in tensors.items():
            # Buffers may be integers (positions, masks); as weights these are codes that mean nothing by themselves.
            if name.endswith("weight") and not tensor.is_floating_point():
                raise UserError(
                    f"{file}: {name} is quantised; save the model in float32 or bfloat16, or take another"
                )
        found |= tensors
    return found


def refuse_pointer(file: Path) -> None:
    """Refuses a file that stands for another one.

    Raises:
        UserError: it is a Git LFS pointer.
    """
    with file.open("rb") as stream:
        start = stream.read(len(_POINTER))
    if start == _POINTER:
        raise UserError(
            f"{file}: this is a Git LFS pointer, not the weights; run `git lfs pull` in the folder, or fetch them again"
        )


def _safetensors(file: Path) -> dict[str, Tensor]:
    """The header of a safetensors file: its length in eight bytes, then JSON with the place of every tensor."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(size, _LONGEST_HEADER):
            raise UserError(
                f"{file}: no safetensors file, or one that is cut off ({size} bytes); fetch it again"
            )
        try:
            header = parse_json(stream.read(length))
            tensors = {name: about for name, about in header.items() if name != "__metadata__"}
            end = max((int(about["data_offsets"][1]) for about in tensors.values()), default=0)
            found = {
                name: _zeros(about["shape"], _TYPES.get(about["dtype"]) or torch.uint8)
                for name, about in tensors.items()
            }
        except Exception as error:  # JSON of any other form; torch has no error of its own for a bad shape
            if has_run_out(error):
                raise
            raise UserError(f"{file}: its header is no safetensors header; fetch it again") from error
    if size != 8 + length + end:
        raise UserError(f"{file}: cut off, {size} of {8 + length + end} bytes are there; fetch it again")
    return found


def _pickled(file: Path) -> dict[str, Tensor]:
    """Shapes in a file of `torch.save`; of the old format, which has no list of contents, the whole file is read."""
    try:
        # `weights_only` runs no code of the file: an unpickler that knows tensors and plain containers alone.
        state = torch.load(
            file, map_location="meta", weights_only=True, mmap=zipfile.is_zipfile(file) or None
        )
        return {
            name: _zeros(value.shape, value.dtype) for name, value in state.items() if hasattr(value, "shape")
        }
    except Exception as error:  # torch has no error of its own for a damaged file
        if has_run_out(error):
            raise
        raise UserError(
            f"{file}: no complete file of PyTorch weights that can be read safely ({_short(error)}); fetch it again"
        ) from error


def _zeros(shape: Any, dtype: torch.dtype) -> Tensor:
    return torch.zeros((), dtype=dtype, device="cpu").expand(tuple(shape))


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:120]}"
