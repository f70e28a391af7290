"""What the Ray executor asks of Ray and makes of its answers; Ray is played, `test_ray_executor` has a real one."""

from __future__ import annotations

import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from distune.errors import UserError
from distune.tuning.executors import ray as executors
from distune.tuning.executors.local import START_LIMIT
from distune.tuning.executors.ray import RayExecutor
from distune.tuning.executors.ray_cluster import GONE_SECONDS, LOOK_SECONDS, Head, connect, own_signals
from distune.tuning.trials.messages import (
    EpochReported,
    Failure,
    TrialFinished,
    TrialOutcome,
    TrialStarted,
    TrialTask,
)


class LostError(Exception):
    """An error of Ray's."""


class TaskError(LostError):
    """An actor's own error, with its cause."""

    cause = UserError("no module named b")


class SlowError(LostError):
    """A head that did not answer a question in time."""


class NotMadeError(LostError):
    """A worker that could not be made on its node."""

    actor_init_failed = True


class Actor:
    """Notes what it is asked; the answer comes when the test gives it."""

    def __init__(self, options: dict[str, Any], given: tuple[Any, ...]) -> None:
        self.options, self.given = options, given
        self.asked: list[Any] = []

    def __getattr__(self, method: str) -> Any:
        def remote(*given: Any) -> tuple[int, str, int]:
            self.asked.append((method, *given))
            return id(self), method, len(self.asked)

        return SimpleNamespace(remote=remote)


class Cluster:
    """Stands for the library."""

    exceptions = SimpleNamespace(RayError=LostError, RayTaskError=TaskError, GetTimeoutError=SlowError)

    def __init__(self) -> None:
        self.actors: list[Actor] = []
        self.answers: dict[Any, Any] = {}
        self.killed: list[Actor] = []
        self.connected: list[dict[str, Any]] = []
        self.is_initialized = lambda: bool(self.connected)
        self.has_room = True
        self.has_nodes = self.is_the_same = self.starts = self.is_quick = True
        self.util = SimpleNamespace(list_named_actors=self.named_actors)
        self.head = ""

    def init(self, **options: Any) -> None:
        if not self.starts:
            raise TimeoutError("timed out")
        self.connected.append(options)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def shutdown(self) -> None:
        self.connected.clear()

    def remote(self, kind: type) -> Any:
        def make(options: dict[str, Any], given: tuple[Any, ...]) -> Actor:
            self.actors.append(actor := Actor(options, given))
            if self.has_room:
                self.answers[id(actor), "host", 1] = f"node{len(self.actors)}"
            return actor

        assert kind is executors.Relay
        return SimpleNamespace(
            options=lambda **options: SimpleNamespace(remote=lambda *given: make(options, given))
        )

    def wait(self, calls: list[Any], timeout: float, num_returns: int = 1) -> tuple[list[Any], list[Any]]:
        done = [call for call in calls if call in self.answers][:num_returns]
        return done, [call for call in calls if call not in done]

    def get(self, call: Any) -> Any:
        answer = self.answers[call]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def kill(self, actor: Actor) -> None:
        self.killed.append(actor)

    def get_runtime_context(self) -> SimpleNamespace:
        return SimpleNamespace(gcs_address=self.head) if self.head else SimpleNamespace()

    def named_actors(self) -> list[str]:
        if not self.is_the_same:
            raise LostError("wrong cluster")
        if not self.is_quick:
            raise SlowError("under high load")
        return []

    def nodes(self) -> list[dict[str, bool]]:
        assert self.is_the_same, "Ray would end this process"
        return [{"Alive": False}, {"Alive": self.has_nodes}]

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 4.0, "node:here": 1.0}

    def answer(self, actor: Actor, what: Any) -> None:
        """Answers the last call of an actor."""
        self.answers[id(actor), actor.asked[-1][0], len(actor.asked)] = what


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    found = Cluster()
    monkeypatch.setitem(sys.modules, "ray", found)
    monkeypatch.setattr(executors, "OTHERS_SECONDS", 0.0)
    return found


def executor(folder: Path, **options: Any) -> RayExecutor:
    return RayExecutor("a:b", folder, **{"patience": 0.01, **options})


def task(number: int, folder: Path) -> TrialTask:
    return TrialTask(number, {}, str(folder), device="cuda:7", threads=9)


def test_each_worker_is_an_actor_with_its_share_of_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        found = executor(tmp_path / "w", address=address, workers=2, gpus_per_trial=0.5, threads=3)
    assert [actor.options for actor in cluster.actors] == [
        {"num_cpus": 3, "num_gpus": 0.5, "max_restarts": 0, "scheduling_strategy": "SPREAD"}
    ] * 2
    assert [actor.given for actor in cluster.actors] == [
        ("a:b", f"{tmp_path}/w/worker-{number}", str(Path.cwd()), sys.path, "cuda:0", 3) for number in (0, 1)
    ]
    (how,) = cluster.connected
    assert how["address"] == address and "num_cpus" not in how
    assert (found.workers, found.free()) == (2, 2)
    found.close()
    assert cluster.killed == cluster.actors and not cluster.connected
    found.close()
    assert len(cluster.killed) == 2, "once"


def test_a_private_cluster_has_a_core_for_each_thread_and_a_connection_of_others_stays(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "usable_cores", lambda: 2)
    before = signal.getsignal(signal.SIGTERM)
    executor(tmp_path, address="local", workers=3).close()
    assert signal.getsignal(signal.SIGTERM) == before, "Ray would end the process at once"
    assert [actor.given[-2:] for actor in cluster.actors] == [("cpu", 1)] * 3
    of_many_threads = executor(tmp_path, address="local", workers=3, threads=4)
    assert cluster.connected[0]["num_cpus"] == 12
    of_many_threads.close()
    cluster.init(address="of somebody else")
    found = executor(tmp_path, address="local")
    assert cluster.connected == [{"address": "of somebody else"}]
    found.close()
    assert cluster.connected


def test_how_many_cores_a_private_cluster_gets(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    assert connect("local", 6) == (cluster, True)
    assert cluster.connected[0]["num_cpus"] == 6 and cluster.connected[0]["include_dashboard"] is False
    assert connect("local", 6) == (cluster, False)


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "[::1]:1", "a..b:6379", "127.0.0.1:port", "127.0.0.1:99999"]
)
def test_an_address_where_nothing_listens_is_not_given_to_ray(
    cluster: Cluster, tmp_path: Path, address: str
) -> None:
    with pytest.raises(UserError, match="no cluster"):
        executor(tmp_path, address=address)
    assert not cluster.connected, "which tries for minutes"


@pytest.mark.parametrize(("folder", "found"), [(".", "MB left"), ("gone", "cannot be used")])
def test_a_private_cluster_that_does_not_start_names_the_disk_of_its_temporary_files(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, found: str
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / folder))
    cluster.starts = False
    with pytest.raises(UserError, match=found):
        executor(tmp_path, address="local")


@pytest.mark.parametrize("gpus", [-0.5, 1.5, 2])
def test_a_trial_uses_one_device_at_most(cluster: Cluster, tmp_path: Path, gpus: float) -> None:
    with pytest.raises(UserError, match="gpus-per-trial"):
        executor(tmp_path, gpus_per_trial=gpus)
    assert not cluster.connected


def test_a_trial_from_its_start_to_its_end(cluster: Cluster, tmp_path: Path) -> None:
    found = executor(tmp_path)
    (actor,) = cluster.actors
    found.submit(task(3, tmp_path))
    assert found.free() == 0
    assert actor.asked[-1] == ("submit", TrialTask(3, {}, str(tmp_path), device="cpu", threads=1))
    assert found.wait(0.0) == []
    cluster.answer(actor, TrialStarted(3, "worker-0"))
    assert found.wait(0.0) == [TrialStarted(3, "worker-0@node1")]
    assert actor.asked[-1] == ("next",), "what comes next is waited for at once"
    cluster.answer(actor, EpochReported(3, "student", 1, 0.5))
    assert found.wait(0.0) == [EpochReported(3, "student", 1, 0.5)] and found.free() == 0
    for number in (4, 3, 3):  # of another trial; its own; once more
        found.answer(number, False)
    assert actor.asked[-1] == ("answer", 3, False) and len(actor.asked) == 4
    ended = TrialFinished(3, TrialOutcome("complete", 0.5))
    cluster.answer(actor, ended)
    assert found.wait(0.0) == [ended] and found.free() == 1
    found.answer(3, True)  # too late
    assert found.wait(0.0) == [], "nothing is awaited"
    found.submit(task(4, tmp_path))
    began = found.now()
    assert found.wait(0.05) == [] and found.now() - began >= 0.05, "as long as it was asked to"


def test_a_trial_s_folder_is_named_in_full_for_other_machines(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    executor(Path("logs")).submit(task(3, Path("trials/3")))
    assert cluster.actors[0].asked[-1][1].folder == str(tmp_path / "trials/3")
    assert cluster.actors[0].given[1] == str(tmp_path / "logs/worker-0")


def test_each_trial_goes_to_a_worker_that_has_none(cluster: Cluster, tmp_path: Path) -> None:
    found = executor(tmp_path, workers=2)
    for number in (3, 4):
        found.submit(task(number, tmp_path))
    assert [actor.asked[-1][1].number for actor in cluster.actors] == [3, 4] and found.free() == 0


def test_a_worker_that_is_lost_ends_its_trial_and_is_replaced(cluster: Cluster, tmp_path: Path) -> None:
    found = executor(tmp_path, workers=2)
    first, second = cluster.actors
    found.submit(task(3, tmp_path))
    cluster.answer(first, LostError("the node is gone\nfor good"))
    (ended,) = found.wait(0.0)
    assert isinstance(ended, TrialFinished) and isinstance(ended.result, Failure)
    assert (ended.number, ended.result.kind) == (3, "preempted")
    assert cluster.killed == [first], "out of reach is not dead"
    assert len(cluster.actors) == 3 and cluster.actors[2].given == first.given
    assert found.free() == 1, "the new one has not said yet that it lives"
    assert found.wait(0.0) == [] and found.free() == 2
    found.submit(task(4, tmp_path))
    assert cluster.actors[2].asked[-1][0] == "submit" and second.asked == [("host",)]


@pytest.mark.parametrize("is_own", [True, False])
def test_workers_that_end_before_they_start_end_the_study(
    cluster: Cluster, tmp_path: Path, is_own: bool
) -> None:
    found = executor(tmp_path)
    error = TaskError() if is_own else LostError("no memory")
    if not is_own:
        cluster.has_room = False
        cluster.answer(cluster.actors[-1], LostError("the first"))
        found.submit(task(0, tmp_path))
        cluster.answer(cluster.actors[-1], LostError("one that worked counts for nothing"))
        assert len(found.wait(0.0)) == 1
    for number in range(START_LIMIT - 1):
        if is_own:
            found.submit(task(number, tmp_path))
        cluster.answer(cluster.actors[-1], error)
        found.wait(0.0)
        if is_own:
            found.wait(0.0)  # the next one lives
    if is_own:
        found.submit(task(9, tmp_path))
    cluster.answer(cluster.actors[-1], error)
    with pytest.raises(UserError, match="no module named b" if is_own else "no memory"):
        found.wait(0.0)


def test_why_no_worker_can_be_made_is_said_in_one_line(cluster: Cluster, tmp_path: Path) -> None:
    cluster.has_room = False
    found = executor(tmp_path, patience=600.0, interrupted=lambda: 1)
    with pytest.raises(UserError, match=r"start: ModuleNotFoundError: .*distune'$"):
        for _ in range(START_LIMIT):
            said = (
                "The actor died, \x1b[36mray::Relay()\x1b[39m",
                "  in f",
                "ModuleNotFoundError: no 'distune'\n",
            )
            cluster.answer(cluster.actors[-1], NotMadeError("\n".join(said)))
            found.wait(0.0)
    assert executors._in_one_line(LostError("the node is gone\nits log: ...")) == "the node is gone"


def test_a_trial_that_starts_ends_a_row_of_workers_that_did_not(cluster: Cluster, tmp_path: Path) -> None:
    found = executor(tmp_path)
    for number in range(2 * START_LIMIT):
        found.submit(task(number, tmp_path))
        if number % 2:
            cluster.answer(cluster.actors[-1], TrialStarted(number, "worker-0"))
            found.wait(0.0)
            cluster.answer(cluster.actors[-1], TrialFinished(number, TrialOutcome("complete", 0.5)))
        else:
            cluster.answer(cluster.actors[-1], TaskError())
        found.wait(0.0)
        found.wait(0.0)
    assert found.free() == 1


def test_a_cluster_without_room_is_waited_for_and_named(cluster: Cluster, tmp_path: Path) -> None:
    cluster.has_room = False
    with pytest.raises(UserError, match=r"2 CPUs and 0\.5 GPUs .*\{'CPU': 4\.0\}"):
        executor(tmp_path, gpus_per_trial=0.5, threads=2, patience=0.0)
    assert not cluster.connected and cluster.killed == cluster.actors, "nothing is left behind"
    found = executor(tmp_path, patience=600.0, interrupted=lambda: 1)
    assert found.free() == 0, "whoever asks for an end need not wait"


def test_a_cluster_that_has_no_room_any_more_ends_the_study(cluster: Cluster, tmp_path: Path) -> None:
    found = executor(tmp_path)
    found.submit(task(3, tmp_path))
    cluster.has_room = False
    cluster.answer(cluster.actors[0], LostError("the node is gone"))
    assert len(found.wait(0.0)) == 1
    time.sleep(0.02)  # longer than its patience
    with pytest.raises(UserError, match="no room"):
        found.wait(0.0)


def test_a_study_goes_on_with_the_workers_that_have_room(cluster: Cluster, tmp_path: Path) -> None:
    found = executor(tmp_path, workers=2)
    for number in (3, 4):
        found.submit(task(number, tmp_path))
    cluster.has_room = False
    cluster.answer(cluster.actors[1], LostError("the node is gone"))
    assert [event.number for event in found.wait(0.0)] == [4]
    time.sleep(0.02)  # longer than its patience
    assert found.wait(0.0) == []


@pytest.mark.parametrize(("lacks", "why"), [("has_nodes", "no node"), ("is_the_same", "wrong cluster")])
def test_a_cluster_without_nodes_or_another_in_its_place_ends_the_study(
    cluster: Cluster, tmp_path: Path, lacks: str, why: str
) -> None:
    found = executor(tmp_path)
    found.submit(task(3, tmp_path))
    setattr(cluster, lacks, False)
    cluster.answer(cluster.actors[0], LostError("the node is gone"))
    with pytest.raises(UserError, match=why):
        found.wait(0.0)


def test_a_cluster_that_is_slow_is_not_lost(cluster: Cluster, tmp_path: Path) -> None:
    found = executor(tmp_path)
    found.submit(task(3, tmp_path))
    cluster.is_quick = False
    cluster.answer(cluster.actors[0], LostError("the node is gone"))
    (ended,) = found.wait(0.0)
    assert ended.number == 3 and len(cluster.actors) == 2


def test_many_lost_workers_do_not_hide_that_the_head_is_gone(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray would end the process meanwhile."""
    seconds = [0.0]
    monkeypatch.setattr(executors, "Head", lambda ray: Head(ray, lambda: seconds[0]))
    workers = int(2 * GONE_SECONDS)
    cluster.head = "127.0.0.1:1"
    found = executor(tmp_path, workers=workers)
    monkeypatch.setattr(time, "sleep", lambda pause: seconds.append(seconds.pop() + pause))
    for actor in cluster.actors:
        cluster.answers[id(actor), "submit", 2] = LostError("the node is gone")
    for number in range(workers):
        found.submit(task(number, tmp_path))
    with pytest.raises(UserError, match="out of reach"):
        found.wait(0.0)


def test_a_lost_worker_is_replaced_when_the_head_is_within_reach_again(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "AGAIN_SECONDS", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as head:
        cluster.head = f"127.0.0.1:{head.getsockname()[1]}"
    found = executor(tmp_path)
    found.submit(task(3, tmp_path))
    cluster.answer(cluster.actors[0], LostError("the node is gone"))
    for _ in range(2):
        assert found.wait(0.0) == [] and len(cluster.actors) == 1
    with socket.create_server(head_address(cluster)):
        (ended,) = found.wait(0.0)
    assert ended.number == 3 and len(cluster.actors) == 2


def test_a_head_may_be_out_of_reach_for_less_than_ray_s_own_limit(cluster: Cluster) -> None:
    seconds = [0.0]
    with socket.create_server(("127.0.0.1", 0)) as server:
        cluster.head = f"127.0.0.1:{server.getsockname()[1]}"
        head = Head(cluster, lambda: seconds[0])
        seconds[0] = 100.0
        head.check()
    seconds[0] += GONE_SECONDS
    head.check()
    with socket.create_server(head_address(cluster)):
        seconds[0] += LOOK_SECONDS
        head.check()
    seconds[0] += 10 * GONE_SECONDS  # without a look
    head.check()
    seconds[0] += GONE_SECONDS
    head.check()
    seconds[0] += 0.5
    head.check()  # not due
    seconds[0] += LOOK_SECONDS
    with pytest.raises(UserError, match="out of reach"):
        head.check()


def head_address(cluster: Cluster) -> tuple[str, int]:
    host, port = cluster.head.split(":")
    return host, int(port)


def test_whoever_asks_for_an_end_does_not_wait_for_the_other_workers(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "OTHERS_SECONDS", 0.2)
    waits: list[Any] = []
    wait = cluster.wait
    monkeypatch.setattr(cluster, "wait", lambda calls, **how: waits.append(calls) or wait(calls, **how))
    executor(tmp_path, workers=2, interrupted=lambda: 1)
    assert waits == []
    cluster.has_room = False
    executor(tmp_path, workers=2, patience=600.0, interrupted=lambda: 1)
    assert waits == []


def test_a_study_of_another_thread_leaves_the_signals_as_they_are() -> None:
    def connect() -> bool:
        with own_signals():
            return True

    with ThreadPoolExecutor(1) as other:
        assert other.submit(connect).result()


def test_a_relay_passes_on_one_event_for_every_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    heard: list[Any] = []
    events = [[], [TrialStarted(3, "worker-0")], [EpochReported(3, "student", 1, 0.5)]]

    class Executor:
        def __init__(self, *given: Any, **named: Any) -> None:
            heard.append((given, named))
            self.submit = lambda task: heard.append(task)
            self.answer = lambda number, proceed: heard.append((number, proceed))
            self.wait = lambda seconds: events.pop(0)

    monkeypatch.setattr(executors, "LocalExecutor", Executor)
    monkeypatch.setattr(sys, "path", ["/own"])
    monkeypatch.chdir("/")
    relay = executors.Relay("a:b", "logs", str(tmp_path), ["/own", "/of/the/coordinator"], "cuda:0", 2)
    assert (Path.cwd(), sys.path) == (tmp_path, ["/own", "/of/the/coordinator"])
    assert heard.pop() == (("a:b", Path("logs")), {"devices": ("cuda:0",), "threads": 2})
    for name, host in (("node1", "node1"), ("", "unnamed")):
        monkeypatch.setattr("platform.node", lambda name=name: name)
        assert relay.host() == host, "an empty one would never be ready"
    asked = task(3, tmp_path)
    assert relay.submit(asked) == TrialStarted(3, "worker-0")
    assert relay.answer(3, True) == EpochReported(3, "student", 1, 0.5)
    assert heard == [asked, (3, True)]


def test_the_other_workers_are_waited_for_from_when_the_first_has_room() -> None:
    """The first is free after 20 seconds, the second after 30: more than 15 from the start, but not from then on."""
    clock = [0.0]
    cluster: Any = SimpleNamespace(
        workers=2, _patience=60.0, now=lambda: clock[0],
        free=lambda: (clock[0] >= 20) + (clock[0] >= 30),
        wait=lambda seconds: clock.__setitem__(0, clock[0] + seconds),
    )  # fmt: skip
    RayExecutor._wait_for_room(cluster, lambda: 0)
    assert cluster.free() == 2
