"""A study whose cluster loses a node; the cluster is its own, as nothing else can run on it afterwards."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import optuna
import psutil
import pytest
from closed_form_trials import HELD, score_at
from optuna.trial import TrialState
from study_helpers import base_config, tune_request
from test_ray_executor import HAS_RAY, TwoNodes

from distune.config import with_values
from distune.tuning.study.storage import open_storage
from distune.tuning.tune import tune

pytestmark = pytest.mark.slow


@pytest.fixture
def two_nodes(tmp_path):
    if not HAS_RAY:
        pytest.skip("Ray is not installed: pip install 'distune[ray]'")
    nodes = TwoNodes(tmp_path)
    yield nodes
    nodes.cluster.shutdown()


def test_a_node_killed_in_the_middle_of_a_study_loses_nothing(two_nodes, tmp_path, monkeypatch):
    import ray

    monkeypatch.chdir(tmp_path)  # run folders are given as relative paths
    url = f"sqlite:///{tmp_path}/study.db"
    open_storage(url)  # so that its tables are there for the one who watches
    base = with_values(base_config(), {"training.threads": 2})  # room for one worker on each node
    request = tune_request(
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
