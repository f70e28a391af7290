"""Entries as a person sees them, unchecked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distune.store.manifest import MANIFEST
from distune.utils.files.json_files import read_json

KINDS = {
    "images": ("images", "images_part"),
    "tokens": ("tokens",),
    "features": (
        "frozen_vision", "frozen_text", "frozen_vision_part", "frozen_text_part", "image_means", "text_means",
    ),
    "teachers": ("teacher",),
    "targets": ("targets",),
}  # fmt: skip
"""What a person calls the results of which steps."""


@dataclass(frozen=True)
class StoredEntry:
    """An entry as `distune cache list` shows it.

    Attributes:
        name: `step/hash`.
        folder: where it is.
        size: bytes on disk.
        last_used: seconds since the epoch.
        inputs: what it was computed from; empty where the manifest cannot be read.
        dataset: where its examples lay; empty where that was not noted.
    """

    name: str
    folder: Path
    size: int
    last_used: float
    inputs: dict[str, Any]
    dataset: str = ""

    @property
    def kind(self) -> str:
        """One of `KINDS`; the step itself where it is of none."""
        step = self.folder.parent.name
        return next((kind for kind, steps in KINDS.items() if step in steps), step)

    @property
    def encoders(self) -> tuple[str, ...]:
        """Names of the encoders whose weights it depends on."""
        about = self.inputs.get("teacher", self.inputs) if self.kind == "targets" else self.inputs
        try:
            weights = about.get("weights") or [about.get("encoder", {}).get("weights", "")]
            return tuple(name for name in (str(each).partition("|")[0] for each in weights) if name)
        except (AttributeError, TypeError):  # the inputs are unchecked
            return ()


def stored(folder: Path) -> StoredEntry | None:
    """Describes an entry's folder without checking it; None where it was just removed, or another user shuts it."""
    manifest = folder / MANIFEST
    try:
        # A link, be it to nothing, is no file of ours.
        size = sum(path.lstat().st_size for path in folder.iterdir())
        used = (manifest if manifest.exists() else folder).stat().st_mtime
    except (FileNotFoundError, PermissionError):
        return None
    try:
        found = read_json(manifest)
        inputs, dataset = dict(found["inputs"]), str(found.get("about", {}).get("dataset", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        inputs, dataset = {}, ""
    return StoredEntry(f"{folder.parent.name}/{folder.name}", folder, size, used, inputs, dataset)
