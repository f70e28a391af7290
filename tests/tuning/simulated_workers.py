"""Workers that only exist in virtual time: a thousand-trial study in seconds."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from distune.training.cost import Cost
from distune.tuning.coordinator.failures import died, failure_of, not_finite
from distune.tuning.executors.base import Executor
from distune.tuning.trials.messages import (
    EpochReported,
    Event,
    Failure,
    TrialFinished,
    TrialOutcome,
    TrialStarted,
    TrialTask,
)


@dataclass(frozen=True)
class Work:
    """A piece of a simulated trial: some seconds of work with some memory, then a score."""

    seconds: float
    stage: str
    epoch: int
    score: float
    memory_mb: float | None = None


class WorkerDied(Exception):
    """Raised by a script to let its worker die."""


IDLE = Cost(peak_device_mb=0.0, device="virtual")
"""What is known of a virtual worker before it works."""
Script = Callable[[TrialTask], Iterator[Work]]
"""What a simulated trial does: a generator of pieces of work, which may raise."""


@dataclass
class _Running:
    task: TrialTask
    worker: str
    steps: Iterator[Work]
    began: float
    score: float | None = None
    waits_since: float | None = None
    spent: Cost = IDLE


class SimulatedExecutor(Executor):
    """Plays scripts on virtual workers.

    Between two calls the clock runs as the machine's when `charge` is on (so that the coordinator's own time
    counts), and stands still otherwise; `wait` jumps to the next event.

    Args:
        script: plays a trial.
        workers: trials at once.
        charge: let the caller's real time pass on the virtual clock.
    """

    def __init__(self, script: Script, *, workers: int = 1, charge: bool = False):
        self._script = script
        self._names = [f"virtual-{i}" for i in range(workers)]
        self._charge = charge
        self._origin = time.perf_counter()
        self._skipped = 0.0
        self._running: dict[int, _Running] = {}
        self._queue: list[tuple[float, int, int, Event]] = []
        self._sequence = 0
        self._idle_since = dict.fromkeys(self._names, 0.0)
        self.worked = 0.0
        """Virtual seconds that workers spent on work."""
        self.waited = 0.0
        """Virtual seconds that workers spent waiting, in a queue too, for an answer or for their next trial."""

    @property
    def workers(self) -> int:
        """How many trials run at once."""
        return len(self._names)

    def free(self) -> int:
        """How many trials can be submitted now."""
        return len(self._idle_since)

    def submit(self, task: TrialTask) -> None:
        """Starts a script on a free worker."""
        worker = min(self._idle_since)
        now = self.now()
        self.waited += now - self._idle_since.pop(worker)
        task = replace(task, device="virtual", threads=1)
        running = _Running(task, worker, self._script(task), now)
        self._running[task.number] = running
        self._schedule(now, TrialStarted(task.number, worker))
        self._advance(running)

    def answer(self, number: int, proceed: bool) -> None:
        """Answers the last score of a trial."""
        running = self._running.get(number)
        if running is None or running.waits_since is None:
            return
        self.waited += self.now() - running.waits_since
        running.waits_since = None
        if proceed:
            self._advance(running)
        else:
            self._schedule(self.now(), TrialFinished(number, self._outcome(running, "stopped")))

    def wait(self, seconds: float) -> list[Event]:
        """Jumps to the next event, at most some seconds ahead."""
        limit = self.now() + seconds
        if not self._queue or self._queue[0][0] > limit:
            self._skipped += seconds
            return []
        self._skipped += max(0.0, self._queue[0][0] - self.now())
        due, _, number, event = heapq.heappop(self._queue)
        running = self._running[number]
        if isinstance(event, EpochReported):
            running.score = event.score
            running.waits_since = due  # it may have stood behind other workers' events
        if isinstance(event, TrialFinished):
            del self._running[number]
            self._idle_since[running.worker] = due
        return [event]

    def now(self) -> float:
        """Virtual seconds since the start."""
        real = time.perf_counter() - self._origin if self._charge else 0.0
        return real + self._skipped

    def close(self) -> None:
        """Forgets all trials."""
        self._running.clear()
        self._queue.clear()

    def _advance(self, running: _Running) -> None:
        number = running.task.number
        try:
            work = next(running.steps)
        except StopIteration:
            self._schedule(self.now(), TrialFinished(number, self._outcome(running, "complete")))
        except WorkerDied:
            peak = running.spent.peak_memory_mb
            self._schedule(self.now(), TrialFinished(number, died(-9, peak_memory_mb=peak)))
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            failure = replace(failure_of(error), output=said, cost=running.spent)
            self._schedule(self.now(), TrialFinished(number, failure))
        else:
            self._schedule(self.now() + work.seconds, self._work(running, work))

    def _work(self, running: _Running, work: Work) -> Event:
        """What comes of a piece of work."""
        self.worked += work.seconds
        running.spent += Cost({work.stage: work.seconds}, work.memory_mb)
        number, failure = running.task.number, not_finite(work.score, work.stage, work.epoch)
        if failure:
            return TrialFinished(number, replace(failure, cost=running.spent))
        return EpochReported(number, work.stage, work.epoch, work.score)

    def _outcome(self, running: _Running, state: Literal["complete", "stopped"]) -> TrialOutcome | Failure:
        if state == "complete" and running.score is None:
            return Failure("not_finite", "the trial's score is None", cost=running.spent)
        return TrialOutcome(state, running.score, cost=running.spent)

    def _schedule(self, at: float, event: Event) -> None:
        self._sequence += 1
        heapq.heappush(self._queue, (at, self._sequence, event.number, event))
