"""What was spent adds up, and an exception carries it."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from distune.config import Config
from distune.training.cost import (
    Cost,
    carried,
    cost_until,
    peak_of_process_mb,
    peak_process_mb,
    reset_peak_memory,
)
from distune.training.run import run, run_teacher

MakeConfig = Callable[..., Config]


def test_seconds_add_up_and_peaks_do_not() -> None:
    first = Cost({"data": 1.0, "teacher": 2.0}, 300.0, 0.0, "CPU, 1 thread")
    second = Cost({"teacher": 3.0, "student": 4.0}, 200.0)
    both = Cost({"data": 1.0, "teacher": 5.0, "student": 4.0}, 300.0, 0.0, "CPU, 1 thread")
    assert first + second == second + first == both
    assert Cost() + Cost() == Cost(), "what nobody saw stays unknown"
    assert first.without_seconds + first == first


def test_an_exception_carries_the_cost_of_all_that_it_passed() -> None:
    with (
        pytest.raises(ValueError, match="no") as caught,
        carried(lambda: Cost({"first": 1.0})),
        carried(lambda: Cost({"second": 2.0}, 50.0)),
    ):
        raise ValueError("no")
    assert cost_until(caught.value) == Cost({"first": 1.0, "second": 2.0}, 50.0)
    assert cost_until(ValueError()) == Cost()


@pytest.mark.slow
@pytest.mark.parametrize("trains", [run, run_teacher])
def test_a_run_that_fails_says_what_it_cost(
    tiny_config: MakeConfig, tmp_path: Path, trains: Callable[..., object]
) -> None:
    config = tiny_config(
        teacher__lr=1e30, training__grad_clip=None, training__warmup=0.0, training__threads=1
    )
    with pytest.raises(FloatingPointError) as caught:
        trains(config, tmp_path / "run")
    cost = cost_until(caught.value)
    assert cost.seconds.keys() == {"data", "teacher"} and min(cost.seconds.values()) > 0
    assert cost.peak_memory_mb is not None and cost.peak_memory_mb > 100
    assert (cost.peak_device_mb, cost.device) == (0.0, "CPU, 1 thread")


def test_of_two_costs_the_later_device_is_named_and_each_peak_is_its_own() -> None:
    both = Cost({"data": 1.0}, 300.0, 5.0, "one") + Cost({"data": 2.0}, 200.0, 7.0, "two")
    assert both == Cost({"data": 3.0}, 300.0, 7.0, "two")


@pytest.mark.parametrize(("platform", "units"), [("darwin", 2**20), ("linux", 2**10)])
def test_elsewhere_the_peak_is_in_the_units_of_the_system(
    platform: str, units: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distune.training.cost.peak_of_process_mb", lambda process: None)
    monkeypatch.setattr(sys, "platform", platform)
    assert peak_process_mb() == resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process forget its peak")
def test_the_peak_is_of_resident_memory_and_falls_where_it_is_reset() -> None:
    held = bytearray(b"1") * (64 * 2**20)
    before, highest = peak_process_mb(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    assert 64 < before <= highest + 1
    del held
    reset_peak_memory()
    assert peak_process_mb() < before - 40
    assert peak_of_process_mb(os.getpid()) == pytest.approx(peak_process_mb(), abs=5)
    assert peak_of_process_mb(2**30) is None, "there is no such process"
