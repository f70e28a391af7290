"""Which worker gets which device, and what is refused before anything starts."""

from __future__ import annotations

import pytest
import torch

from distune.errors import UserError
from distune.training.devices import Compute, resolve_device, worker_devices


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("asked", "workers", "expected"),
    [
        (["auto"], 1, ["cuda:0"]),
        (["auto"], 4, ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]),
        (["cuda"], 2, ["cuda:0", "cuda:0"]),
        (["cuda:1", "cpu"], 3, ["cuda:1", "cpu", "cuda:1"]),
        (["cpu"], 2, ["cpu", "cpu"]),
    ],
)
def test_local_workers(asked: list[str], workers: int, expected: list[str]) -> None:
    assert worker_devices(asked, workers) == tuple(expected)
    assert str(resolve_device("auto")) == "cuda:0"


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize("name", ["cuda:2", "mps", "nonsense", "xpu", "meta", "cuda:x"])
def test_what_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=name):
        worker_devices(["cpu", name], 2)


def test_a_cpu_is_named_with_its_threads() -> None:
    for threads, name in ((3, "CPU, 3 threads"), (1, "CPU, 1 thread")):
        torch.set_num_threads(threads)
        assert Compute(torch.device("cpu"), bf16=False).name == name


def test_a_machine_without_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert worker_devices(["auto"], 3) == ("cpu", "cpu", "cpu")
    with pytest.raises(UserError, match="cpu alone"):
        resolve_device("cuda:0")


@pytest.mark.parametrize(
    ("asked", "gpus", "expected"),
    [("auto", 0.0, "cpu"), ("cpu", 0.0, "cpu"), ("auto", 0.5, "cuda:0"), ("cuda:1", 1.0, "cuda:0")],
)
def test_workers_of_ray_see_the_gpu_that_was_set_aside(asked: str, gpus: float, expected: str) -> None:
    assert worker_devices([asked], 2, gpus_per_trial=gpus) == (expected, expected)


def test_ray_never_trains_on_a_cpu_what_names_a_gpu() -> None:
    with pytest.raises(UserError, match="gpus-per-trial"):
        worker_devices(["cuda:0"], 2, gpus_per_trial=0.0)
