"""Workers as warm child processes of the coordinator, each with one device."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path

from distune.errors import UserError
from distune.training.cost import peak_of_process_mb
from distune.tuning.coordinator.failures import TAIL, died
from distune.tuning.executors.base import Executor
from distune.tuning.executors.memory_limit import oom_kills, total_bytes
from distune.tuning.trials.messages import (
    EpochReported,
    Event,
    Failure,
    TrialFinished,
    TrialOutcome,
    TrialStarted,
    TrialTask,
    receive,
    send,
)
from distune.utils.files.paths import check_appendable
from distune.utils.threads import WAITING, usable_cores

START_LIMIT = 5
"""Workers in a row that may end by themselves before they take a trial."""
PARTING_SECONDS = 5.0
"""How long all workers together may take to remove what they were writing."""
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_MEMORY_VARIABLES = {"MALLOC_MMAP_THRESHOLD_": str(4 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(16 * 2**20)}
"""glibc's own thresholds move: they trim and grow the heap in every step, a third of a small model's time, and keep
blocks of up to 32 MiB in a heap of holes."""


@dataclass
class _Worker:
    name: str
    device: str
    log: Path
    process: subprocess.Popen[bytes]
    pipe: Connection
    ready: bool = False
    task: TrialTask | None = None
    offset: int = 0
    oom_kills: int = 0
    """How many the kernel had counted when the trial began, and those since then that ended other workers."""
    peak_memory_mb: float | None = None
    """Most that the process was seen to hold since it began with the trial; None before, and where that is unknown."""
    first_memory_mb: float | None = None
    """What the process held after its first trial."""

    @property
    def number(self) -> int | None:
        """The trial that it has."""
        return self.task.number if self.task else None


class LocalExecutor(Executor):
    """Child processes on this machine.

    Args:
        function: the trial function as `package.module:function`.
        folder: where the workers' output goes, one file a worker.
        workers: trials at once.
        devices: given to the workers in turn: `["cuda:0", "cuda:1"]`.
        threads: CPU threads a worker; empty divides the cores among the workers, see `threads_each`.
        memory_limit_mb: a worker that has grown by more since its first trial is replaced; what it holds then, a GPU's
            context among it, is no leak. Empty takes half of the memory that this process may use, divided among the
            workers.
    """

    def __init__(
        self,
        function: str,
        folder: Path,
        *,
        workers: int = 1,
        devices: Sequence[str] = ("cpu",),
        threads: int | None = None,
        memory_limit_mb: float | None = None,
    ):
        self._function = function
        self._folder = folder
        self._threads = threads or threads_each(workers)
        self._memory_limit_mb = memory_limit_mb or total_bytes() / 2e6 / workers
        self._failed_starts = 0
        self._workers = [self._start(f"worker-{i}", devices[i % len(devices)]) for i in range(workers)]

    @property
    def workers(self) -> int:
        """How many trials run at once."""
        return len(self._workers)

    def free(self) -> int:
        """How many trials can be submitted now."""
        return sum(worker.number is None for worker in self._workers)

    def submit(self, task: TrialTask) -> None:
        """Gives a trial to a free worker."""
        idle = [i for i, worker in enumerate(self._workers) if worker.number is None]
        # A worker that still imports would make the trial wait while another one is ready.
        index = min(idle, key=lambda i: not self._workers[i].ready)
        worker = self._workers[index]
        if worker.process.poll() is not None:
            worker = self._replace(index)
        self._give(worker, replace(task, device=worker.device, threads=self._threads))

    def answer(self, number: int, proceed: bool) -> None:
        """Answers the last score of a trial."""
        for worker in self._workers:
            if worker.number == number:
                with suppress(OSError):
                    send(worker.pipe, {"proceed": proceed})

    def wait(self, seconds: float) -> list[Event]:
        """What happened, oldest first."""
        by_pipe = {id(worker.pipe): index for index, worker in enumerate(self._workers)}
        events: list[Event] = []
        for pipe in wait([worker.pipe for worker in self._workers], timeout=seconds):
            index = by_pipe[id(pipe)]
            try:
                message = receive(self._workers[index].pipe)
            except (EOFError, OSError):
                events += self._after_death(index)
                continue
            events += self._understand(index, message)
        self._look_at_memory()
        return events

    def now(self) -> float:
        """Seconds of the machine's steady clock."""
        return time.monotonic()

    def close(self) -> None:
        """Ends all workers; what one is writing it removes first, where it is quick."""
        for worker in self._workers:
            worker.process.terminate()
        deadline = time.monotonic() + PARTING_SECONDS
        for worker in self._workers:
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(timeout=max(0.0, deadline - time.monotonic()))
            worker.process.kill()
            worker.process.wait()
            worker.pipe.close()

    def processes(self) -> list[int]:
        """The process ids of the workers."""
        return [worker.process.pid for worker in self._workers]

    def _start(self, name: str, device: str) -> _Worker:
        ours, theirs = Pipe()
        limit = {variable: str(self._threads) for variable in _THREAD_VARIABLES}
        path = os.pathsep.join(part for part in sys.path if part and Path(part) != Path.cwd())
        self._folder.mkdir(parents=True, exist_ok=True)  # it may be deleted in mid-study, which ends no study
        # Coordinators may share the folder.
        log = self._folder / f"{name}_{platform.node()}_{os.getpid()}.log"
        check_appendable(log)
        with log.open("ab") as output:
            process = subprocess.Popen(
                # -P: no module of the working folder stands in for one of a package.
                [sys.executable, "-P", "-m", "distune.tuning.trials.worker",
                 str(theirs.fileno()), str(os.getpid()), self._function],
                env={
                    **_MEMORY_VARIABLES, **WAITING, **os.environ, **limit, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1",
                },
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip
        # The child has its own; with this one open, its death would never close the pipe.
        theirs.close()
        return _Worker(name, device, log, process, ours)

    def _give(self, worker: _Worker, task: TrialTask) -> None:
        worker.task = task
        worker.offset = worker.log.stat().st_size if worker.log.exists() else 0
        worker.oom_kills = oom_kills()
        worker.peak_memory_mb = None
        with suppress(OSError):  # it died just now: `wait` finds the closed pipe and reports the trial
            send(worker.pipe, task.as_dict())

    def _replace(self, index: int) -> _Worker:
        old = self._workers[index]
        old.process.kill()
        old.process.wait()
        old.pipe.close()
        self._workers[index] = self._start(old.name, old.device)
        return self._workers[index]

    def _after_death(self, index: int) -> list[Event]:
        worker = self._workers[index]
        code = _exit_code(worker.process)
        never_started = not worker.ready and code > 0
        self._failed_starts = self._failed_starts + 1 if never_started else 0
        if self._failed_starts >= START_LIMIT:
            raise UserError(f"workers end with exit code {code} before they start:\n{_tail(worker)}")
        successor = self._replace(index)
        if worker.task is None:
            return []
        if never_started:  # no fault of the trial's
            self._give(successor, worker.task)
            return []
        return [TrialFinished(worker.task.number, self._death(worker, code))]

    def _look_at_memory(self) -> None:
        """A worker that the kernel kills can no longer say how much it held."""
        for worker in self._workers:
            if worker.peak_memory_mb is not None:
                worker.peak_memory_mb = max(
                    worker.peak_memory_mb, peak_of_process_mb(worker.process.pid) or 0.0
                )

    def _death(self, worker: _Worker, code: int) -> Failure:
        kills = oom_kills()
        failure = died(
            code,
            _tail(worker),
            for_memory=kills > worker.oom_kills,
            peak_memory_mb=worker.peak_memory_mb,
        )
        if failure.kind == "out_of_memory":  # one kill explains one death
            for other in self._workers:
                other.oom_kills = min(other.oom_kills + 1, kills)
        return failure

    def _understand(self, index: int, message: dict) -> list[Event]:  # type: ignore[type-arg]
        worker = self._workers[index]
        if message.get("ready"):
            worker.ready = True
            self._failed_starts = 0
            return []
        if worker.number is None:
            return []
        if message.get("begun"):
            worker.peak_memory_mb = peak_of_process_mb(worker.process.pid)
            return [TrialStarted(worker.number, worker.name)]
        if "score" in message:
            stage, epoch, score = message["score"]
            return [EpochReported(worker.number, stage, epoch, score)]
        return [self._ended(index, message)]

    def _ended(self, index: int, message: dict) -> TrialFinished:  # type: ignore[type-arg]
        worker = self._workers[index]
        number = worker.number if worker.number is not None else -1
        worker.task = None
        if "outcome" in message:
            if worker.first_memory_mb is None:
                worker.first_memory_mb = message["memory_mb"]
            if message["memory_mb"] - worker.first_memory_mb > self._memory_limit_mb:
                self._replace(index)
            return TrialFinished(number, TrialOutcome.of(message["outcome"]))
        failure = Failure.of(message["failed"])
        # What broke the trial may have broken the process.
        if failure.kind not in ("data", "config", "disk_full"):
            self._replace(index)
        return TrialFinished(number, replace(failure, output=_tail(worker)))


def threads_each(workers: int) -> int:
    """A worker's share of the cores, and no more than OMP_NUM_THREADS where that is set."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]  # a list names nested levels
    share = max(1, usable_cores() // workers)
    return min(share, int(wanted)) if wanted.isdecimal() and int(wanted) else share


def _exit_code(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(timeout=10)
    except subprocess.TimeoutExpired:  # it closed its pipe but lives: end it
        process.kill()
        return process.wait()


def _tail(worker: _Worker) -> str:
    """What the worker printed since it got its trial; nothing where its file was deleted."""
    if not worker.log.exists():
        return ""
    with worker.log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(worker.offset, size - TAIL))
        return file.read().decode(errors="replace")
