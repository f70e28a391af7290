"""Which executor a request gets, and what is refused before one is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from distune.errors import UserError
from distune.tuning.executors import make, ray
from distune.tuning.executors.make import check_executor, described, devices_for, make_executor
from tests.stand_ins import refusing_as


@pytest.mark.parametrize(
    ("name", "options", "token"),
    [
        ("local", {}, None),
        ("local", {"devices": ("cuda:0",)}, None),
        ("ray", {"ray_address": "local", "gpus_per_trial": 0.5}, None),
        ("slurm", {}, "slurm"),
        ("ray", {"devices": ("cuda:0", "cuda:1")}, "cuda:0,cuda:1"),
        ("local", {"ray_address": "auto"}, "ray_address: auto"),
        ("local", {"gpus_per_trial": 0.5}, "gpus_per_trial: 0.5"),
    ],
)
def test_what_an_executor_would_not_look_at_is_refused(
    name: str, options: dict[str, Any], token: str | None
) -> None:
    if token is None:
        check_executor(name, **options)
        return
    with pytest.raises(UserError, match=token):
        check_executor(name, **options)


def test_the_workers_of_an_executor_have_a_device_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "usable_cores", lambda: 2)
    assert devices_for("local", ("cpu",), 16, gpus_per_trial=1.0) == ("cpu",) * 16
    assert devices_for("local", ("cpu",) * 20, 20) == ("cpu",) * 20, "as many as there are devices"
    assert devices_for("ray", ("auto",), 100) == ("cpu",) * 100
    assert devices_for("ray", ("auto",), 2, gpus_per_trial=0.5) == ("cuda:0", "cuda:0")
    with pytest.raises(UserError, match="at most 16"):
        devices_for("local", ("cpu",), 17)


def test_who_gets_what_is_said_in_a_line() -> None:
    assert described("local", ("cuda:0", "cpu")) == "worker-0: cuda:0, worker-1: cpu"
    assert described("ray", ("cuda:0",) * 2, 0.25) == "2 workers of the Ray cluster with 0.25 of a GPU each"
    assert described("ray", ("cpu",)) == "1 worker of the Ray cluster with no GPU each"


def test_an_executor_gets_all_that_was_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    got: list[Any] = []

    def noting(kind: str, real: Any) -> Any:
        return refusing_as(real, lambda *given, **named: got.append((kind, given, named)))

    monkeypatch.setattr(make, "LocalExecutor", noting("local", make.LocalExecutor))
    monkeypatch.setattr(ray, "RayExecutor", noting("ray", ray.RayExecutor))
    stop = [1].count
    asked: dict[str, Any] = {"workers": 3, "devices": ("cpu", "cuda:0"), "threads": 2}
    make_executor("local", "a:b", tmp_path, **asked, ray_address="x", gpus_per_trial=1.0)
    make_executor("ray", "a:b", tmp_path, **asked, gpus_per_trial=0.5, interrupted=stop)  # type: ignore[arg-type]
    make_executor("ray", "a:b", tmp_path, **asked, ray_address="head:6379")
    of_ray = {"address": "auto", "workers": 3, "gpus_per_trial": 0.5, "threads": 2, "interrupted": stop}
    assert got[:2] == [("local", ("a:b", tmp_path), asked), ("ray", ("a:b", tmp_path), of_ray)]
    assert got[2][2]["address"] == "head:6379" and got[2][2]["interrupted"]() == 0
