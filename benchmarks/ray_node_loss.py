"""A study on a two-node Ray cluster on loopback: one node is killed in the middle, and another one joins later.

python -m benchmarks.ray_node_loss [--trials 30] [--out FILE]
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import threading
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # loopback only; read when ray is imported
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("EPOCH_SECONDS", "0.5")  # the nodes' processes inherit it

import optuna
from optuna.study import Study
from optuna.trial import TrialState

from benchmarks.guarantees import FINISHED, Figure, exactly, guarantees, publish
from benchmarks.resumable import undisturbed
from benchmarks.study_process import STUDY
from distune.config import Config, as_dict, with_values
from distune.tuning.study.storage import open_storage
from distune.tuning.tune import TrialFunctions, TuneRequest, tune

LIMIT_SECONDS = 900.0
NODE = {"num_cpus": 2, "object_store_memory": 100 * 2**20}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # What the study and Ray print is no figure.
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        figures = attacked(Path(folder), given.trials)
    publish(figures, given.out)


def attacked(logs: Path, n_trials: int) -> list[Figure]:
    """Runs the study while a second thread takes a node away and gives another one."""
    from ray.cluster_utils import Cluster

    head = {**NODE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head, shutdown_at_exit=False)
    try:
        return _figures(cluster, logs, n_trials)
    finally:
        cluster.shutdown()


def _figures(cluster: Any, logs: Path, n_trials: int) -> list[Figure]:
    attack = Attack(cluster, cluster.add_node(**NODE), logs, n_trials)
    attack.start()
    began = time.perf_counter()
    request = TuneRequest.of(
        with_values(Config(), {"student.epochs": 6, "training.threads": 1}),
        {"n_trials": n_trials, "workers": 4, "executor": "ray", "ray_address": cluster.address, "name": STUDY,
         "pruner": "none", "timeout": LIMIT_SECONDS},
        logs=logs, dataset="benchmark", functions=TrialFunctions("benchmarks.resumable:train"),
    )  # fmt: skip
    result = tune(request)
    seconds = time.perf_counter() - began
    attack.give_up.set()
    attack.join()
    study = attack.study()
    attempts = [trial.user_attrs.get("attempts", 0) for trial in study.get_trials(deepcopy=False)]
    back = [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.datetime_start and attack.joined and trial.datetime_start.timestamp() > attack.joined
    ]
    return [
        Figure("the study ends", result.reason, "finished", result.reason == "finished"),
        exactly("trials running on the node that was killed", attempts.count(2), 2),
        *guarantees(study, n_trials, lambda _, one: undisturbed(as_dict(one)), logs / STUDY / "study.log"),
        exactly("workers in use after another node joined", len({t.user_attrs["worker"] for t in back}), 4),
        Figure("wall time", f"{seconds:.0f} s"),
    ]


class Attack(threading.Thread):
    """Kills a node after a third of the trials and lets another one join after half of them, if the study lasts."""

    def __init__(self, cluster: Any, node: Any, logs: Path, n_trials: int):
        super().__init__(daemon=True)
        self._cluster = cluster
        self._node = node
        self._url = f"sqlite:///{logs}/{STUDY}.db"
        open_storage(self._url)  # its tables are there before two look for them
        self._n_trials = n_trials
        self.joined = 0.0
        """When the new node was there, in seconds since the epoch; 0 before."""
        self.give_up = threading.Event()
        """Set when the study has ended."""

    def run(self) -> None:
        if self._comes_to(self._n_trials // 3, running=4):
            self._cluster.remove_node(self._node, allow_graceful=False)
            if self._comes_to(self._n_trials // 2, running=0):
                self._cluster.add_node(**NODE)
                self.joined = time.time()

    def study(self) -> Study:
        return optuna.load_study(study_name=STUDY, storage=self._url)

    def _comes_to(self, finished: int, running: int) -> bool:
        while not self.give_up.wait(0.05):
            try:
                trials = self.study().get_trials(deepcopy=False)
            except KeyError:
                continue
            active = sum(t.state == TrialState.RUNNING and bool(t.intermediate_values) for t in trials)
            if sum(trial.state in FINISHED for trial in trials) >= finished and active >= running:
                return True
        return False


if __name__ == "__main__":
    logging.getLogger("ray").setLevel(logging.ERROR)
    main()
