"""The manifest that vouches for every byte of an entry, itself included."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distune.errors import is_of_the_machine
from distune.store.checksums import block_checksums, mismatch
from distune.utils.files.json_files import read_json

MANIFEST = "entry.json"
LAYOUT = 2
"""Version of the layout of an entry; another version is never read."""
FIELDS = ("layout", "step", "inputs", "created", "seconds", "values", "files")


class EntryError(Exception):
    """An entry that is torn, truncated, altered or not one of ours."""


def key_of(inputs: Mapping[str, Any]) -> str:
    """Hash of plain values; the order of the keys does not matter."""
    text = json.dumps(inputs, sort_keys=True, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def write_manifest(
    folder: Path,
    step: str,
    inputs: Mapping[str, Any],
    values: Mapping[str, Any],
    seconds: float,
    about: Mapping[str, str],
) -> None:
    """Seals a draft: records its values, and size and checksums of every file.

    Args:
        folder: of the draft.
        step: name of the step.
        inputs: what the entry was computed from; their hash is its name.
        values: the entry's plain values.
        seconds: what computing it took.
        about: said of the entry in lists, such as its data set; nothing depends on it.
    """
    manifest = {
        "layout": LAYOUT,
        "step": step,
        "inputs": dict(inputs),
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "seconds": seconds,
        "values": dict(values),
        "files": {path.name: block_checksums(path) for path in sorted(folder.iterdir())},
    }
    with (folder / MANIFEST).open("w", encoding="utf-8") as handle:
        handle.write(json.dumps(manifest | {"checksum": _checksum(manifest), "about": dict(about)}, indent=1))
        handle.flush()
        os.fsync(handle.fileno())


def read_manifest(folder: Path, *, every_block: bool = False) -> dict[str, Any]:
    """Reads a manifest and checks the entry against it.

    Args:
        folder: the entry.
        every_block: read all bytes; otherwise a bounded number of blocks of each file.

    Raises:
        EntryError: names the file and what is wrong with it.
    """
    try:
        manifest = read_json(folder / MANIFEST)
    except (OSError, ValueError) as error:
        if is_of_the_machine(error):
            raise
        raise EntryError(f"{MANIFEST} cannot be read ({error})") from None
    _check_manifest(manifest, folder)
    try:
        present = {path.name for path in folder.iterdir()} - {MANIFEST}
        if strange := sorted(present ^ set(manifest["files"])):
            raise EntryError(f"missing or foreign files: {', '.join(strange)}")
        for name, recorded in manifest["files"].items():
            if fault := mismatch(folder / name, recorded, every_block=every_block):
                raise EntryError(f"{name}: {fault}")
    except OSError as error:
        if is_of_the_machine(error):
            raise
        raise EntryError(f"its files cannot be read ({error})") from None
    return dict(manifest)


def _check_manifest(manifest: Any, folder: Path) -> None:
    if not isinstance(manifest, dict) or manifest.get("layout") != LAYOUT:
        raise EntryError(f"{MANIFEST} has another layout than {LAYOUT}")
    if missing := [name for name in FIELDS if name not in manifest]:
        raise EntryError(f"{MANIFEST} lacks {', '.join(missing)}")
    if manifest["step"] != folder.parent.name:
        raise EntryError(f"{MANIFEST} belongs to step {manifest['step']!r}")
    key, checksum = key_of(manifest["inputs"]), _checksum(manifest)
    if key != folder.name:
        raise EntryError(f"{MANIFEST} belongs to other inputs, those of {key}")
    if checksum != manifest.get("checksum"):
        raise EntryError(f"{MANIFEST} was altered")


def _checksum(manifest: Mapping[str, Any]) -> str:
    # as it comes back from the file: JSON makes lists of tuples and texts of keys
    as_read = json.loads(json.dumps({name: manifest[name] for name in FIELDS}))
    return key_of({"manifest": as_read})
