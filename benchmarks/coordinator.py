"""What the coordinator itself costs: simulated workers in virtual time, the coordinator's own time real.

    python -m benchmarks.coordinator [--trials 1000] [--workers 64] [--known 10000] [--memory] [--out FILE]

An epoch of a simulated worker takes 60 s of virtual time, and 6 s in a second study, a fifth more or less from trial to
trial; while the coordinator works, the clock of all workers runs on. A worker waits from the end of its epoch or trial
on, so standing in the queue behind others counts. `--memory` keeps the study out of SQLite, which leaves the
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
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from benchmarks.guarantees import Figure, below, exactly, publish
from benchmarks.resumable import undisturbed
from distune.config import Config, as_dict, with_values
from distune.tuning.coordinator.coordinator import Coordinator, Limits
from distune.tuning.coordinator.leases import Lease
from distune.tuning.coordinator.ledger import Ledger
from distune.tuning.coordinator.proposals import JointProposals, distribution, suggest
from distune.tuning.coordinator.retention import Retention
from distune.tuning.coordinator.takeover import Takeover
from distune.tuning.search.pruners import make_pruner
from distune.tuning.search.samplers import plain_sampler
from distune.tuning.space.build import build_space
from distune.tuning.study.open_study import open_study
from distune.tuning.study.settings import StudySettings
from distune.tuning.study.storage import default_url, open_storage
from distune.tuning.trials.messages import TrialTask
from tests.tuning.simulated_workers import SimulatedExecutor, Work

STUDENT_EPOCHS = 10
REFERENCE_SECONDS, SHORT_SECONDS = 60.0, 6.0
"""Of an epoch: what the limit is for, and one that a small model on few examples takes."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--known", type=int, default=10_000, help="the number of the trial that is asked for")
    parser.add_argument("--memory", action="store_true", help="keep the study in memory instead of SQLite")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    base = with_values(Config(), {"student.epochs": STUDENT_EPOCHS})
    settings = StudySettings(base=base, space=build_space(base), dataset="benchmark")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = [
            Figure("storage", "memory" if given.memory else "SQLite"),
            *waiting(REFERENCE_SECONDS, settings, folder, given),
            *waiting(SHORT_SECONDS, settings, folder, given),
            alone(settings, folder, given),
            *asking(settings, folder, given),
        ]
    publish(figures, given.out)


def waiting(
    epoch_seconds: float, settings: StudySettings, folder: Path, given: argparse.Namespace
) -> list[Figure]:
    """The share of the workers' time that they wait for an answer or for their next trial."""
    name = f"waiting_{epoch_seconds:g}"
    study = _study(folder, name, settings, given.memory)

    def script(task: TrialTask) -> Iterator[Work]:
        pace = (
            0.8 + 0.4 * random.Random(task.number).random()
        )  # or all workers would report at the same moment
        for epoch, score in enumerate(undisturbed(task.config), start=1):
            yield Work(pace * epoch_seconds, "student", epoch, score)

    executor = SimulatedExecutor(script, workers=given.workers, charge=True)
    lease = Lease.new(given.workers)
    ledger = Ledger(study, lease.coordinator)
    coordinator = Coordinator(
        ledger, JointProposals(settings), executor, Takeover(ledger, lease), Retention(folder / name),
        Limits(given.trials),
    )  # fmt: skip
    began, busy = time.perf_counter(), time.process_time()
    reason = coordinator.run()
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    waits = f"{given.workers} workers' time spent waiting"
    share = executor.waited / (executor.worked + executor.waited)
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return [
        Figure("the study ends", reason, "finished", reason == "finished"),
        exactly("finished trials", len(finished), given.trials),
        Figure("epochs, of virtual seconds each", f"{STUDENT_EPOCHS} x {epoch_seconds:g} s"),
        below(waits, 100 * share, 2, "%")
        if epoch_seconds == REFERENCE_SECONDS
        else Figure(waits, f"{100 * share:.3g} %"),
        Figure(
            "the coordinator's own time",
            f"{seconds:.0f} s, {1000 * seconds / given.trials:.0f} ms a trial, of which the processor works "
            f"{1000 * busy / given.trials:.0f} ms",
        ),
    ]


def alone(settings: StudySettings, folder: Path, given: argparse.Namespace) -> Figure:
    """Optuna's own time: ask, ten reports with a question of the pruner each, tell; as many trials in flight."""
    storage = InMemoryStorage() if given.memory else RDBStorage(default_url(folder, "alone"))  # Optuna's own
    study = open_study(storage, "alone", settings)
    study.pruner = make_pruner(settings.pruner, settings.base.student.epochs)
    study.sampler = plain_sampler(settings.sampler, settings.seed)
    busy, running, finished = time.process_time(), [], 0
    while finished < given.trials:
        while len(running) < min(given.workers, given.trials - finished):
            trial = study.ask()
            params = suggest(trial, settings.space, settings.base)
            values = settings.space.overrides(params)
            config = as_dict(with_values(settings.base, values))
            running.append((trial, iter(enumerate(undisturbed(config), start=1))))
        for trial, scores in list(running):
            epoch, score = next(scores, (None, None))
            if epoch is not None:
                trial.report(score, epoch)
            if epoch is None or (epoch < STUDENT_EPOCHS and trial.should_prune()):
                state = TrialState.COMPLETE if epoch is None else TrialState.PRUNED
                last = max(trial.storage.get_trial(trial._trial_id).intermediate_values.items())[1]
                study.tell(trial, last if state == TrialState.COMPLETE else None, state)
                running = [one for one in running if one[0] is not trial]
                finished += 1
    spent = 1000 * (time.process_time() - busy) / given.trials
    return Figure("Optuna alone, with its own storage", f"{spent:.0f} ms of processor a trial")


def asking(settings: StudySettings, folder: Path, given: argparse.Namespace) -> list[Figure]:
    """The time from asking for a trial to its config: by a coordinator that just came, and by one that is there."""
    study, number = _study(folder, "asking", settings, given.memory), given.known
    study.add_trials(_known(study, settings, number))
    if not given.memory:
        study = _study(folder, "asking", settings, in_memory=False)  # opened again: nothing is read yet
    ledger, proposals = Ledger(study, "benchmark"), JointProposals(settings)
    seconds, processor = [], []
    for _ in range(6):
        began, busy = time.perf_counter(), time.process_time()
        trial = ledger.ask()
        _, overrides = proposals.propose(study, trial)
        proposals.config(overrides)
        seconds.append(time.perf_counter() - began)
        processor.append(time.process_time() - busy)
    return [
        Figure(
            f"asking for trial {number:,}, cold: the first of a coordinator",
            f"{seconds[0]:.3g} s, of which the processor works {processor[0]:.3g} s",
        ),
        below("asking for one of the next, median of 5", statistics.median(seconds[1:]), 0.5, "s"),
        Figure("... of which the processor works", f"{statistics.median(processor[1:]):.3g} s"),
    ]


def _known(study: Study, settings: StudySettings, number: int) -> list[FrozenTrial]:
    """Complete trials at random points."""
    distributions = {name: distribution(parameter) for name, parameter in settings.space.parameters.items()}
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
    return known


def _study(folder: Path, name: str, settings: StudySettings, in_memory: bool) -> Study:
    storage = InMemoryStorage() if in_memory else open_storage(default_url(folder, name))
    study = open_study(storage, name, settings)
    study.pruner = make_pruner(settings.pruner, settings.base.student.epochs)
    return study


if __name__ == "__main__":
    main()
