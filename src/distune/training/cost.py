"""What training costs in time and memory; an exception carries what was spent until it was raised."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """Time and memory that were spent; what was not measured is left out.

    Attributes:
        seconds: wall time by stage.
        peak_memory_mb: most that the process held, MiB.
        peak_device_mb: most that was held on the accelerator, MiB; 0 without one.
        device: its name as a person knows it ("NVIDIA H100", "CPU, 2 threads").
    """

    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_memory_mb: float | None = None
    peak_device_mb: float | None = None
    device: str | None = None

    def __add__(self, later: Cost) -> Cost:
        """The cost of both, one after the other: seconds add up, peaks do not."""
        stages = dict.fromkeys((*self.seconds, *later.seconds))
        return Cost(
            {stage: self.seconds.get(stage, 0.0) + later.seconds.get(stage, 0.0) for stage in stages},
            _higher(self.peak_memory_mb, later.peak_memory_mb),
            _higher(self.peak_device_mb, later.peak_device_mb),
            later.device or self.device,
        )

    @property
    def without_seconds(self) -> Cost:
        """The peaks alone, which may be counted twice."""
        return replace(self, seconds={})


def _higher(one: float | None, other: float | None) -> float | None:
    return max((peak for peak in (one, other) if peak is not None), default=None)


@contextmanager
def carried(cost: Callable[[], Cost]) -> Iterator[None]:
    """Adds a cost to what an exception of the block carries.

    Args:
        cost: what was spent, asked where there is an exception.
    """
    try:
        yield
    except Exception as error:
        error.__dict__["cost"] = cost() + cost_until(error)
        raise


def cost_until(error: BaseException) -> Cost:
    """What an exception carries; nothing is known where nothing was measured."""
    found: Cost = error.__dict__.get("cost", Cost())
    return found


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
