"""A run, a resume and a confirmation on a pretended device, from the files of a data set to results and tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from pretended import PretendedDevice, pretended

from distune.config import Config, with_values
from distune.confirmation import course
from distune.confirmation.confirm import confirm
from distune.data import Table, read_table
from distune.setup import estimate as estimate_module
from distune.store import Store
from distune.training.callbacks import Callback, EpochRecord, StopTraining
from distune.training.devices import Compute
from distune.training.files import checkpoint
from distune.training.run import run
from distune.tuning.executors.base import Executor
from distune.tuning.trials.messages import Event, TrialFinished, TrialTask
from distune.tuning.trials.trial import run_trial

sys.path.insert(0, str(Path(__file__).parents[1] / "confirmation"))
from confirmation_helpers import config_on, numbers_of, request_for, write_study

pytestmark = pytest.mark.slow

KINDS = ("cuda", "mps")
FROZEN = {f"{who}__{part}__freeze": "all" for who in ("teacher", "student") for part in ("vision", "text")}
SHORT = {
    "teacher__epochs": 1,
    "student__epochs": 2,
    "training__device": "auto",
    "training__precision": "auto",
    "training__batch_size": 40,
}


@pytest.mark.parametrize("kind", ("cpu", *KINDS))
def test_an_estimate_tries_a_whole_batch_on_a_gpu(
    kind: str, tiny_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []
    inputs = estimate_module._inputs

    def counting(model: Any, config: Config, table: Table, count: int, compute: Compute) -> Any:
        tried.append(count)
        return inputs(model, config, table, count, compute)

    monkeypatch.setattr(estimate_module, "_inputs", counting)
    config = tiny_config(training__device="auto", training__batch_size=10, training__precision="fp32")
    with pretended(kind) if kind != "cpu" else nullcontext():
        found = estimate_module.estimate(config, read_table(config.data))
    assert tried == ([4, 4] if kind == "cpu" else [10, 10]) and found.further_s > 0


class StopAfter(Callback):
    """Stops the run after an epoch of the student."""

    def __init__(self, epoch: int):
        self._epoch = epoch

    def on_epoch_end(self, record: EpochRecord) -> None:
        if (record.stage, record.epoch) == ("student", self._epoch):
            raise StopTraining


class InThisProcess(Executor):
    """One worker without a process of its own, which could not be on the pretended device."""

    def __init__(self, *_: Any, devices: Any, **__: Any):
        self._device = devices[0]
        self._events: list[Event] = []

    workers = 1  # type: ignore[assignment]

    def free(self) -> int:
        return 0 if self._events else 1

    def submit(self, task: TrialTask) -> None:
        on_device = TrialTask(task.number, task.config, task.folder, self._device)
        outcome = run_trial(on_device, lambda stage, epoch, score: True)
        self._events.append(TrialFinished(task.number, outcome))

    def answer(self, number: int, *_: Any, **__: Any) -> None:
        raise AssertionError("nothing was asked")

    def wait(self, seconds: float) -> list[Event]:
        found, self._events = self._events, []
        return found

    def now(self) -> float:
        return 0.0

    def close(self) -> None:
        return


def numbers(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "values", [{}, {**FROZEN, "training__deterministic": True}], ids=["trained", "frozen"]
)
def test_a_run_and_a_resumed_one(
    tiny_config: Callable[..., Config],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    values: dict[str, Any],
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0.0)
    config = tiny_config(**SHORT, **values)
    with pretended(kind) as device:
        result = run(config, tmp_path / "whole", store=Store(tmp_path / "a"), open_test=True)
        store = Store(tmp_path / "b")
        assert run(config, tmp_path / "parts", callback=StopAfter(1), store=store).stopped
        assert (tmp_path / "parts/checkpoint_student.safetensors").is_file()
        run(config, tmp_path / "parts", store=store, open_test=True)
    torch.use_deterministic_algorithms(False)
    assert numbers(tmp_path / "whole") == numbers(tmp_path / "parts")
    about = json.loads((tmp_path / "whole/environment.json").read_text())
    assert about["device"] == ("Pretended H100" if kind == "cuda" else "Apple GPU (mps)")
    assert about["precision"] == ("bf16" if kind == "cuda" else "fp32")
    assert about["deterministic"] is bool(values)
    assert result.cost.peak_device_mb == 123.0
    assert set(result.results["splits"]) == {"dev", "test"}
    assert device.copies


@pytest.fixture
def study(demo_root: Path, tmp_path: Path) -> Path:
    base = with_values(config_on(demo_root), {"training.device": "auto", "training.precision": "auto"})
    return write_study(tmp_path / "logs/optuna", base, [({}, 0.5), ({"student.lr": 8e-3}, 0.7)])


@pytest.mark.parametrize("kind", KINDS)
def test_a_confirmation(study: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    made: list[PretendedDevice] = []

    def in_this_process(*arguments: Any, **options: Any) -> Executor:
        assert options["devices"] == (str(made[0].device),)
        return InThisProcess(*arguments, **options)

    monkeypatch.setattr(course, "make_executor", in_this_process)
    with pretended(kind) as device:
        made.append(device)
        result = confirm(request_for(study, top=1, seeds=1))
    assert result.reason == "finished"
    assert numbers_of(study)["complete"]
