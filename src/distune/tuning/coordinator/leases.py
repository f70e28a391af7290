"""Which coordinators of a study are alive.

Every coordinator keeps a lease in the study's user attributes and renews it. One on the same machine is dead when
its process is gone, however slow it is; one elsewhere when its lease has not changed for `LEASE_SECONDS` by the
watcher's own clock, so that clocks need not agree.
"""

from __future__ import annotations

import os
import platform
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from distune.utils.numbers import is_number, is_whole

LEASE_SECONDS = 30.0
BEAT_SECONDS = 5.0
PREFIX = "coordinator:"
_YEAR_9999 = 253_370_764_800.0
_OLD_STYLE = 1e9
"""Above it, `born` is of an older version: seconds since 1970."""


def this_host() -> str:
    """Names the machine since its last start and, in a container, the container: the realm of process ids."""
    parts = [platform.node()]
    boot = Path("/proc/sys/kernel/random/boot_id")
    if boot.exists():
        parts.append(boot.read_text(encoding="ascii").strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return "/".join(parts)


@dataclass(frozen=True)
class Lease:
    """What a coordinator says about itself; with its host and pid, `born` names the process: seconds after boot."""

    coordinator: str
    host: str
    pid: int
    born: float
    beat: int = 0
    workers: int = 1
    devices: Sequence[str] = ()
    n_trials: int | None = None
    started: float = 0.0
    seen: float = 0.0
    ended: str | None = None

    @staticmethod
    def new(workers: int, devices: Sequence[str] = (), n_trials: int | None = None) -> Lease:
        """The lease of this process."""
        pid, now = os.getpid(), time.time()
        born = _since_boot(pid)
        name = uuid.uuid4().hex[:12]
        return Lease(name, this_host(), pid, born, 0, workers, list(devices), n_trials, now, now)

    def renewed(self) -> Lease:
        """The next beat."""
        return replace(self, beat=self.beat + 1, seen=time.time())

    def closed(self, reason: str) -> Lease:
        """The last beat; the reason is why the coordinator ended."""
        return replace(self.renewed(), ended=reason)

    def process_is_gone(self) -> bool:
        """Whether the process is known to be dead; False for one on another machine."""
        if self.host != this_host():
            return False
        try:
            process = psutil.Process(self.pid)
            began = process.create_time() if self.born > _OLD_STYLE else _since_boot(self.pid)
            return bool(abs(began - self.born) > 1.0 or process.status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return False

    def described(self) -> str:
        """The process in words, and how it continues where it is stopped."""
        said = f"process {self.pid} on {self.host.partition('/')[0]}"
        with suppress(psutil.Error):
            if self.host == this_host() and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED:
                return f"{said}, which is stopped (kill -CONT {self.pid} resumes it)"
        return said

    def looks_alive(self, now: float) -> bool:
        """At one look, without the time to watch the lease: by its process here, by its last beat elsewhere.

        Args:
            now: seconds since 1970.
        """
        if self.ended is not None or self.process_is_gone():
            return False
        return self.host == this_host() or now - self.seen < 2 * LEASE_SECONDS


def _since_boot(pid: int) -> float:
    """When a process began, in seconds since the machine's start.

    Linux counts from there; in seconds since 1970 a process would seem to be another one after the clock was set.
    """
    booted = psutil.boot_time()  # first: an older psutil adds the value of its last call to what Linux counts
    return float(psutil.Process(pid).create_time() - booted)


def leases(attributes: Mapping[str, Any]) -> dict[str, Lease]:
    """All leases in a study's user attributes, by coordinator; what another version adds to one is left out."""
    known = {field.name for field in fields(Lease)}
    found = {}
    for key, value in attributes.items():
        if key.startswith(PREFIX) and isinstance(value, Mapping):
            with suppress(TypeError):  # it lacks something: no coordinator of ours wrote it
                lease = Lease(**{name: held for name, held in value.items() if name in known})
                if _is_sound(lease):
                    found[lease.coordinator] = lease
    return found


def _is_sound(lease: Lease) -> bool:
    """Whether every part is what a coordinator writes; the database may have been changed by another program."""
    texts = (lease.coordinator, lease.host, "" if lease.ended is None else lease.ended)
    wholes = (lease.pid, lease.beat, lease.workers, 0 if lease.n_trials is None else lease.n_trials)
    moments = (lease.born, lease.started, lease.seen)
    return (
        all(isinstance(part, str) for part in texts)
        and all(is_whole(part) and 0 <= part < 2**31 for part in wholes)
        and all(is_number(part) and 0 <= part < _YEAR_9999 for part in moments)
        and isinstance(lease.devices, list | tuple)
    )


def sessions(known: Mapping[str, Lease]) -> list[dict[str, Any]]:
    """The runs of the tuning command on a study, oldest first; one that was killed has no reason."""
    return [
        {
            "started": _iso(lease.started),
            "finished": _iso(lease.seen),
            "workers": lease.workers,
            "devices": list(lease.devices),
            "reason": lease.ended,
        }
        for lease in sorted(known.values(), key=lambda lease: lease.started)
    ]


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="milliseconds")


class Watch:
    """Tells the living coordinators from the dead.

    Args:
        own: the watcher's own coordinator, always alive.
        clock: seconds, never going back.
    """

    def __init__(self, own: str = "", clock: Callable[[], float] = time.monotonic):
        self._own = own
        self._clock = clock
        self._unchanged: dict[str, tuple[int, float]] = {}
        self._looked = clock()

    def living(self, known: Mapping[str, Lease]) -> set[str]:
        """The coordinators that may still be at work."""
        now = self._clock()
        # While the storage was away no lease could be renewed: count no gap longer than two beats.
        passed = min(now - self._looked, 2 * BEAT_SECONDS)
        self._looked = now
        alive = {self._own} if self._own else set()
        for name, lease in known.items():
            beat, unchanged = self._unchanged.get(name, (-1, 0.0))
            unchanged = unchanged + passed if beat == lease.beat else 0.0
            self._unchanged[name] = (lease.beat, unchanged)
            is_silent = unchanged >= LEASE_SECONDS and lease.host != this_host()
            if lease.ended is None and not lease.process_is_gone() and not is_silent:
                alive.add(name)
        return alive
