"""Training state in one safetensors file: written to a temporary name and renamed, readable without pickle."""

from __future__ import annotations

import json
import logging
import os
import re
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor

from distune.utils.files.atomic import replacing
from distune.utils.files.drafts import remove_drafts
from distune.utils.files.json_files import parse_json
from distune.utils.files.paths import check_is_file, naming

EVERY_SECONDS = 5.0
"""Training that a kill may cost; a stage that is over sooner leaves no checkpoint."""
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

    def copied(self) -> Checkpoint:
        """The same in memory of its own on the CPU, while training changes the original."""
        return Checkpoint(
            {
                group: {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}
                for group, tensors in self.tensors.items()
            },
            self.values,
        )


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
        save_checkpoint(self.path, Checkpoint(checkpoint.tensors, {**checkpoint.values, "key": self.key}))

    def load(self) -> Checkpoint | None:
        """The state to resume from; None, with a warning, where it cannot be read or is that of something else."""
        remove_drafts(self.path.parent)
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
        remove_drafts(self.path.parent)
        self.path.unlink(missing_ok=True)


class CheckpointWriter:
    """Writes the state of a stage now and then, in a thread beside its training.

    A checkpoint is taken where a kill would cost more than `EVERY_SECONDS` and the one before is on the disk, so
    training waits for no file, and large states are written as often as the disk takes them.

    Args:
        file: where to; None writes nothing.
    """

    def __init__(self, file: CheckpointFile | None):
        self._file = file
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None
        self._taken_at = time.perf_counter()

    def __enter__(self) -> CheckpointWriter:
        """The writer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Waits until the last checkpoint is on the disk.

        Raises:
            OSError: it could not be written.
        """
        self._thread.shutdown()
        self._finished()

    def save(self, state: Callable[[], Checkpoint], *, last: bool = False) -> None:
        """Takes a checkpoint if one is due.

        Args:
            state: gives it; asked only where it is due.
            last: training ends here, so one that is due may wait for the one before.

        Raises:
            OSError: the one before could not be written.
        """
        if self._file is None or time.perf_counter() - self._taken_at < EVERY_SECONDS:
            return
        if last or self._finished():
            self._taken_at = time.perf_counter()
            # Copied here, written there: the next step changes the tensors while the thread still writes.
            self._writing = self._thread.submit(self._file.save, state().copied())

    def _finished(self) -> bool:
        """Whether nothing is being written; raises what went wrong with the last one."""
        if self._writing is not None and self._writing.done():
            self._writing.result()
            self._writing = None
        return self._writing is None


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint so that the file is the old one or the new one, whole, at any moment.

    Raises:
        OSError: it cannot be written.
    """
    tensors = {
        f"{group}/{name}": tensor.detach().cpu().contiguous()
        for group, tensors in checkpoint.tensors.items()
        for name, tensor in tensors.items()
    }
    values = json.dumps(checkpoint.values)
    metadata = {"values": values, "checksum": _checksum(tensors, values)}
    with replacing(path, durable=True) as draft:
        rights = draft.stat().st_mode
        with _errors_of_the_system(draft):
            save_file(tensors, draft, metadata=metadata)
        draft.chmod(rights)  # safetensors takes the rights of all others away


@contextmanager
def _errors_of_the_system(file: Path) -> Iterator[None]:
    """Lets a full or failing disk, which safetensors or torch reports as an error of its own, be one."""
    try:
        yield
    except (safetensors.SafetensorError, RuntimeError, OSError) as error:
        found = re.search(r"os error (\d+)|unable to (?:open|mmap) .*\((\d+)\)", str(error))
        if found is None:
            raise
        number = int(found[1] or found[2])
        raise OSError(number, os.strerror(number), str(file)) from None


def load_checkpoint(path: Path) -> Checkpoint | None:
    """Reads a checkpoint; None where there is none.

    Raises:
        OSError: it cannot be read, or is no regular file.
        ValueError: it was changed after it was written.
        KeyError: it is no checkpoint.
    """
    if not path.exists():
        return None
    check_is_file(path)
    with path.open("rb"):  # without the right to read it, safetensors says that there is no such file
        pass
    with naming(path), _errors_of_the_system(path), safetensors.safe_open(path, framework="pt") as file:
        about = file.metadata() or {}
        values, held = about["values"], {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if about.get("checksum") not in (None, _checksum(held, values)):  # none: of an earlier version
        raise ValueError("it was changed after it was written")
    tensors: dict[str, dict[str, Tensor]] = {}
    for key, tensor in held.items():
        group, _, name = key.partition("/")
        tensors.setdefault(group, {})[name] = tensor
    return Checkpoint(tensors, parse_json(values))


def _checksum(tensors: Mapping[str, Tensor], values: str) -> str:
    """CRC-32 of all that a checkpoint holds."""
    found = zlib.crc32(values.encode())
    for name, tensor in sorted(tensors.items()):
        found = zlib.crc32(f"{name} {tensor.dtype} {list(tensor.shape)}".encode(), found)
        found = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, found)
    return f"{found:08x}"
