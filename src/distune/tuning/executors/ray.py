"""Workers on a Ray cluster: each is an actor that keeps one warm local worker process on its node."""

from __future__ import annotations

import logging
import os
import platform
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distune.errors import UserError
from distune.tuning.coordinator.failures import died
from distune.tuning.executors.base import Executor
from distune.tuning.executors.local import START_LIMIT, LocalExecutor
from distune.tuning.executors.ray_cluster import RESUMED, Head, connect
from distune.tuning.trials.messages import EpochReported, Event, TrialFinished, TrialStarted, TrialTask
from distune.utils.text import one_line
from distune.utils.threads import usable_cores

ROOM_SECONDS = 300.0
"""How long no worker may have room in the cluster; one that scales itself up needs minutes."""
OTHERS_SECONDS = 15.0
"""How long the other workers are waited for at the start; later ones join when they are there."""
AGAIN_SECONDS = 1.0
"""Until a lost worker is looked at again where the cluster's head is out of reach."""
_log = logging.getLogger(__name__)


class Relay:
    """Lives on a node: passes trials to a local worker process and its events back, one for every call.

    Args:
        function: the trial function as `package.module:function`.
        folder: where the worker's output goes; on a file system that all nodes share.
        home: the coordinator's working folder.
        path: where the coordinator finds its modules.
        device: "cpu", or "cuda:0" for the one that Ray shows to this process.
        threads: CPU threads.
    """

    def __init__(self, function: str, folder: str, home: str, path: list[str], device: str, threads: int):
        os.chdir(home)
        sys.path += [part for part in path if part not in sys.path]
        self._executor = LocalExecutor(function, Path(folder), devices=(device,), threads=threads)

    def host(self) -> str:
        """Where it lives."""
        return platform.node() or "unnamed"

    def submit(self, task: TrialTask) -> Event:
        """Gives a trial to the worker process."""
        self._executor.submit(task)
        return self.next()

    def answer(self, number: int, proceed: bool) -> Event:
        """Answers the last score."""
        self._executor.answer(number, proceed)
        return self.next()

    def next(self) -> Event:
        """Waits for the next event."""
        while True:
            for event in self._executor.wait(1.0):
                return event


@dataclass
class _Worker:
    name: str
    actor: Any
    pending: Any
    """The call whose answer is awaited; None where the coordinator has to speak first."""
    host: str = ""
    task: TrialTask | None = None

    @property
    def is_ready(self) -> bool:
        return bool(self.host)


class RayExecutor(Executor):
    """Actors on an existing Ray cluster, or on a private one on this machine.

    A worker that dies, with its node or alone, ends its trial as preempted and is replaced once the cluster has room.
    A cluster that is lost as a whole, or has no room for any worker for too long, ends the command; it resumes.
    Run folders and data must lie on a file system that all nodes see under the same path.

    Args:
        function: the trial function as `package.module:function`.
        folder: where the workers' output goes.
        address: of the cluster: "HOST:PORT", "auto", or "local" for a private one.
        workers: trials at once.
        gpus_per_trial: 0 for CPU; below 1 lets trials share a GPU.
        threads: CPU threads a worker, and CPUs that Ray sets aside for it; empty means 1.
        patience: seconds that the cluster may have no room for any worker.
        interrupted: how often the user asked for an end; ends the wait.

    Raises:
        UserError: Ray is not installed, there is no such cluster, or it has no room for a single worker.
    """

    def __init__(
        self,
        function: str,
        folder: Path,
        *,
        address: str = "auto",
        workers: int = 1,
        gpus_per_trial: float = 0.0,
        threads: int | None = None,
        patience: float = ROOM_SECONDS,
        interrupted: Callable[[], int] = lambda: 0,
    ):
        if not 0 <= gpus_per_trial <= 1:
            raise UserError(
                f"gpus-per-trial: {gpus_per_trial:g}; a trial uses one device, so write 0 to 1, below 1 to share"
            )
        self._threads = threads or 1
        self._gpus = gpus_per_trial
        self._ray, self._owns_connection = connect(address, max(usable_cores(), workers * self._threads))
        device = "cuda:0" if gpus_per_trial else "cpu"
        self._arguments = (function, str(folder.absolute()), str(Path.cwd()), list(sys.path), device)
        self._failed_starts = 0
        self._is_closed = False
        self._head = Head(self._ray)
        self._patience = patience
        self._had_room = self.now()
        self._workers = [self._start(f"worker-{i}") for i in range(workers)]
        try:
            self._wait_for_room(interrupted)
        except BaseException:
            self.close()
            raise

    @property
    def workers(self) -> int:
        """How many trials run at once, when the cluster has room for all workers."""
        return len(self._workers)

    def free(self) -> int:
        """How many trials can be submitted now."""
        return sum(worker.is_ready and worker.task is None for worker in self._workers)

    def submit(self, task: TrialTask) -> None:
        """Gives a trial to a free worker."""
        worker = next(worker for worker in self._workers if worker.is_ready and worker.task is None)
        device = self._arguments[-1]
        worker.task = replace(task, folder=str(task.path.absolute()), device=device, threads=self._threads)
        worker.pending = worker.actor.submit.remote(worker.task)

    def answer(self, number: int, proceed: bool) -> None:
        """Answers the last score of a trial."""
        for worker in self._workers:
            if worker.task is not None and worker.task.number == number and worker.pending is None:
                worker.pending = worker.actor.answer.remote(number, proceed)

    def wait(self, seconds: float) -> list[Event]:
        """What happened; returns at the first events, or with none after some seconds.

        Raises:
            UserError: the cluster is lost, or had no room for a worker for too long.
        """
        self._head.check()
        if self._has_ready:
            self._had_room = self.now()
        until = self.now() + seconds
        while True:
            left = until - self.now()
            pending = {worker.pending: worker for worker in self._workers if worker.pending is not None}
            if not pending:
                time.sleep(max(0.0, left))
                return []
            done, _ = self._ray.wait(list(pending), timeout=max(0.0, left))
            done, _ = self._ray.wait(list(pending), num_returns=len(pending), timeout=0) if done else ([], [])
            events = [event for call in done for event in self._hear(pending[call], call)]
            if events:
                return events
            if self.now() >= until:
                self._check_room()
                return []

    def now(self) -> float:
        """Seconds of the machine's steady clock."""
        return time.monotonic()

    def close(self) -> None:
        """Ends all workers at once; a second call does nothing, as Ray would connect again for it."""
        if self._is_closed:
            return
        self._is_closed = True
        for worker in self._workers:
            with suppress(Exception):  # a cluster that is gone has ended it
                self._ray.kill(worker.actor)
        if self._owns_connection:
            self._ray.shutdown()

    def _start(self, name: str) -> _Worker:
        function, folder, home, path, device = self._arguments
        actor = (
            self._ray.remote(Relay)
            .options(
                num_cpus=self._threads, num_gpus=self._gpus, max_restarts=0, scheduling_strategy="SPREAD"
            )
            .remote(function, f"{folder}/{name}", home, path, device, self._threads)
        )
        return _Worker(name, actor, actor.host.remote())

    def _wait_for_room(self, interrupted: Callable[[], int]) -> None:
        while not self.free() and not interrupted():
            self.wait(min(1.0, self._patience))
        limit = self.now() + OTHERS_SECONDS
        while self.free() < self.workers and self.now() < limit and not interrupted():
            self.wait(0.2)

    @property
    def _has_ready(self) -> bool:
        return any(worker.is_ready for worker in self._workers)

    def _check_room(self) -> None:
        if not self._has_ready and self.now() - self._had_room > self._patience:
            has = {key: value for key, value in self._ray.cluster_resources().items() if ":" not in key}
            raise UserError(
                f"ray: no room for a worker of {self._threads} CPUs and {self._gpus:g} GPUs within "
                f"{self._patience:g} s; the cluster has {has}; give it more, or ask for less, and run the command again"
            )

    def _check_cluster(self) -> None:
        try:
            # Another cluster at its address refuses this; one asked about its nodes, Ray would end this process.
            self._ray.util.list_named_actors()
            if any(node["Alive"] for node in self._ray.nodes()):
                return
            why = "no node of it is left"
        except self._ray.exceptions.GetTimeoutError:  # its head is within reach, and slow
            return
        except self._ray.exceptions.RayError as error:
            why = one_line(error, 100)
        raise UserError(f"ray: the cluster is lost ({why}); {RESUMED}")

    def _hear(self, worker: _Worker, call: Any) -> list[Event]:
        worker.pending = None
        errors = self._ray.exceptions
        try:
            answer = self._ray.get(call)
        except errors.RayError as error:
            if not self._head.answers():  # without it no other worker can start: the error is heard again
                worker.pending = call
                self._head.check()  # the pauses of many workers add up to more than its limit
                time.sleep(AGAIN_SECONDS)
                return []
            return self._lost(worker, error)
        if not worker.is_ready:
            worker.host = answer
            return []
        if isinstance(answer, TrialStarted):
            self._failed_starts = 0
            worker.pending = worker.actor.next.remote()
            return [replace(answer, worker=f"{worker.name}@{worker.host}")]
        if not isinstance(answer, EpochReported):
            worker.task = None
        return [answer]

    def _lost(self, worker: _Worker, error: Any) -> list[Event]:
        is_task_error = isinstance(error, self._ray.exceptions.RayTaskError)
        # What is wrong with a relay that lives, or with its node alone.
        cause = error.cause if is_task_error else None
        why = _in_one_line(cause or error)
        self._failed_starts += cause is not None or not worker.is_ready
        if self._failed_starts >= START_LIMIT:
            raise cause or UserError(f"ray: workers end before they start: {why}")
        _log.warning("%s is lost (%s); another one starts when the cluster has room", worker.name, why)
        self._check_cluster()
        self._ray.kill(worker.actor)  # out of reach is not dead: its trial must not run on unseen
        task = worker.task
        self._workers[self._workers.index(worker)] = self._start(worker.name)
        return [] if task is None else [TrialFinished(task.number, died(None))]


def _in_one_line(error: Any) -> str:
    """What an error says first; where a worker could not be made, the end of what Ray says, which is why."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return one_line(lines[-1 if getattr(error, "actor_init_failed", False) else 0])
