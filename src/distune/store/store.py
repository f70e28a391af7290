"""The store: one folder of entries, shared by any number of processes."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import filelock
import platformdirs

from distune.store.entry import (
    MANIFEST,
    Entry,
    EntryError,
    StoredEntry,
    read_manifest,
    stored,
    write_manifest,
)
from distune.store.locks import SharedLock

log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """`DISTUNE_CACHE` where set, else a folder in the user's cache."""
    return Path(os.environ.get("DISTUNE_CACHE") or platformdirs.user_cache_dir("distune"))


def key_of(inputs: Mapping[str, Any]) -> str:
    """Hash of plain values; the order of the keys does not matter."""
    text = json.dumps(inputs, sort_keys=True, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class Store:
    """The cache folder, shared by any number of processes.

    Args:
        root: the folder; `cache_folder()` by default.
        max_gb: size that the store keeps under; the least recently used entries go first.
    """

    def __init__(self, root: Path | None = None, max_gb: float = 20.0):
        self.root = root or cache_folder()
        self.max_bytes = int(max_gb * 1e9)
        self.hits: dict[str, int] = {}
        self.misses: dict[str, int] = {}
        self.seconds_saved = 0.0
        self._in_use: list[SharedLock] = []

    def get(self, step: str, inputs: Mapping[str, Any], compute: Callable[[Entry], None]) -> Entry:
        """Returns the stored result of a step, computing it first where there is none.

        Of several processes that ask at once, one computes and the others wait. If the disk is full or
        cannot be written, the step is computed in memory, with a warning.

        Args:
            step: name of the step; the code version belongs to `inputs`.
            inputs: everything that the result depends on, as plain values.
            compute: fills a new entry.
        """
        folder = self.root / step / key_of(inputs)
        draft = Entry(self.root)
        with ExitStack() as lock:
            with draft.in_memory_otherwise():
                (self.root / "locks").mkdir(parents=True, exist_ok=True)
                lock.enter_context(filelock.FileLock(self.root / "locks" / f"{step}-{folder.name}.lock"))
                if found := self._found(step, folder):
                    return found
                folder.parent.mkdir(parents=True, exist_ok=True)
                draft.folder = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
            if draft.fault is None:
                return self._computed(draft, step, folder, inputs, compute)
        self._warn(draft.fault, step)
        compute(draft)
        return draft

    def _found(self, step: str, folder: Path) -> Entry | None:
        if not folder.exists():
            return None
        use = SharedLock(self._use_file(folder))
        try:
            manifest = read_manifest(folder)
        except EntryError as fault:
            use.release()
            log.warning("cache entry %s/%s is not used: %s; it is computed again", step, folder.name, fault)
            shutil.rmtree(folder, ignore_errors=True)
            return None
        self._in_use.append(use)
        os.utime(folder / MANIFEST)
        self.hits[step] = self.hits.get(step, 0) + 1
        self.seconds_saved += manifest["seconds"]
        return Entry(folder, manifest["values"])

    def _computed(
        self,
        draft: Entry,
        step: str,
        folder: Path,
        inputs: Mapping[str, Any],
        compute: Callable[[Entry], None],
    ) -> Entry:
        place = draft.folder
        assert place is not None
        try:
            started = time.perf_counter()
            compute(draft)
            with draft.in_memory_otherwise() as written:
                if written is not None:
                    write_manifest(draft, step, inputs, time.perf_counter() - started)
                    self._in_use.append(SharedLock(self._use_file(folder)))
                    written.rename(folder)
        finally:
            shutil.rmtree(place, ignore_errors=True)  # gone already where all went well
        if draft.fault is not None:
            self._warn(draft.fault, step)
            return draft
        self.misses[step] = self.misses.get(step, 0) + 1
        self.evict()
        return Entry(folder, draft.values)

    def _warn(self, fault: OSError, step: str) -> None:
        log.warning(
            "the cache folder %s cannot be written (%s); %s is computed without it. "
            "Free some space or set DISTUNE_CACHE to another folder.",
            self.root,
            fault.strerror,
            step,
        )

    def evict(self) -> list[str]:
        """Removes unused entries, the oldest first, until the store fits; returns their names."""
        listed = sorted(self.entries(), key=lambda entry: entry.last_used)
        total = sum(entry.size for entry in listed)
        removed = []
        for entry in listed:
            if total <= self.max_bytes:
                break
            if self._remove_unused(entry.folder):
                total -= entry.size
                removed.append(entry.name)
        return removed

    def clear(self) -> list[str]:
        """Removes every entry that nobody uses, and what killed writers left; returns the names removed."""
        removed = [entry.name for entry in self.entries() if self._remove_unused(entry.folder)]
        for draft in self.root.glob("*/.*-*"):
            shutil.rmtree(draft, ignore_errors=True)
        return removed

    def _use_file(self, folder: Path) -> Path:
        return self.root / "locks" / f"{folder.parent.name}-{folder.name}.use"

    def _remove_unused(self, folder: Path) -> bool:
        with SharedLock.exclusive(self._use_file(folder)) as alone:
            if alone:
                shutil.rmtree(folder, ignore_errors=True)
            return alone

    def entries(self) -> list[StoredEntry]:
        """All entries, sound or not, in the order of their names."""
        found = []
        for folder in sorted(self.root.glob("*/*")):
            if folder.is_dir() and folder.parent.name != "locks" and not folder.name.startswith("."):
                found.append(stored(folder))
        return found

    def verify(self) -> dict[str, str]:
        """Reads every byte of every entry; returns what is wrong, by entry name."""
        faults = {}
        for entry in self.entries():
            try:
                read_manifest(entry.folder, every_block=True)
            except EntryError as fault:
                faults[entry.name] = str(fault)
        return faults

    def close(self) -> None:
        """Lets other processes evict what this one was using."""
        while self._in_use:
            self._in_use.pop().release()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
