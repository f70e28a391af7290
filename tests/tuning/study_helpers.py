"""Studies without a CLI, and coordinators on simulated workers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import optuna
import pytest
from closed_form_trials import score_at
from simulated_workers import Script, SimulatedExecutor, Work

from distune.config import Config, StudyConfig, with_values
from distune.tuning.coordinator.coordinator import Coordinator, Limits
from distune.tuning.coordinator.leases import Lease
from distune.tuning.coordinator.ledger import Ledger
from distune.tuning.coordinator.proposals import JointProposals
from distune.tuning.coordinator.retention import Retention
from distune.tuning.coordinator.takeover import Takeover
from distune.tuning.executors.base import Executor
from distune.tuning.request import TrialFunctions, TuneRequest
from distune.tuning.search.pruners import make_pruner
from distune.tuning.space.build import build_space
from distune.tuning.study.open_study import open_study, write_settings
from distune.tuning.study.settings import StudySettings
from distune.tuning.study.storage import open_storage
from distune.tuning.trials.messages import TrialTask

KINDS_OF_TRIALS = {
    "trial_function": "joint",
    "teacher_trial_function": "teacher",
    "folds_trial_function": "folds",
}


def base_config(**values: object) -> Config:
    """The defaults with 4 student epochs; `a__b` stands for the key a.b."""
    keys = {key.replace("__", "."): value for key, value in values.items()}
    return with_values(Config(), {"student.epochs": 4, **keys})


def settings_of(base: Config | None = None, **values: object) -> StudySettings:
    base = base or base_config()
    return StudySettings(base=base, space=build_space(base), dataset="sha256:0", **values)  # type: ignore[arg-type]


def sqlite_study(folder: Path, settings: StudySettings, name: str = "study") -> optuna.Study:
    study = open_study(open_storage(f"sqlite:///{folder}/{name}.db"), name, settings)
    study.pruner = make_pruner(settings.pruner, settings.base.student.epochs)
    return study


def tune_request(config: Config | None = None, **options: Any) -> TuneRequest:
    """What `tune` is asked for: settings of the `study` section, trial functions and everything else by name."""
    functions = {kind: options.pop(name) for name, kind in KINDS_OF_TRIALS.items() if name in options}
    if "study_name" in options:
        options["name"] = options.pop("study_name")
    settings = {name: options.pop(name) for name in list(options) if name in StudyConfig.model_fields}
    options.setdefault("dataset", "sha256:0")
    functions = TrialFunctions(**functions)
    return TuneRequest.of(config or base_config(), settings, functions=functions, **options)


def memory_study(settings: StudySettings) -> optuna.Study:
    study = optuna.create_study(
        direction="maximize", pruner=make_pruner(settings.pruner, settings.base.student.epochs)
    )
    write_settings(study, settings)
    return study


def training(task: TrialTask) -> Iterator[Work]:
    """A simulated run: one teacher epoch, then student epochs of ten seconds."""
    yield Work(10.0, "teacher", 1, 0.5)
    for epoch in range(1, task.config["student"]["epochs"] + 1):
        yield Work(10.0, "student", epoch, score_at(task.config, epoch))


def coordinator(
    study: optuna.Study,
    settings: StudySettings,
    folder: Path,
    executor: Executor | Script = training,
    *,
    n_trials: int = 5,
    workers: int = 1,
    lease: Lease | None = None,
    **others: object,
) -> Coordinator:
    if not isinstance(executor, Executor):
        executor = SimulatedExecutor(executor, workers=workers)
    limits = {key: others.pop(key) for key in ("timeout", "on_oom", "prune_teacher") if key in others}
    proposals = others.pop("proposals", None) or JointProposals(settings)
    retention = others.pop("retention", None) or Retention(folder / "trials", reserve_gb=0.0)
    lease = lease or Lease.new(executor.workers)
    ledger = Ledger(study, lease.coordinator)
    clock = others.pop("clock", time.monotonic)
    return Coordinator(
        ledger,
        proposals,  # type: ignore[arg-type]
        executor,
        Takeover(ledger, lease, clock),  # type: ignore[arg-type]
        retention,  # type: ignore[arg-type]
        Limits(n_trials, **limits),  # type: ignore[arg-type]
        **others,  # type: ignore[arg-type]
    )


@contextmanager
def in_this_process() -> Iterator[None]:
    """What `tune` starts is played by workers of this process: a study from its request to its files in moments."""

    def make(name: str, function: str, folder: Path, *, workers: int, **others: Any) -> SimulatedExecutor:
        return SimulatedExecutor(_script(function), workers=workers)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("distune.tuning.study_run.make_executor", make)
        yield


def _script(function: str) -> Script:
    """A trial function as a script: all that it reports, at one second each."""

    def script(task: TrialTask) -> Iterator[Work]:
        found: list[Work] = []

        def report(stage: str, epoch: int, score: float) -> bool:
            found.append(Work(1.0, stage, epoch, score))
            return True

        task.path.mkdir(parents=True, exist_ok=True)
        resolve_name(function)(task, report)
        yield from found

    return script


def states(study: optuna.Study) -> dict[str, int]:
    found: dict[str, int] = {}
    for trial in study.get_trials(deepcopy=False):
        found[trial.state.name] = found.get(trial.state.name, 0) + 1
    return found


def points(study: optuna.Study) -> list[dict]:
    """The parameters of all trials, in order."""
    return [trial.params for trial in study.get_trials(deepcopy=False)]
