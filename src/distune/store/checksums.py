"""Checksums by block, so that opening a huge file costs a bounded amount of reading."""

from __future__ import annotations

import os
import random
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from distune.utils.files.paths import naming

BLOCK = 8 * 2**20
"""Bytes a block."""
BLOCKS_ON_OPEN = 16
"""Blocks of a file that are checked when it is opened: all of a file up to 128 MiB, other ones of a larger file each
time."""
_RANDOM = random.SystemRandom()  # the seeded generators belong to the experiment


def block_checksums(path: Path) -> dict[str, Any]:
    """Size and time of a file and the CRC-32 of each of its blocks."""
    checksums = []
    with naming(path), path.open("rb") as handle:
        while block := handle.read(BLOCK):
            checksums.append(zlib.crc32(block))
    state = path.stat()
    return {"size": state.st_size, "mtime_ns": state.st_mtime_ns, "crc32": checksums}


def mismatch(path: Path, recorded: dict[str, Any], *, every_block: bool) -> str | None:
    """Compares a file with its recorded checksums.

    A file whose time is not the recorded one was written to or copied, and is read whole, once: where nothing differs,
    it gets its recorded time back. Of a large one with its own time, some blocks are drawn, so that opening stays cheap
    and no damage of the disk stays unseen for long.

    Args:
        path: the file.
        recorded: what `block_checksums` said of it.
        every_block: read all of it in any case.

    Returns:
        What differs, in words; None where nothing does.
    """
    state = path.stat()
    if state.st_size != recorded["size"]:
        return f"{state.st_size} bytes instead of {recorded['size']}"
    touched = state.st_mtime_ns != recorded["mtime_ns"]
    blocks: Sequence[int] = range(len(recorded["crc32"]))
    if len(blocks) > BLOCKS_ON_OPEN and not (every_block or touched):
        blocks = sorted(_RANDOM.sample(blocks, BLOCKS_ON_OPEN))
    with naming(path), path.open("rb") as handle:
        for block in blocks:
            handle.seek(block * BLOCK)
            if zlib.crc32(handle.read(BLOCK)) != recorded["crc32"][block]:
                return f"block {block} was altered"
    if touched:
        with suppress(OSError):  # another user's file may be read and not touched
            os.utime(path, ns=(state.st_atime_ns, recorded["mtime_ns"]))
    return None
