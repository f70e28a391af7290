"""The most memory that a process held."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path


def peak_process_mb() -> float:
    """Most resident memory of this process since the last `reset_peak_memory`, MiB.

    Where the system has no such figure (it is Linux's), since its start; there a process may also show the peak of the
    one that started it.
    """
    peak = peak_of_process_mb("self")
    if peak is not None:
        return peak
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest / 2**20 if sys.platform == "darwin" else highest / 2**10


def peak_of_process_mb(process: int | str) -> float | None:
    """The same of any process by its number; None where the system does not say, or the process is gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
        return next(int(line.split()[1]) / 2**10 for line in status.splitlines() if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None


def reset_peak_memory() -> None:
    """Lets the peak of this process fall to what it holds now: a worker has had other trials before."""
    with suppress(OSError):  # no Linux, or a container that does not allow it
        Path("/proc/self/clear_refs").write_text("5")
