"""One entry: named arrays, groups of tensors and plain values, on disk or in memory."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from safetensors.numpy import load_file, save

from distune.utils.files.atomic import NOT_WRITABLE
from distune.utils.files.paths import naming


@contextmanager
def where_writable() -> Iterator[None]:
    """Leaves the block, quietly, at the first thing that is not ours to write: another user's in a shared cache."""
    try:
        yield
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise


@dataclass
class Entry:
    """What a step computed: named arrays, named groups of tensors, and plain values.

    It is a draft while the step computes; `folder` is None where it lives in memory only. A draft that the disk has no
    room for stays in memory, so that nothing is computed twice; `fault` says why.
    """

    folder: Path | None
    values: dict[str, Any] = field(default_factory=dict)
    fault: OSError | None = None
    _arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    _tensors: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict)

    def array(self, name: str) -> NDArray[Any]:
        """A stored array, memory-mapped and read-only where it is on disk."""
        if name not in self._arrays and self.folder is not None:
            # As a plain array: every look into a `numpy.memmap` makes another one, which takes longer than the look.
            file = self.folder / f"{name}.npy"
            with naming(file):
                self._arrays[name] = np.asarray(np.load(file, mmap_mode="r"))
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
        """Gives the folder to write to; if that cannot be written, the entry stays in memory from here on.

        A folder that is gone was deleted with the whole cache while the step computed.
        """
        try:
            with naming(self.folder) if self.folder else nullcontext():
                yield self.folder
        except OSError as error:
            if error.errno not in (*NOT_WRITABLE, errno.ENOENT):
                raise
            self.folder, self.fault = None, error


def _claimed(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with path.open("r+b") as handle:
            os.posix_fallocate(handle.fileno(), 0, path.stat().st_size)
    return array
