"""What training costs, as far as it is known; an exception carries what was spent until it was raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Cost:
    """Time and memory that were spent; what nobody saw is left out.

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
    """What an exception carries; nothing is known where nobody measured."""
    found: Cost = error.__dict__.get("cost", Cost())
    return found
