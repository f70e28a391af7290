"""What the coordinator itself costs: simulated workers in virtual time, the coordinator's own time real.

    python -m benchmarks.coordinator [--trials 1000] [--workers 64] [--known 10000] [--memory] [--out FILE]

An epoch of a simulated worker takes `--epoch-seconds` of virtual time, a fifth more or less from trial to trial; while
the coordinator works, the clock of all workers runs on. `--memory` keeps the study out of SQLite, which leaves the
coordinator and its sampler alone.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
from optuna.storages import InMemoryStorage
from optuna.study import Study
from optuna.trial import TrialState, create_trial

from benchmarks.guarantees import Figure, below, exactly, publish
from benchmarks.resumable import undisturbed
from distune.config import Config, with_values
from distune.tuning.adoption import Adoption
from distune.tuning.coordinator import Coordinator, Limits
from distune.tuning.executors import SimulatedExecutor
from distune.tuning.executors.simulated import Work
from distune.tuning.leases import Lease
from distune.tuning.ledger import Ledger
from distune.tuning.messages import TrialTask
from distune.tuning.proposals import JointProposals
from distune.tuning.pruners import make_pruner
from distune.tuning.retention import Retention
from distune.tuning.space import build_space
from distune.tuning.storage import default_url, open_storage
from distune.tuning.study import Setup, open_study
from distune.tuning.suggest import distribution

STUDENT_EPOCHS = 10


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--epoch-seconds", type=float, default=60.0)
    parser.add_argument("--known", type=int, default=10_000, help="the number of the trial that is asked for")
    parser.add_argument("--memory", action="store_true", help="keep the study in memory instead of SQLite")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    base = with_values(Config(), {"student.epochs": STUDENT_EPOCHS})
    setup = Setup(base=base, space=build_space(base), dataset="benchmark")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = [
            Figure("storage", "memory" if given.memory else "SQLite"),
            *waiting(_study(folder, "waiting", setup, given.memory), setup, folder, given),
            *asking(_study(folder, "asking", setup, given.memory), setup, given.known),
        ]
    publish("coordinator", figures, given.out)


def waiting(study: Study, setup: Setup, folder: Path, given: argparse.Namespace) -> list[Figure]:
    """The share of the workers' time that they wait for an answer or for their next trial."""

    def script(task: TrialTask) -> Iterator[Work]:
        pace = (
            0.8 + 0.4 * random.Random(task.number).random()
        )  # or all workers would report at the same moment
        for epoch, score in enumerate(undisturbed(task.config), start=1):
            yield Work(pace * given.epoch_seconds, "student", epoch, score)

    executor = SimulatedExecutor(script, workers=given.workers, charge=True)
    lease = Lease.new(given.workers)
    ledger = Ledger(study, lease.coordinator)
    coordinator = Coordinator(
        ledger, JointProposals(setup), executor, Adoption(ledger, lease), Retention(folder / "trials"),
        Limits(given.trials),
    )  # fmt: skip
    began = time.perf_counter()
    reason = coordinator.run()
    seconds = time.perf_counter() - began
    share = executor.waited / (executor.worked + executor.waited)
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return [
        Figure("the study ends", reason, "finished", reason == "finished"),
        exactly("finished trials", len(finished), given.trials),
        Figure("epochs, of virtual seconds each", f"{STUDENT_EPOCHS} x {given.epoch_seconds:g} s"),
        below(f"{given.workers} workers' time spent waiting", 100 * share, 2, "%"),
        Figure(
            "the coordinator's own time", f"{seconds:.0f} s, {1000 * seconds / given.trials:.0f} ms a trial"
        ),
    ]


def asking(study: Study, setup: Setup, number: int) -> list[Figure]:
    """The time from asking for a trial to its config, when all trials before it are known."""
    distributions = {name: distribution(parameter) for name, parameter in setup.space.parameters.items()}
    sampler = optuna.samplers.RandomSampler(seed=0)
    known = []
    for index in range(number):
        params = {
            name: sampler.sample_independent(study, None, name, one)  # type: ignore[arg-type]
            for name, one in distributions.items()
        }
        known.append(
            create_trial(params=params, distributions=distributions, value=index * 7919 % 1000 / 1000)
        )
    study.add_trials(known)
    ledger, proposals = Ledger(study, "benchmark"), JointProposals(setup)
    seconds, processor = [], []
    for _ in range(5):
        began, busy = time.perf_counter(), time.process_time()
        trial = ledger.ask()
        proposals.config(ledger.propose(proposals, trial).overrides)
        seconds.append(time.perf_counter() - began)
        processor.append(time.process_time() - busy)
    return [
        below(f"asking for trial {number:,}, median of 5", statistics.median(seconds), 0.5, "s"),
        Figure("... of which the processor works", f"{statistics.median(processor):.3g} s"),
    ]


def _study(folder: Path, name: str, setup: Setup, in_memory: bool) -> Study:
    storage = InMemoryStorage() if in_memory else open_storage(default_url(folder, name))
    study = open_study(storage, name, setup)
    study.pruner = make_pruner(setup.pruner, setup.base.student.epochs)
    return study


if __name__ == "__main__":
    main()
