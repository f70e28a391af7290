from __future__ import annotations

from types import SimpleNamespace

import pytest
import simulated_workers
from simulated_workers import SimulatedExecutor, Work

from distune.tuning.trials.messages import EpochReported, TrialTask


def test_a_worker_waits_from_its_event_on_and_not_only_from_its_turn(tmp_path, monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(simulated_workers, "time", SimpleNamespace(perf_counter=lambda: clock.now))

    def script(task):
        yield Work(10.0, "student", 1, 0.5)

    executor = SimulatedExecutor(script, workers=2, charge=True)
    for number in range(2):
        executor.submit(TrialTask(number, {}, str(tmp_path)))
    scored = 0
    while scored < 2:
        for event in executor.wait(60.0):
            if isinstance(event, EpochReported):
                scored += 1
                clock.now += 3.0  # the coordinator thinks
                executor.answer(event.number, True)
    assert executor.worked == 20.0
    assert executor.waited == pytest.approx(3.0 + 6.0)


def test_an_executor_is_closed_at_the_end_of_its_block():
    closed = []

    class Closing(SimulatedExecutor):
        def close(self):
            closed.append(self)

    with Closing(lambda task: iter(())) as executor:
        assert closed == []
    assert closed == [executor]
