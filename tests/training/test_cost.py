"""What was spent adds up, and an exception carries it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from distune.config import Config
from distune.training.cost import Cost, carried, cost_until
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
