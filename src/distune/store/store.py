"""The store: one folder of entries, shared by any number of processes."""

from __future__ import annotations

import logging
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import filelock
import platformdirs

from distune.errors import UserError
from distune.store.entry import Entry, where_writable
from distune.store.listing import StoredEntry, stored
from distune.store.locks import SharedLock
from distune.store.manifest import MANIFEST, EntryError, key_of, read_manifest, write_manifest
from distune.utils.files.paths import check_no_url

log = logging.getLogger(__name__)
_SET = "set DISTUNE_CACHE to the folder of the cache"
_KEY = re.compile(r"[0-9a-f]{32}")
_DRAFT = re.compile(r"\.(?P<key>[0-9a-f]{32})-[0-9a-f]{32}")


def cache_folder() -> Path:
    """`DISTUNE_CACHE` where set, else a folder in the user's cache.

    Raises:
        UserError: the user has no home folder, or no folder can be there.
    """
    if given := os.environ.get("DISTUNE_CACHE"):
        try:
            found = Path(given).expanduser()
        except RuntimeError as error:
            raise UserError(f"DISTUNE_CACHE: {given}: {error}") from None
        check_no_url(found)
    else:
        try:
            found = Path(platformdirs.user_cache_dir("distune"))
        except RuntimeError as error:
            raise UserError(f"{error}; {_SET}") from None
        if not found.is_absolute():  # older versions leave the ~ of an unknown home as it is
            raise UserError(f"the home folder is not known, the cache would be {found}; {_SET}")
    nearest = next(path for path in (found, *found.absolute().parents) if os.path.lexists(path))
    if not nearest.is_dir():
        raise UserError(f"the cache: {nearest} is no folder; {_SET}")
    return found


class Store:
    """The cache folder, shared by any number of processes.

    The folder may hold other things: only what is named as an entry, or as the draft of one, and has its lock or its
    manifest, is ever listed or removed.

    Args:
        root: the folder; `cache_folder()` by default.
        max_gb: size that the store keeps under; the least recently used entries go first.

    Attributes:
        about: said of the entries that this process adds, in lists.
        undeleted: names of the entries that were to go, and could not be deleted, such as another user's.
    """

    def __init__(self, root: Path | None = None, max_gb: float = 20.0):
        self.root = root or cache_folder()
        self.max_bytes = int(max_gb * 1e9)
        self.hits: dict[str, int] = {}
        self.misses: dict[str, int] = {}
        self.seconds_saved = 0.0
        self.about: dict[str, str] = {}
        self.undeleted: list[str] = []
        self._in_use: list[tuple[Path, SharedLock]] = []

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
        draft, is_suspect = Entry(self.root), False
        with ExitStack() as lock:
            with draft.in_memory_otherwise():
                try:
                    if found := self._found(step, folder):
                        return found
                except EntryError:
                    is_suspect = True  # read again below, whole and by one process at a time
                self._locks.mkdir(parents=True, exist_ok=True)
                lock.enter_context(filelock.FileLock(self._lock_file(folder)))
                try:
                    if found := self._found(step, folder, every_block=is_suspect):
                        return found
                except EntryError as fault:
                    log.warning(
                        "cache entry %s/%s is not used: %s; it is computed again", step, folder.name, fault
                    )
                folder.parent.mkdir(parents=True, exist_ok=True)
                self._discard(folder)
                self._remove_drafts(folder)
                place = _aside(folder)
                place.mkdir()
                draft.folder = place
            if draft.fault is None:
                return self._computed(draft, step, folder, inputs, compute)
        self._warn(draft.fault, step)
        compute(draft)
        return draft

    def _found(self, step: str, folder: Path, *, every_block: bool = False) -> Entry | None:
        if not folder.exists():
            return None
        use = SharedLock(self._use_file(folder))
        if not folder.exists():  # another process removed it while we waited for the lock
            return None
        manifest = read_manifest(folder, every_block=every_block)
        self._in_use.append((folder, use))
        with suppress(OSError):  # another user's entry, or a disk that cannot be written
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
                    seconds = time.perf_counter() - started
                    write_manifest(written, step, inputs, draft.values, seconds, self.about)
                    self._in_use.append((folder, SharedLock(self._use_file(folder))))
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
        """Removes unused entries, the oldest first, until the store fits, and what killed writers left.

        Returns:
            The names of the entries that were removed.
        """
        self._remove_dead_drafts()
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

    def clear(self, kind: str | None = None, unused_for: float = 0.0) -> list[str]:
        """Removes unused entries, and what killed writers left; returns the names removed.

        Args:
            kind: one of `KINDS`; None takes every entry.
            unused_for: seconds since an entry was last used.
        """
        self._remove_dead_drafts()
        asked = [
            entry
            for entry in self.entries()
            if kind in (None, entry.kind)
            and (not unused_for or time.time() - entry.last_used >= unused_for)  # clocks may jump
        ]
        return [entry.name for entry in asked if self._remove_unused(entry.folder)]

    def remove(self, step: str, inputs: Mapping[str, Any]) -> None:
        """Removes an entry that this process does not need any more; one that another process uses stays."""
        folder = self.root / step / key_of(inputs)
        self._release([held for held in self._in_use if held[0] == folder])
        self._remove_unused(folder)

    def _release(self, held: Sequence[tuple[Path, SharedLock]]) -> None:
        for each in list(held):
            each[1].release()
            self._in_use.remove(each)

    @property
    def _locks(self) -> Path:
        return self.root / "locks"

    def _lock_file(self, folder: Path) -> Path:
        """Held by the one process that computes an entry."""
        return self._locks / f"{folder.parent.name}-{folder.name}.lock"

    def _use_file(self, folder: Path) -> Path:
        """Held by every process that reads an entry."""
        return self._locks / f"{folder.parent.name}-{folder.name}.use"

    def _remove_unused(self, folder: Path) -> bool:
        """Returns whether the entry takes no space any more; one in use, or another user's, stays."""
        with where_writable(), SharedLock.exclusive(self._use_file(folder)) as alone:
            if not alone or self._discard(folder):
                return alone
        self.undeleted.append(f"{folder.parent.name}/{folder.name}")
        return False

    def _discard(self, folder: Path) -> bool:
        aside = _aside(folder)
        with suppress(FileNotFoundError):  # gone already
            folder.rename(aside)  # at once, so that no reader meets half of it
            _remove(aside)
        return not aside.exists()

    def _remove_drafts(self, folder: Path) -> None:
        """Removes what killed writers of an entry left; this process has its lock."""
        for draft in folder.parent.glob(f".{folder.name}-*"):
            if _DRAFT.fullmatch(draft.name):
                _remove(draft)

    def _remove_dead_drafts(self) -> None:
        """The same of every entry; one whose lock is taken has a living writer."""
        drafts = ((path.parent, _DRAFT.fullmatch(path.name)) for path in self.root.glob("*/.*-*"))
        for folder in {step / draft["key"] for step, draft in drafts if draft}:
            if not self._lock_file(folder).exists():  # no process of ours ever computed such an entry
                continue
            lock = filelock.FileLock(self._lock_file(folder), timeout=0)
            with where_writable(), suppress(filelock.Timeout), lock:
                self._remove_drafts(folder)

    def entries(self) -> list[StoredEntry]:
        """All entries, sound or not, in the order of their names."""
        found = [
            stored(folder)
            for folder in sorted(self.root.glob("*/*"))
            if _KEY.fullmatch(folder.name) and folder.is_dir() and self._is_own(folder)
        ]
        return [entry for entry in found if entry is not None]

    def _is_own(self, folder: Path) -> bool:
        """Whether a folder that is named as an entry is one, be it damaged; not where another user shuts it."""
        try:
            return (folder / MANIFEST).exists() or self._lock_file(folder).exists()
        except PermissionError:
            return False

    def verify(self) -> dict[str, str]:
        """Reads every byte of every entry; returns what is wrong, by entry name."""
        faults = {}
        for entry in self.entries():
            use = SharedLock(self._use_file(entry.folder))
            try:
                if entry.folder.exists():  # else another process removed it before we held the lock
                    read_manifest(entry.folder, every_block=True)
            except EntryError as fault:
                faults[entry.name] = str(fault)
            finally:
                use.release()
        return faults

    def close(self) -> None:
        """Lets other processes evict what this one was using."""
        self._release(self._in_use)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _aside(folder: Path) -> Path:
    """A new name beside an entry, for its draft or what is left of it."""
    return folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
