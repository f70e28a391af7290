"""One entry: a folder of arrays and a manifest that vouches for every byte of them."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from safetensors.numpy import load_file, save

from distune.store.checksums import block_checksums, mismatch

MANIFEST = "entry.json"
LAYOUT = 1
"""Version of the layout of an entry; another version is never read."""
NOT_WRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
"""What a disk says that is full or not ours to write."""


class EntryError(Exception):
    """An entry that is torn, truncated, altered or not one of ours."""


@dataclass
class Entry:
    """What a step computed: named arrays, named groups of tensors, and plain values.

    It is a draft while the step computes; `folder` is None where it lives in memory only. A draft that the disk has no
    room for goes on in memory, so that nothing is computed twice; `fault` says why.
    """

    folder: Path | None
    values: dict[str, Any] = field(default_factory=dict)
    fault: OSError | None = None
    _arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    _tensors: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict)

    def array(self, name: str) -> NDArray[Any]:
        """A stored array, memory-mapped and read-only where it is on disk."""
        if name not in self._arrays and self.folder is not None:
            self._arrays[name] = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        return self._arrays[name]

    def tensors(self, name: str) -> dict[str, NDArray[Any]]:
        """A stored group of tensors by name."""
        if name not in self._tensors and self.folder is not None:
            return load_file(self.folder / f"{name}.safetensors")
        return self._tensors[name]

    def new_array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array to fill in; its size is claimed first, so a full disk is an error, not a dead process."""
        with self.in_memory_otherwise() as folder:
            if folder is not None:
                self._arrays[name] = _claimed(folder / f"{name}.npy", shape, np.dtype(dtype))
        if self.folder is None:
            self._arrays[name] = np.empty(shape, dtype)
        return self._arrays[name]

    def put_tensors(self, name: str, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Adds a group of tensors."""
        self._tensors[name] = dict(tensors)
        with self.in_memory_otherwise() as folder:
            if folder is not None:
                # written by Python, so that a full disk is an OSError and not a library's own error
                (folder / f"{name}.safetensors").write_bytes(save(self._tensors[name]))

    @contextmanager
    def in_memory_otherwise(self) -> Iterator[Path | None]:
        """Gives the folder to write to; if that cannot be written, the entry stays in memory from here on."""
        try:
            yield self.folder
        except OSError as error:
            if error.errno not in NOT_WRITABLE:
                raise
            self.folder, self.fault = None, error


def _claimed(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with path.open("r+b") as handle:
            os.posix_fallocate(handle.fileno(), 0, path.stat().st_size)
    return array


@dataclass(frozen=True)
class StoredEntry:
    """An entry as `distune cache list` shows it.

    Attributes:
        name: `step/hash`.
        folder: where it is.
        size: bytes on disk.
        last_used: seconds since the epoch.
        inputs: what it was computed from; empty where the manifest cannot be read.
    """

    name: str
    folder: Path
    size: int
    last_used: float
    inputs: dict[str, Any]


def stored(folder: Path) -> StoredEntry:
    """Describes an entry's folder without checking it."""
    files = [path for path in folder.iterdir() if path.is_file()]
    manifest = folder / MANIFEST
    try:
        inputs = json.loads(manifest.read_text())["inputs"]
    except (OSError, ValueError, KeyError, TypeError):
        inputs = {}
    used = manifest if manifest.exists() else folder
    return StoredEntry(
        f"{folder.parent.name}/{folder.name}",
        folder,
        sum(path.stat().st_size for path in files),
        used.stat().st_mtime,
        inputs,
    )


def write_manifest(draft: Entry, step: str, inputs: Mapping[str, Any], seconds: float) -> None:
    """Seals a draft: records its values, and size and checksums of every file."""
    assert draft.folder is not None
    files = {path.name: block_checksums(path) for path in sorted(draft.folder.iterdir())}
    manifest = {
        "layout": LAYOUT,
        "step": step,
        "inputs": dict(inputs),
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "seconds": seconds,
        "values": draft.values,
        "files": files,
    }
    with (draft.folder / MANIFEST).open("w", encoding="utf-8") as handle:
        json.dump(manifest, handle, indent=1)
        handle.flush()
        os.fsync(handle.fileno())


def read_manifest(folder: Path, *, every_block: bool = False) -> dict[str, Any]:
    """Reads a manifest and checks the entry against it.

    Args:
        folder: the entry.
        every_block: read all bytes; otherwise a fixed number of blocks of each file.

    Raises:
        EntryError: names the file and what is wrong with it.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EntryError(f"{MANIFEST} cannot be read ({error})") from None
    if not isinstance(manifest, dict) or manifest.get("layout") != LAYOUT:
        raise EntryError(f"{MANIFEST} has another layout than {LAYOUT}")
    if manifest.get("step") != folder.parent.name:
        raise EntryError(f"{MANIFEST} belongs to step {manifest.get('step')!r}")
    present = {path.name for path in folder.iterdir()} - {MANIFEST}
    if strange := sorted(present ^ set(manifest["files"])):
        raise EntryError(f"missing or foreign files: {', '.join(strange)}")
    for name, recorded in manifest["files"].items():
        if fault := mismatch(folder / name, recorded, every_block=every_block):
            raise EntryError(f"{name}: {fault}")
    return manifest
