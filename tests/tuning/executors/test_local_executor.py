from __future__ import annotations

from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from distune.errors import UserError
from distune.training.cost import Cost
from distune.tuning.executors import local, memory_limit
from distune.tuning.executors.local import LocalExecutor
from distune.tuning.trials.messages import (
    EpochReported,
    Failure,
    TrialFinished,
    TrialOutcome,
    TrialStarted,
    TrialTask,
    send,
)


@pytest.mark.parametrize(
    ("wanted", "workers", "threads"),
    [
        (None, 2, 4),
        (None, 16, 1),
        ("3", 2, 3),
        ("6", 2, 4),
        ("1", 1, 1),
        ("2,1", 1, 2),
        ("0", 2, 4),
        ("x", 2, 4),
    ],
)
def test_a_worker_has_its_share_of_the_cores_and_no_more_than_the_user_allows(
    wanted: str | None, workers: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "usable_cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if wanted is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert local.threads_each(workers) == threads


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The control group of this process, in files of the test."""
    monkeypatch.setattr(memory_limit, "OWN_GROUP", tmp_path / "own")
    monkeypatch.setattr(memory_limit, "CGROUPS", tmp_path)
    (tmp_path / "own").write_text("4:memory:/elsewhere\n0::/outer/inner\n")
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    return inner


def test_the_smallest_limit_of_the_groups_around_a_process_holds(group: Path) -> None:
    whole = psutil.virtual_memory().total
    assert memory_limit.total_bytes() == whole
    (group / "memory.max").write_text("max\n")
    (group.parent / "memory.max").write_text("4000\n")
    assert memory_limit.total_bytes() == 4000
    (group / "memory.max").write_text("3000\n")
    assert memory_limit.total_bytes() == 3000
    (group / "memory.max").write_text(f"{2 * whole}\n")
    (group.parent / "memory.max").unlink()
    (group.parent / "memory.max").mkdir()  # whatever cannot be read says nothing
    assert memory_limit.total_bytes() == whole


def without_processes(folder: Path, count: int) -> LocalExecutor:
    """An executor whose workers only exist as records, each with a trial of its number."""
    executor = object.__new__(LocalExecutor)
    executor._memory_limit_mb = 100.0
    executor._workers = [
        local._Worker(f"worker-{n}", "cpu", folder / "no.log", SimpleNamespace(pid=0), SimpleNamespace(),  # type: ignore[arg-type]
                      task=TrialTask(n, {}, str(folder)), oom_kills=3)
        for n in range(count)
    ]  # fmt: skip
    return executor


@pytest.mark.parametrize(
    ("kills", "kinds"),
    [
        (3, ["preempted"] * 3),
        (4, ["out_of_memory", "preempted", "preempted"]),
        (5, ["out_of_memory", "out_of_memory", "preempted"]),
    ],
)
def test_one_kill_for_memory_explains_one_death(group: Path, kills: int, kinds: list[str]) -> None:
    (group / "memory.events").write_text(f"oom 9\noom_kill {kills}\noom_group_kill 0\n")
    (group.parent / "memory.events").write_text("oom_kill 99\n")
    executor = without_processes(group, 3)
    assert [executor._death(worker, -9).kind for worker in executor._workers] == kinds


def test_a_worker_is_replaced_for_what_it_grew_since_its_first_trial(tmp_path: Path) -> None:
    replaced: list[int] = []

    class Noting(LocalExecutor):
        def _replace(self, index: int) -> Any:
            replaced.append(index)

    executor = without_processes(tmp_path, 1)
    executor.__class__ = Noting
    outcome = {"state": "complete", "score": 0.5, "best_epoch": 1, "cost": Cost().__dict__, "extra": {}}
    for memory in (5000.0, 5100.0, 5100.5):
        ended = executor._ended(0, {"outcome": outcome, "memory_mb": memory})
        assert isinstance(ended, TrialFinished) and isinstance(ended.result, TrialOutcome)
    assert replaced == [0]


class Process:
    """A worker's process that ends when the test says so; its number is that of no process."""

    pid = 0

    def __init__(self, *given: Any, **named: Any) -> None:
        self.given, self.named, self.code = given, named, None

    def poll(self) -> int | None:
        return self.code

    def wait(self, timeout: float | None = None) -> int | None:
        return self.code

    def kill(self) -> None:
        self.code = -9 if self.code is None else self.code


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    """The processes that an executor of the test has started, in their order."""
    found: list[Process] = []

    def start(*given: Any, **named: Any) -> Process:
        found.append(Process(*given, **named))
        return found[-1]

    monkeypatch.setattr(local.subprocess, "Popen", start)
    return found


def task(number: int, folder: Path) -> TrialTask:
    return TrialTask(number, {}, str(folder))


def test_a_worker_is_a_session_of_its_own_with_its_threads_and_no_module_of_the_working_folder(
    started: list[Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", str(tmp_path), "/elsewhere"])
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1")
    monkeypatch.setattr(local, "total_bytes", lambda: 8_000_000)
    executor = LocalExecutor("a:b", tmp_path / "w", workers=3, devices=("cpu", "cuda:1"), threads=2)
    assert [worker.device for worker in executor._workers] == ["cpu", "cuda:1", "cpu"]
    assert [worker.name for worker in executor._workers] == ["worker-0", "worker-1", "worker-2"]
    assert executor._memory_limit_mb == pytest.approx(4 / 3), "half of the memory, divided among the workers"
    (command,), how = started[1].given, started[1].named
    assert command[1:4] == ["-P", "-m", "distune.tuning.trials.worker"] and command[-1] == "a:b"
    assert how["start_new_session"] is True and how["stdin"] == local.subprocess.DEVNULL
    assert [str(fd) for fd in how["pass_fds"]] == [command[4]]
    environment = how["env"]
    assert {environment[name] for name in local._THREAD_VARIABLES} == {"2"}
    assert environment["PYTHONPATH"] == "/elsewhere" and environment["MALLOC_TRIM_THRESHOLD_"] == "1"
    assert environment["MALLOC_MMAP_THRESHOLD_"] == str(4 * 2**20)
    assert (executor.workers, executor.free(), executor.processes()) == (3, 3, [0, 0, 0])


def test_a_trial_goes_to_a_worker_that_is_ready_and_to_a_new_one_where_it_has_ended(
    started: list[Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[Any, dict[str, Any]]] = []
    monkeypatch.setattr(local, "send", lambda pipe, message: sent.append((pipe, message)))
    monkeypatch.setattr(local, "oom_kills", lambda: 5)
    executor = LocalExecutor("a:b", tmp_path, workers=2, devices=("cpu", "cuda:0"), threads=4)
    executor._understand(1, {"ready": True})
    executor._workers[1].log.write_bytes(b"before")
    executor._workers[1].peak_memory_mb = 9.0
    executor.submit(task(7, tmp_path))
    worker = executor._workers[1]
    assert sent[0] == (worker.pipe, TrialTask(7, {}, str(tmp_path), "cuda:0", 4).as_dict())
    assert (worker.number, worker.offset, worker.oom_kills, worker.peak_memory_mb) == (7, 6, 5, None)
    started[0].code = 1
    executor.submit(task(8, tmp_path))
    assert len(started) == 3 and executor._workers[0].number == 8 and executor.free() == 0
    for number in (6, 8, 9):
        executor.answer(number, True)
    assert [message for _, message in sent[2:]] == [{"proceed": True}]
    successor = executor._replace(1)
    assert successor is executor._workers[1] and (successor.name, successor.device) == ("worker-1", "cuda:0")
    assert started[1].code == -9 and worker.pipe.closed


def test_what_a_worker_says_becomes_events(
    started: list[Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "send", lambda pipe, message: None)
    monkeypatch.setattr(local, "peak_of_process_mb", lambda pid: 50.0)
    executor = LocalExecutor("a:b", tmp_path)
    executor._failed_starts = 4
    assert executor._understand(0, {"ready": True}) == [] and executor._failed_starts == 0
    assert executor._understand(0, {"score": ["student", 1, 0.5]}) == [], "of no trial"
    executor.submit(task(3, tmp_path))
    assert executor._understand(0, {"begun": True}) == [TrialStarted(3, "worker-0")]
    assert executor._workers[0].peak_memory_mb == 50.0
    monkeypatch.setattr(local, "peak_of_process_mb", lambda pid: 40.0)
    executor._look_at_memory()
    assert executor._workers[0].peak_memory_mb == 50.0
    for seen, peak in ((70.0, 70.0), (None, 70.0)):
        monkeypatch.setattr(local, "peak_of_process_mb", lambda pid, seen=seen: seen)
        executor._look_at_memory()
        assert executor._workers[0].peak_memory_mb == peak
    executor._workers[0].peak_memory_mb = None
    executor._look_at_memory()
    assert executor._workers[0].peak_memory_mb is None, "it has no trial yet"
    assert executor._understand(0, {"score": ["student", 2, 0.5]}) == [EpochReported(3, "student", 2, 0.5)]
    failed = {"kind": "crash", "message": "boom", "output": "", "cost": Cost().__dict__}
    executor._workers[0].log.write_bytes(b"said")
    assert executor._understand(0, {"failed": failed}) == [TrialFinished(3, Failure("crash", "boom", "said"))]
    assert len(started) == 2 and executor.free() == 1, "what broke the trial may have broken the process"


def test_what_all_workers_say_is_heard_and_their_memory_is_looked_at(
    started: list[Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = LocalExecutor("a:b", tmp_path, workers=3)
    ends = []
    for number, worker in enumerate(executor._workers):
        worker.pipe, theirs = Pipe()
        worker.ready, worker.task, worker.peak_memory_mb = True, task(number, tmp_path), 50.0
        ends.append(theirs)
    assert executor.wait(0.0) == []
    send(ends[0], {"score": ["student", 1, 0.5]})
    executor.answer(2, True)  # an answer that is not read any more ends the pipe in another way
    for number in (1, 2):
        ends[number].close()
        started[number].code = -9
    monkeypatch.setattr(local, "peak_of_process_mb", lambda pid: 70.0)
    first, *others = executor.wait(1.0)
    assert first == EpochReported(0, "student", 1, 0.5)
    for number, event in enumerate(others, 1):
        assert isinstance(event, TrialFinished) and isinstance(event.result, Failure)
        cost = event.result.cost
        assert (event.number, event.result.kind, cost.peak_memory_mb) == (number, "preempted", 50.0)
    assert len(others) == 2
    assert [worker.peak_memory_mb for worker in executor._workers] == [70.0, None, None]


@pytest.mark.parametrize("kind", ["data", "config", "disk_full"])
def test_a_worker_survives_what_is_no_fault_of_its_own(
    started: list[Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(local, "send", lambda pipe, message: None)
    executor = LocalExecutor("a:b", tmp_path)
    executor.submit(task(3, tmp_path))
    executor._ended(0, {"failed": {"kind": kind, "message": "m", "output": "", "cost": Cost().__dict__}})
    assert len(started) == 1 and executor.free() == 1


@pytest.mark.parametrize(
    ("ready", "code", "given_again"),
    [(False, 1, True), (False, 0, False), (False, -9, False), (True, 1, False), (True, -11, False)],
)
def test_a_trial_whose_worker_never_started_is_given_to_the_next_one(
    started: list[Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ready: bool, code: int, given_again: bool
) -> None:  # fmt: skip
    monkeypatch.setattr(local, "send", lambda pipe, message: None)
    executor = LocalExecutor("a:b", tmp_path)
    executor._workers[0].ready = ready
    executor._failed_starts = 2
    executor.submit(task(3, tmp_path))
    started[0].code = code
    events = executor._after_death(0)
    assert len(started) == 2 and executor._failed_starts == (3 if given_again else 0)
    assert executor._workers[0].number == (3 if given_again else None)
    if not given_again:
        (ended,) = events
        assert isinstance(ended, TrialFinished) and isinstance(ended.result, Failure)
        assert ended.result.kind == ("preempted" if code == -9 else "crash")


def test_the_clock_of_an_executor_never_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.time, "monotonic", lambda: 7.5)
    assert without_processes(tmp_path, 0).now() == 7.5, "whatever the machine's clock is set to"


def test_workers_that_never_start_end_the_study(started: list[Process], tmp_path: Path) -> None:
    executor = LocalExecutor("a:b", tmp_path)
    executor._workers[0].log.write_bytes(b"no module named b")
    for _ in range(local.START_LIMIT - 1):
        started[-1].code = 1
        assert executor._after_death(0) == []
    started[-1].code = 1
    with pytest.raises(UserError, match="no module named b"):
        executor._after_death(0)


def test_of_a_worker_s_output_the_end_since_its_trial_began_is_told(tmp_path: Path) -> None:
    (worker,) = without_processes(tmp_path, 1)._workers
    assert local._tail(worker) == ""
    worker.log.write_bytes(b"old" + b"x" * 5000 + b"end")
    assert local._tail(worker) == "x" * 3997 + "end"
    worker.offset = 5001
    assert local._tail(worker) == "xxend"


def test_workers_share_the_cores_where_nothing_else_is_said(
    started: list[Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(local, "usable_cores", lambda: 8)
    LocalExecutor("a:b", tmp_path, workers=4)
    assert [process.named["env"]["OMP_NUM_THREADS"] for process in started] == ["2"] * 4
    assert LocalExecutor("a:b", tmp_path, memory_limit_mb=5.0)._memory_limit_mb == 5.0


def test_all_workers_together_have_a_few_seconds_to_part(
    started: list[Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = LocalExecutor("a:b", tmp_path, workers=3)
    clock, did = SimpleNamespace(now=0.0), []
    monkeypatch.setattr(local.time, "monotonic", lambda: clock.now)

    def waits(timeout: float | None = None) -> int:
        if timeout is None:
            return -9
        did.append(timeout)
        clock.now += min(timeout, 4.0)
        raise local.subprocess.TimeoutExpired("worker", timeout)

    for process in started:
        process.terminate, process.wait = lambda: did.append("asked"), waits  # type: ignore[attr-defined,method-assign]
    executor.close()
    assert did == ["asked"] * 3 + [local.PARTING_SECONDS, local.PARTING_SECONDS - 4.0, 0.0]
    assert [process.code for process in started] == [-9] * 3, "what does not end by itself"
    assert all(worker.pipe.closed for worker in executor._workers)


def test_a_worker_that_closed_its_pipe_and_lives_is_ended() -> None:
    done: list[str] = []

    class Living:
        def wait(self, timeout: float | None = None) -> int:
            if timeout is not None and not done:
                raise local.subprocess.TimeoutExpired("worker", timeout)
            return -9 if done else 0

        def kill(self) -> None:
            done.append("killed")

    assert local._exit_code(Living()) == -9 and done == ["killed"]  # type: ignore[arg-type]
