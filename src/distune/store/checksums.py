"""Checksums by block, so that opening a huge file costs a bounded amount of reading."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np

BLOCK = 8 * 2**20
"""Bytes a block."""
BLOCKS_ON_OPEN = 16
"""Blocks of a file that are checked when it is opened: all of a file up to 128 MiB."""


def block_checksums(path: Path) -> dict[str, Any]:
    """Size of a file and the CRC-32 of each of its blocks."""
    checksums = []
    with path.open("rb") as handle:
        while block := handle.read(BLOCK):
            checksums.append(zlib.crc32(block))
    return {"size": path.stat().st_size, "crc32": checksums}


def mismatch(path: Path, recorded: dict[str, Any], *, every_block: bool) -> str | None:
    """Compares a file with its recorded checksums.

    Returns:
        What differs, in words; None where nothing does.
    """
    size = path.stat().st_size
    if size != recorded["size"]:
        return f"{size} bytes instead of {recorded['size']}"
    count = len(recorded["crc32"])
    blocks = range(count)
    if not every_block and count > BLOCKS_ON_OPEN:
        blocks = np.linspace(0, count - 1, BLOCKS_ON_OPEN).astype(int).tolist()
    with path.open("rb") as handle:
        for block in blocks:
            handle.seek(block * BLOCK)
            if zlib.crc32(handle.read(BLOCK)) != recorded["crc32"][block]:
                return f"block {block} was altered"
    return None
