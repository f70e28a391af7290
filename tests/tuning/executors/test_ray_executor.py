from __future__ import annotations

import importlib.util
import os
import sys
import time

import psutil
import pytest
import test_executor_contract as contract
from study_helpers import base_config, tune_request

from distune.errors import UserError
from distune.tuning.executors.ray import RayExecutor
from distune.tuning.executors.ray_cluster import connect
from distune.tuning.trials.messages import TrialFinished
from distune.tuning.tune import tune

pytestmark = pytest.mark.slow

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # loopback only; read when ray is imported
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
HAS_RAY = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed: pip install 'distune[ray]'")


class TwoNodes:
    """A cluster of two nodes on loopback, and executors that are used again: a new one costs seconds."""

    def __init__(self, folder):
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 2, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.second = self.cluster.add_node(num_cpus=2)
        self.address = self.cluster.address
        self._folder = folder
        self._idle = {}

    def executor(self, workers=1, **options):
        return RayExecutor(contract.PLAYED, self._folder, address=self.address, workers=workers, **options)

    def borrow(self, workers=1):
        return self._idle.pop(workers, None) or self.executor(workers)

    def give_back(self, executor):
        is_idle = executor.free() == executor.workers
        if is_idle and executor.workers not in self._idle:
            self._idle[executor.workers] = executor
        else:
            executor.close()

    def close_idle(self):
        while self._idle:
            self._idle.popitem()[1].close()


@pytest.fixture(scope="module")
def two_nodes(tmp_path_factory):
    if not HAS_RAY:
        pytest.skip("Ray is not installed: pip install 'distune[ray]'")
    nodes = TwoNodes(tmp_path_factory.mktemp("ray"))
    ray, _ = connect(nodes.address, 2)  # so that no executor closes the connection
    yield nodes
    nodes.close_idle()
    ray.shutdown()
    nodes.cluster.shutdown()


@pytest.fixture
def make(two_nodes):
    made = []

    def make_one(workers=1):
        made.append(two_nodes.borrow(workers))
        return made[-1]

    yield make_one
    for executor in made:
        two_nodes.give_back(executor)


class TestRay(contract.TestContract):
    """A Ray cluster holds the contract of all executors."""


def relays():
    """The actors' processes on this test's nodes."""
    children = psutil.Process().children(recursive=True)
    return [process for process in children if process.cmdline()[:1] == ["ray::Relay"]]


def until_ended(executor, seconds=60.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for event in executor.wait(1.0):
            if isinstance(event, TrialFinished):
                return event.result
    raise AssertionError("the trial never ended")


def test_a_lost_actor_is_preempted_and_replaced_and_leaves_no_process(two_nodes, tmp_path):
    two_nodes.close_idle()
    executor = two_nodes.borrow()
    executor.submit(contract.task(tmp_path))
    contract.first_score(executor)
    lost = [relay for relay in relays() if relay.children()]
    processes = [child for relay in lost for child in relay.children()]
    assert len(lost) == len(processes) == 1
    lost[0].kill()
    executor.answer(0, True)
    failure = until_ended(executor)
    assert (failure.kind, failure.message) == ("preempted", "the worker was lost")
    assert contract.play(executor, [contract.task(tmp_path, 1)])[1][-1].result.score == 0.3
    gone, alive = psutil.wait_procs(processes, timeout=60)
    assert (len(gone), alive) == (1, [])
    two_nodes.give_back(executor)


def test_a_cluster_without_room_says_what_it_has(two_nodes):
    with pytest.raises(UserError, match=r"no room .*'CPU': 4.0"):
        two_nodes.executor(gpus_per_trial=0.5, patience=0.3)


def test_whoever_asks_for_an_end_need_not_wait_for_room(two_nodes):
    executor = two_nodes.executor(gpus_per_trial=0.5, patience=600.0, interrupted=lambda: 1)
    assert executor.free() == 0
    executor.close()


BROKEN = """
import os
import sys
from pathlib import Path

if "distune.tuning.trials.worker" in sys.orig_argv:
    first = Path(__file__).with_name("first")
    if not first.exists():
        first.write_text(str(os.getppid()))
    if first.read_text() in ({broken}):
        os._exit(3)
"""
"""Ends worker processes before they start: those of the first relay, or all."""


def test_a_worker_that_does_not_start_is_tried_elsewhere(two_nodes, tmp_path, monkeypatch):
    """As on a node that lacks something: the relay lives there, and says that its worker process does not."""
    two_nodes.close_idle()
    (tmp_path / "sitecustomize.py").write_text(BROKEN.format(broken="str(os.getppid()),"))
    monkeypatch.syspath_prepend(str(tmp_path))
    executor = two_nodes.executor()
    events = contract.play(executor, [contract.task(tmp_path)])[0]
    assert (events[-1].result.kind, len(events)) == ("preempted", 1)
    assert contract.play(executor, [contract.task(tmp_path)])[0][-1].result.score == 0.3
    executor.close()


def test_workers_that_start_nowhere_are_an_error(two_nodes, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(BROKEN.format(broken="first.read_text(),"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("distune.tuning.executors.ray.START_LIMIT", 2)
    executor = two_nodes.executor()
    with pytest.raises(UserError, match="exit code 3"):
        for number in range(2):
            contract.play(executor, [contract.task(tmp_path, number)])
    executor.close()


@needs_ray
def test_an_address_without_a_cluster_is_named(monkeypatch):
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "")
    with pytest.raises(UserError, match="no cluster at nowhere"):
        connect("nowhere", 1)


@needs_ray
@pytest.mark.parametrize(
    "error", [Exception("timed out\nduring startup"), OSError("no port"), ConnectionError("gone")]
)
def test_a_cluster_that_does_not_start_is_named(monkeypatch, error):
    import ray

    def init(**_: object) -> None:
        raise error

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(UserError, match="no cluster at local"):
        connect("local", 1)


def test_a_trial_uses_one_device(tmp_path):
    with pytest.raises(UserError, match="gpus-per-trial: 2"):
        RayExecutor(contract.PLAYED, tmp_path, gpus_per_trial=2)


def test_without_ray_the_message_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'distune\[ray\]'"):
        RayExecutor(contract.PLAYED, tmp_path)


def test_an_executor_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"study\.executor.*'slurm'"):
        tune(tune_request(config=base_config(), executor="slurm", dataset="sha256:0", logs=tmp_path))
