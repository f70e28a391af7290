"""Entries as a person sees them, unchecked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distune.store.manifest import MANIFEST


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


def stored(folder: Path) -> StoredEntry | None:
    """Describes an entry's folder without checking it; None where it was just removed, or another user shuts it."""
    manifest = folder / MANIFEST
    try:
        size = sum(path.stat().st_size for path in folder.iterdir())
        used = (manifest if manifest.exists() else folder).stat().st_mtime
    except (FileNotFoundError, PermissionError):
        return None
    try:
        inputs = json.loads(manifest.read_text())["inputs"]
    except (OSError, ValueError, KeyError, TypeError):
        inputs = {}
    return StoredEntry(f"{folder.parent.name}/{folder.name}", folder, size, used, inputs)
