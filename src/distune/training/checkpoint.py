"""Training state in one safetensors file: written to a temporary name and renamed, readable without pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by group and name, and plain values.

    Attributes:
        tensors: for example `{"model": {...}, "best": {...}}`.
        values: anything that JSON can hold.
    """

    tensors: Mapping[str, Mapping[str, Tensor]]
    values: Mapping[str, Any]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint so that the file is the old one or the new one, whole, at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flat = {
        f"{group}/{name}": tensor.detach().cpu().contiguous()
        for group, tensors in checkpoint.tensors.items()
        for name, tensor in tensors.items()
    }
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    save_file(flat, draft, metadata={"values": json.dumps(checkpoint.values)})
    draft.replace(path)


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> Checkpoint | None:
    """Reads a checkpoint; None where there is none."""
    if not path.exists():
        return None
    tensors: dict[str, dict[str, Tensor]] = {}
    with safetensors.safe_open(path, framework="pt", device=str(device)) as file:
        values = json.loads((file.metadata() or {})["values"])
        for key in file.keys():  # noqa: SIM118 - not a mapping
            group, _, name = key.partition("/")
            tensors.setdefault(group, {})[name] = file.get_tensor(key)
    return Checkpoint(tensors, values)
