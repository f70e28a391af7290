"""What the kernel says of this process's memory: its limit, and what it killed when memory ran out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

OWN_GROUP = Path("/proc/self/cgroup")
CGROUPS = Path("/sys/fs/cgroup")
"""Where Linux shows control groups of version 2; elsewhere there is nothing to read."""


def total_bytes() -> int:
    """Memory that this process may use: the machine's, or less where a container or a job limits it."""
    limits = [_read(folder / "memory.max") for folder in _groups()]
    whole = int(psutil.virtual_memory().total)
    return min([whole, *(int(limit) for limit in limits if limit.isdigit())])


def oom_kills() -> int:
    """How many processes of this process's group the kernel has killed when memory ran out; 0 if it does not say."""
    for folder in _groups():
        for line in _read(folder / "memory.events").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _groups() -> Iterator[Path]:
    """The folders of this process's group and of those around it, innermost first."""
    for line in _read(OWN_GROUP).splitlines():
        if line.startswith("0::"):
            own = CGROUPS / line.removeprefix("0::").strip("/")
            yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(CGROUPS))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
