"""A study whose workers and coordinator are killed with SIGKILL at random moments.

    python -m benchmarks.faults [--trials 30] [--kills 50] [--workers 2] [--seed 0] [--out FILE]
    python -m benchmarks.faults --real --trials 6 --kills 10

Without `--real` the trials are closed-form but keep checkpoints as training does; with it they are training runs of the
demo config, compared with the same runs that nobody interrupts.

The closed-form study runs once without a pruner and once with the median one. Which trials that one stops depends on
the order in which scores arrive, so kills may change it; all else must hold: the number of finished trials, none left
over, none counted twice, and every recorded epoch with the score of an undisturbed trial, pruned ones included.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.trial import TrialState

from benchmarks.guarantees import Figure, Undisturbed, exactly, guarantees, publish
from benchmarks.resumable import undisturbed as closed_form
from benchmarks.study_process import STUDY, start
from distune.config import Config, as_dict, load_config, with_values
from distune.tuning.trials.messages import TrialTask

COORDINATOR_SHARE = 0.3
LIMIT_SECONDS = 900.0
KILLS_BETWEEN = {"none": (0.0, 0.95), "median": (0.15, 0.45)}
"""Shares of all epochs, by pruner: from where trials may be pruned to what the study reaches in any case."""


@dataclass
class Attack:
    """A study under attack.

    Args:
        logs: where it lives.
        command: how a coordinator is started.
        moments: numbers of student epochs done, in all trials, at which something is killed.
        seed: of the choice between coordinator and workers and of the delay after a moment.
        epoch_seconds: longest delay.
    """

    logs: Path
    command: dict[str, Any]
    moments: list[float]
    seed: int
    epoch_seconds: float
    coordinators_killed: int = 0
    workers_killed: int = 0

    def run(self) -> int:
        """Kills at every moment and starts the coordinator again; its last exit code."""
        chance = random.Random(self.seed)
        coordinator = start(self.logs, **self.command)
        for moment in self.moments:
            self._wait_for(coordinator, moment)
            time.sleep(chance.uniform(0, self.epoch_seconds))
            if chance.random() < COORDINATOR_SHARE:
                coordinator.kill()
                coordinator.wait()
                self.coordinators_killed += 1
                coordinator = start(self.logs, **self.command)
            else:
                chance.choice(self._workers(coordinator)).kill()
                self.workers_killed += 1
        return coordinator.wait(timeout=LIMIT_SECONDS)

    def _wait_for(self, coordinator: subprocess.Popen[str], moment: float) -> None:
        while self._epochs_done() < moment:
            self._check(coordinator)
            time.sleep(0.02)

    def _epochs_done(self) -> int:
        log = self.logs / STUDY / "study.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return len({line.split(" INFO ")[1].split(",")[0] for line in lines if ": student epoch " in line})

    def _workers(self, coordinator: subprocess.Popen[str]) -> list[psutil.Process]:
        while True:
            self._check(coordinator)
            found = list(_living(psutil.Process(coordinator.pid).children()))
            if found:
                return found
            time.sleep(0.02)

    def _check(self, coordinator: subprocess.Popen[str]) -> None:
        if coordinator.poll() is not None:
            printed = (self.logs / "coordinator.log").read_text()[-2000:]
            raise SystemExit(f"the coordinator ended before the last kill:\n{printed}")


def _living(processes: list[psutil.Process]) -> Iterator[psutil.Process]:
    for process in processes:
        try:
            if "distune.tuning.trials.worker" in process.cmdline():
                yield process
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--real", action="store_true", help="training runs of config/demo.yaml")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.real:
            config, trial_function, scores = _training(folder)
            epoch_seconds = 0.5
        else:
            config = with_values(Config(), {"student.epochs": 8})
            trial_function, scores = "benchmarks.resumable:train", _closed_form
            epoch_seconds = 0.2
        figures = [
            figure
            for pruner in (("none",) if given.real else KILLS_BETWEEN)
            for figure in (
                Figure("pruner", pruner),
                *attacked(folder / pruner, config, trial_function, scores, epoch_seconds, pruner, given),
            )
        ]
    publish(figures, given.out)


def attacked(
    logs: Path,
    config: Config,
    trial_function: str,
    scores: Undisturbed,
    epoch_seconds: float,
    pruner: str,
    given: argparse.Namespace,
) -> list[Figure]:
    """Attacks a study; its figures."""
    chance = random.Random(given.seed)
    epochs = given.trials * config.student.epochs
    command = {
        "config": as_dict(config), "n_trials": given.trials, "workers": given.workers,
        "trial_function": trial_function, "pruner": pruner,
        "sampler": "tpe" if pruner == "none" else "random",  # bad trials to the end, so that many are pruned
        "environment": {"EPOCH_SECONDS": str(epoch_seconds), "OMP_NUM_THREADS": "1"},
    }  # fmt: skip
    moments = sorted(epochs * chance.uniform(*KILLS_BETWEEN[pruner]) for _ in range(given.kills))
    attack = Attack(logs, command, moments, given.seed, epoch_seconds)
    began = time.perf_counter()
    code = attack.run()
    seconds = time.perf_counter() - began
    study = optuna.load_study(study_name=STUDY, storage=f"sqlite:///{logs}/{STUDY}.db")
    trials = study.get_trials(deepcopy=False)
    attempts = [trial.user_attrs.get("attempts", 0) for trial in trials]
    stopped = [trial for trial in trials if trial.state == TrialState.PRUNED]
    met = sum(trial.user_attrs["attempts"] > 1 for trial in stopped)
    return [
        exactly("kills", attack.coordinators_killed + attack.workers_killed, given.kills),
        Figure(
            "... of the coordinator / of a worker", f"{attack.coordinators_killed} / {attack.workers_killed}"
        ),
        exactly("exit code of the last command", code, 0),
        *guarantees(study, given.trials, scores, logs / STUDY / "study.log"),
        Figure("pruned trials / that met a kill", f"{len(stopped)} / {met}"),
        Figure("attempts a trial, mean / most", f"{sum(attempts) / len(attempts):.1f} / {max(attempts)}"),
        Figure("wall time", f"{seconds:.0f} s"),
        Figure("epochs recorded", str(sum(len(trial.intermediate_values) for trial in trials))),
    ]


def _closed_form(_: int, config: Config) -> list[float]:
    return closed_form(as_dict(config))


def _training(folder: Path) -> tuple[Config, str, Undisturbed]:
    """The demo config on a small demo set, and its trials trained again in one piece, with a cache of their own."""
    from distune.data.demo.demo import write_demo
    from distune.tuning.trials.trial import run_trial

    write_demo(folder / "data", seed=1, examples=160)
    os.environ["DISTUNE_CACHE"] = str(folder / "cache")
    values = {
        "data.reader": "medpix",
        "data.root": str(folder / "data"),
        "student.epochs": 6,
        "training.threads": 1,
    }
    config = load_config(Path(__file__).parents[1] / "config" / "demo.yaml", values)

    def again(number: int, trial_config: Config) -> list[float]:
        os.environ["DISTUNE_CACHE"] = str(folder / "cache_again")
        scores: list[float] = []

        def report(stage: str, epoch: int, score: float) -> bool:
            if stage == "student":
                scores.append(score)
            return True

        run_trial(TrialTask(number, as_dict(trial_config), str(folder / f"again_{number}")), report)
        return scores

    return config, "distune.tuning.trials.trial:run_trial", again


if __name__ == "__main__":
    main()
