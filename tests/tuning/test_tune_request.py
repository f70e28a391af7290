"""What a request says, and how a study run passes it on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from simulated_workers import SimulatedExecutor
from study_helpers import base_config, memory_study, settings_of, training, tune_request

from distune.config import StudyConfig
from distune.errors import ConfigError
from distune.tuning import study_run
from distune.tuning.coordinator.leases import leases
from distune.tuning.request import TuneRequest
from distune.tuning.staged import TEACHER_WARMUP
from distune.tuning.study.settings import warmup_of_folds
from distune.tuning.study_run import Ending, StudyRunner
from tests.stand_ins import refusing_as


def test_settings_lie_over_the_section_of_the_config_and_all_of_them_count() -> None:
    config = base_config(study__n_trials=7, study__keep_best=5, study__workers=3)
    request = TuneRequest.of(config, {"keep_best": 0, "timeout": 5.0, "workers": None}, dataset="d", fork="f")
    assert (request.asked.n_trials, request.asked.keep_best, request.asked.timeout) == (7, 0, 5.0)
    assert request.asked.workers is None and (request.dataset, request.fork) == ("d", "f")
    assert request.config.student == config.student and config.study.keep_best == 5
    with pytest.raises(ConfigError) as refused:
        TuneRequest.of(config, {"n_trails": 3})
    assert "study settings" in str(refused.value) and "study.n_trails" in str(refused.value)


@pytest.mark.parametrize(
    ("study", "device", "workers", "devices"),
    [
        ({}, "cpu", 1, ("cpu",)),
        ({"workers": 3}, "cpu", 3, ("cpu",)),
        ({"gpus": ("cuda:0", "cuda:1")}, "cpu", 2, ("cuda:0", "cuda:1")),
        ({"gpus": ("cuda:0",), "workers": 4}, "cpu", 4, ("cuda:0",)),
    ],
)
def test_there_is_a_worker_for_each_gpu_where_nothing_else_is_said(
    study: dict[str, Any], device: str, workers: int, devices: tuple[str, ...]
) -> None:
    request = TuneRequest.of(base_config(training__device=device), study)
    assert (request.workers, request.devices) == (workers, devices)


def test_the_devices_of_ray_s_workers_are_what_it_sets_aside() -> None:
    request = TuneRequest.of(base_config(), {"executor": "ray", "workers": 2, "gpus_per_trial": 0.5})
    assert request.worker_devices() == ("cuda:0", "cuda:0")


class Started:
    """Executors in virtual time, and what they were asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __call__(self, *given: Any, **named: Any) -> SimulatedExecutor:
        self.asked.append((given, named))
        return SimulatedExecutor(training, workers=named["workers"])


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    found = Started()
    monkeypatch.setattr(study_run, "make_executor", refusing_as(study_run.make_executor, found))
    return found


def coordinators(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """What coordinators are made of from now on, in place of which there are ended ones."""
    made: list[Any] = []
    stand_in = refusing_as(
        study_run.Coordinator, lambda *given, **named: made.append((given, named)) or Run()
    )
    monkeypatch.setattr(study_run, "Coordinator", stand_in)
    return made


def test_a_study_run_passes_on_what_was_asked_for(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = coordinators(monkeypatch)
    interrupted = [1].count
    asked = {"workers": 2, "executor": "ray", "ray_address": "head:1", "gpus_per_trial": 0.5, "keep_best": 7,
             "timeout": 100.0, "on_oom": "retry"}  # fmt: skip
    request = tune_request(base_config(training__threads=3), **asked)
    settings = settings_of(prune_teacher=True, pruner="percentile", warmup=3)
    study = memory_study(settings)
    began = time.monotonic()
    runner = StudyRunner(request, interrupted)  # type: ignore[arg-type]
    runner._started -= 40.0
    assert runner.run(study, settings, tmp_path, 11) == Ending("timeout", Run.failure)
    assert started.asked == [
        (("ray", request.functions.joint, tmp_path / "workers"),
         {"workers": 2, "devices": ("cuda:0", "cuda:0"), "threads": 3, "ray_address": "head:1",
          "gpus_per_trial": 0.5, "interrupted": interrupted})
    ]  # fmt: skip
    (((ledger, _, _, _, retention, limits), named),) = seen
    assert ledger.retrying._interrupted is interrupted and ledger.study is study
    assert (limits.n_trials, limits.on_oom, limits.prune_teacher) == (11, "retry", True)
    least = 60.0 - (time.monotonic() - began)
    assert least - 1e-6 < limits.timeout <= 60.0 and runner._seconds_left() <= limits.timeout
    assert retention._keep == 7 and retention.path(1) == tmp_path / "trials" / "trial_0001"
    assert named["interrupted"] is interrupted
    assert (study.pruner._percentile, study.pruner._n_warmup_steps) == (75.0, 4)  # type: ignore[attr-defined]
    (lease,) = leases(study.user_attrs).values()
    assert (lease.workers, lease.devices, lease.n_trials) == (2, ["cuda:0", "cuda:0"], 11)


class Run:
    """A coordinator that has ended."""

    failure: Any = object()

    def run(self) -> str:
        return "timeout"


def test_each_kind_of_study_has_its_function_its_folder_and_its_pruner(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = coordinators(monkeypatch)
    request = tune_request()
    for settings, function, folder in (
        (
            settings_of(strategy="teacher", warmup=TEACHER_WARMUP),
            request.functions.teacher,
            tmp_path / "teacher",
        ),
        (settings_of(folds=2, warmup=warmup_of_folds(2)), request.functions.folds, tmp_path),
        (settings_of(strategy="staged"), request.functions.joint, tmp_path),
    ):
        study = memory_study(settings)
        StudyRunner(request, lambda: 0).run(study, settings, tmp_path, 2)
        (_, asked, workers), _ = started.asked[-1]
        assert (asked, workers) == (function, folder / "workers")
        assert seen[-1][0][4].path(0) == folder / "trials" / "trial_0000"
        warmup = getattr(study.pruner, "_warmup", None) or getattr(study.pruner, "_n_warmup_steps", 1) - 1
        assert warmup == settings.warmup


@pytest.mark.parametrize(("warmup", "is_said"), [(2, False), (3, True)])
def test_a_pruner_that_has_no_time_to_stop_a_trial_is_named(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    warmup: int, is_said: bool,
) -> None:  # fmt: skip
    coordinators(monkeypatch)
    settings = settings_of(pruner="median", warmup=warmup)
    StudyRunner(tune_request(), lambda: 0).run(memory_study(settings), settings, tmp_path, 1)
    assert ("too few" in caplog.text) is is_said


def test_a_time_limit_holds_for_all_runs_of_a_request_together() -> None:
    runner = StudyRunner(tune_request(timeout=10.0), lambda: 0)
    runner._started -= 30.0
    assert runner._seconds_left() == 0.0
    assert StudyRunner(tune_request(), lambda: 0)._seconds_left() is None
    assert StudyConfig().timeout is None
