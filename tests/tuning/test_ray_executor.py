from __future__ import annotations

import importlib.util
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import optuna
import psutil
import pytest
import test_executor_contract as contract
from closed_form_trials import HELD, score_at
from optuna.trial import TrialState
from study_helpers import base_config

from distune.config import with_values
from distune.errors import UserError
from distune.tuning.executors.ray import RayExecutor, _connect
from distune.tuning.messages import Ended
from distune.tuning.storage import open_storage
from distune.tuning.tune import TuneRequest, tune

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
    ray, _ = _connect(nodes.address, 2)  # so that no executor closes the connection
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


def until_ended(executor, seconds=30.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for event in executor.wait(1.0):
            if isinstance(event, Ended):
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
    gone, alive = psutil.wait_procs(processes, timeout=5)
    assert (len(gone), alive) == (1, [])
    two_nodes.give_back(executor)


def test_a_cluster_without_room_says_what_it_has(two_nodes):
    with pytest.raises(UserError, match=r"no room for a worker of 1 CPUs and 0.5 GPUs .*'CPU': 4.0"):
        two_nodes.executor(gpus_per_trial=0.5, patience=0.3)


def test_a_node_killed_in_the_middle_of_a_study_loses_nothing(two_nodes, tmp_path, monkeypatch):
    import ray

    two_nodes.close_idle()
    ray.shutdown()  # the executor connects and disconnects by itself
    monkeypatch.chdir(tmp_path)  # run folders are given as relative paths
    url = f"sqlite:///{tmp_path}/study.db"
    open_storage(url)  # so that its tables are there for the one who watches
    base = with_values(base_config(), {"training.threads": 2})  # room for one worker on each node
    request = TuneRequest(
        config=base, n_trials=8, study_name="study", storage=url, workers=2, pruner="none", dataset="sha256:0",
        executor="ray", ray_address=two_nodes.address, trial_function="closed_form_trials:held",
    )  # fmt: skip
    go = tmp_path / "logs/optuna/study/trials/go"
    handler = signal.getsignal(signal.SIGTERM)
    with ThreadPoolExecutor() as threads:
        killing = threads.submit(kill_second_node, two_nodes, url, go)
        result = tune(request)
        assert killing.result() == {"worker-0", "worker-1"}, "one of these is on the lost node"
    assert signal.getsignal(signal.SIGTERM) == handler and not ray.is_initialized()
    assert result.reason == "finished" and result.summary["trials"]["finished"] == 8
    trials = trials_of(url)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 8
    assert [trial.number for trial in trials] == list(range(8))
    for trial in trials:
        config = with_values(base, trial.user_attrs["overrides"]).model_dump()
        assert trial.intermediate_values == {epoch: score_at(config, epoch) for epoch in range(1, 5)}
        assert (go.parent / f"trial_{trial.number:04d}" / "state.json").exists()
    attempts = [trial.user_attrs["attempts"] for trial in trials]
    assert sorted(attempts[2:4]) == [1, 2] and attempts[:2] + attempts[4:] == [1] * 6


def trials_of(url):
    names = optuna.get_all_study_names(url)
    return optuna.load_study(study_name="study", storage=url).trials if names else []


def kill_second_node(two_nodes, url, go):
    """Kills the node while both workers have a trial that cannot end before; returns the workers' names."""
    until = time.monotonic() + 200.0
    try:
        running = []
        while {trial.number for trial in running} != set(HELD):
            assert time.monotonic() < until, f"on workers are {running}"
            time.sleep(0.02)
            running = [
                t for t in trials_of(url) if t.state == TrialState.RUNNING and 2 in t.intermediate_values
            ]
        kill_processes(two_nodes.second)
        two_nodes.cluster.remove_node(two_nodes.second, allow_graceful=False)
        return {trial.user_attrs["worker"].partition("@")[0] for trial in running}
    finally:
        go.touch()


def kill_processes(node):
    """Ends what runs on a node at once, as a power cut does; an actor would outlive its node by seconds."""
    for name in ("raylet", "dashboard_agent"):
        for info in node.all_processes.get(name, []):
            raylet = psutil.Process(info.process.pid)
            raylet.suspend()  # so that it starts nothing in their place
            for child in raylet.children(recursive=True):
                child.kill()


@needs_ray
def test_an_address_without_a_cluster_is_named(monkeypatch):
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "")
    with pytest.raises(UserError, match="no cluster at nowhere"):
        _connect("nowhere", 1)


def test_a_trial_uses_one_device(tmp_path):
    with pytest.raises(UserError, match="gpus-per-trial: 2; a trial uses one device"):
        RayExecutor(contract.PLAYED, tmp_path, gpus_per_trial=2)


def test_without_ray_the_message_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'distune\[ray\]'"):
        RayExecutor(contract.PLAYED, tmp_path)


def test_an_executor_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(UserError, match="executor: slurm; there are local, ray"):
        tune(TuneRequest(config=base_config(), executor="slurm", dataset="sha256:0", logs=tmp_path))
