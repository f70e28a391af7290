"""Training state in one safetensors file: written to a temporary name and renamed, readable without pickle."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor

from distune.training.safetensors_file import write_over
from distune.utils.atomic import remove_drafts, replacing, taking_turns

SMALL = 64 * 2**20
"""Bytes of a state up to which two files take turns: beside the epochs of larger models writing is nothing."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by group and name, and plain values.

    Attributes:
        tensors: for example `{"model": {...}, "best": {...}}`.
        values: anything that JSON can hold.
    """

    tensors: Mapping[str, Mapping[str, Tensor]]
    values: Mapping[str, Any]


@dataclass(frozen=True)
class CheckpointFile:
    """Where a stage of training keeps its state, and what it is the state of.

    Attributes:
        path: the file; one process at a time uses it.
        key: hash of everything that the stage depends on.
    """

    path: Path
    key: str

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes the state."""
        keyed = Checkpoint(checkpoint.tensors, {**checkpoint.values, "key": self.key})
        flat = _flat(keyed)
        if sum(tensor.nbytes for tensor in flat.values()) > SMALL:
            save_checkpoint(self.path, keyed)
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with taking_turns(self.path) as draft:
            write_over(draft, flat, _metadata(keyed))

    def load(self) -> Checkpoint | None:
        """The state to go on from; None, with a warning, where it cannot be read or is that of something else."""
        remove_drafts(self.path)
        try:
            found = load_checkpoint(self.path)
        except (safetensors.SafetensorError, ValueError, KeyError) as error:
            _log.warning("%s cannot be read (%s); this stage starts over", self.path, error)
            return None
        if found is not None and found.values.get("key") != self.key:
            _log.warning("%s is of another config, data set or version; this stage starts over", self.path)
            return None
        return found

    def remove(self) -> None:
        """Removes the file, where there is one."""
        remove_drafts(self.path)
        self.path.unlink(missing_ok=True)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint so that the file is the old one or the new one, whole, at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, durable=True) as draft:
        save_file(_flat(checkpoint), draft, metadata=_metadata(checkpoint))


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> Checkpoint | None:
    """Reads a checkpoint; None where there is none."""
    if not path.exists():
        return None
    tensors: dict[str, dict[str, Tensor]] = {}
    with safetensors.safe_open(path, framework="pt", device=str(device)) as file:
        values = json.loads((file.metadata() or {})["values"])
        for key in file.keys():  # noqa: SIM118 - not a mapping
            group, _, name = key.partition("/")
            # A copy: what the library gives is a view of the file, which may be written over.
            tensors.setdefault(group, {})[name] = file.get_tensor(key).clone()
    return Checkpoint(tensors, values)


def _flat(checkpoint: Checkpoint) -> dict[str, Tensor]:
    return {
        f"{group}/{name}": tensor.detach().cpu().contiguous()
        for group, tensors in checkpoint.tensors.items()
        for name, tensor in tensors.items()
    }


def _metadata(checkpoint: Checkpoint) -> dict[str, str]:
    return {"values": json.dumps(checkpoint.values)}
