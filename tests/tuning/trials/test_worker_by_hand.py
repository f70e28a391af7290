"""What a worker makes of a trial's end, in this process, and how its messages pass a pipe."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock

from distune.errors import UserError
from distune.training.cost import Cost
from distune.tuning.coordinator.failures import is_of_place
from distune.tuning.trials import folds, worker
from distune.tuning.trials.messages import (
    FOLD,
    EpochReported,
    Failure,
    TrialOutcome,
    TrialTask,
    receive,
    send,
)
from distune.tuning.trials.trial import REGRESSION_SCORE, TEACHER_SCORE
from tests.stand_ins import refusing_as

COST = Cost({"student": 2.0}, 100.0, 5.0, "CPU")
Runs = Callable[[Callable[..., Any]], dict[str, Any]]
GONE = pytest.mark.parametrize("error", [EOFError, BrokenPipeError, ConnectionResetError])


@pytest.fixture
def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """The message at the end of a trial that this function runs."""

    def run(function: Callable[..., Any]) -> dict[str, Any]:
        monkeypatch.setattr(worker, "resolve_name", lambda name: function)
        ours, _ = Pipe()
        return worker._result("a:b", TrialTask(3, {}, str(tmp_path / "new" / "trial")), ours)

    return run


@pytest.mark.parametrize(
    ("state", "score", "fails"),
    [("complete", 0.5, False), ("complete", None, True), ("complete", math.nan, True), ("complete", math.inf, True),
     ("pruned", None, False), ("stopped", 0.5, False)],
)  # fmt: skip
def test_a_complete_trial_has_a_finite_score(
    ended: Runs, state: Any, score: float | None, fails: bool
) -> None:
    found = ended(lambda task, report: TrialOutcome(state, score, cost=COST))
    if fails:
        assert Failure.of(found["failed"]).kind == "not_finite"
    else:
        assert TrialOutcome.of(found["outcome"]) == TrialOutcome(state, score, cost=COST)


@pytest.mark.parametrize(("error", "kind"), [(ZeroDivisionError("x"), "crash"), (MemoryError(), "out_of_memory"),
                                             (UserError("no such loss"), "config")])  # fmt: skip
def test_a_failure_has_a_kind_and_what_it_cost(ended: Runs, error: Exception, kind: str) -> None:
    def fails(task: TrialTask, report: Any) -> TrialOutcome:
        assert task.path.is_dir()
        error.__dict__["cost"] = Cost({"teacher": 4.0}, 1.0)
        raise error

    failure = Failure.of(ended(fails)["failed"])
    assert failure.kind == kind and failure.cost.seconds == {"teacher": 4.0}
    assert failure.cost.peak_memory_mb is not None and failure.cost.peak_memory_mb > 1.0, (
        "that of the process"
    )


def test_a_folder_that_another_process_works_in_is_left_to_it(
    ended: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "LOCK_SECONDS", 0.01)
    (tmp_path / "new/trial").mkdir(parents=True)
    with FileLock(tmp_path / "new/trial/.lock"):
        failure = Failure.of(ended(lambda task, report: TrialOutcome("complete", 0.5))["failed"])
    assert failure.kind == "preempted" and str(tmp_path) in failure.message


def test_each_score_is_answered_and_none_that_is_not_finite_is_sent() -> None:
    ours, theirs = Pipe()
    report = worker._reporter(ours)
    for proceed in (True, False):
        send(theirs, {"proceed": proceed})
        assert report("student", 2, 0.5) is proceed
        assert receive(theirs) == {"score": ["student", 2, 0.5]}
    with pytest.raises(FloatingPointError, match="epoch 3"):
        report("student", 3, math.nan)
    assert not theirs.poll()


def test_messages_are_what_json_can_hold() -> None:
    task = TrialTask(3, {"student": {"lr": 0.1}}, "runs/3", attempt=2)
    assert TrialTask(**json.loads(json.dumps(task.as_dict()))).as_dict() == {**task.as_dict(), "plugins": {}}
    for message in (TrialOutcome("pruned", 0.25, 2, COST, {"x": 1}), Failure("crash", "boom", "tail", COST)):
        assert type(message).of(json.loads(json.dumps(asdict(message)))) == message  # type: ignore[attr-defined]
    assert EpochReported(1, "teacher", 3, 0.5).label == "teacher epoch 3"
    assert EpochReported(1, FOLD, 3, 0.5).label == "mean over folds 1 to 3"


def test_a_trial_by_folds_is_the_mean_of_its_folds_and_the_sum_of_their_costs() -> None:
    done = folds._Done()
    assert done.outcome("stopped").score is None
    for score, teacher in ((0.5, 0.75), (1.0, 0.25)):
        extra = {"cache_hits": 3, TEACHER_SCORE: teacher, REGRESSION_SCORE: score / 4}
        done.count(TrialOutcome("complete", score, cost=COST, extra=extra))
        done.scores.append(score)
    found = done.outcome("complete")
    assert found.score == 0.75 and found.cost == Cost({"student": 4.0}, 100.0, 5.0, "CPU")
    assert found.extra == {
        folds.FOLD_SCORES: [0.5, 1.0], TEACHER_SCORE: 0.5, REGRESSION_SCORE: 0.1875, "cache_hits": 6.0,
    }  # fmt: skip


def test_a_worker_says_when_it_is_ready_begins_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = Pipe()
    said: list[str] = []
    monkeypatch.setattr(worker, "reset_peak_memory", lambda: said.append("peak reset"))
    monkeypatch.setattr(
        worker, "_result", lambda name, task, pipe: {"outcome": [name, task.number, list(said)]}
    )
    monkeypatch.setattr(worker, "_memory_mb", lambda: 7.0)
    for number in (3, 4):
        send(theirs, TrialTask(number, {}, "t").as_dict())
    heard: list[dict[str, Any]] = []

    class Pipes:
        """Closes when both tasks are done."""

        send_bytes = staticmethod(lambda data: heard.append(json.loads(data)))

        def recv_bytes(self) -> bytes:
            if len(heard) == 5:
                raise EOFError
            return ours.recv_bytes()

    with pytest.raises(EOFError):
        worker.serve(Pipes(), "a:b")  # type: ignore[arg-type]
    assert heard == [
        {"ready": True},
        {"begun": True}, {"outcome": ["a:b", 3, ["peak reset"]], "memory_mb": 7.0},
        {"begun": True}, {"outcome": ["a:b", 4, ["peak reset"] * 2], "memory_mb": 7.0},
    ]  # fmt: skip


def test_a_trial_has_its_plugins_before_its_function_is_looked_for(
    ended: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Any] = []
    monkeypatch.setattr(worker, "load_plugins", lambda names: loaded.append(tuple(names)))

    def function(task: TrialTask, report: Any) -> TrialOutcome:
        assert loaded == [()]
        return TrialOutcome("complete", 0.5)

    assert "outcome" in ended(function) and loaded == [()]


@pytest.mark.parametrize("name", ["no_such_plugin", "changed"])
def test_a_plugin_that_a_worker_lacks_or_has_another_of_is_no_failure_of_the_trial(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distune.plugins._loaded", {"same": "a1", "changed": "b2"})
    ours, _ = Pipe()
    task = TrialTask(3, {}, str(tmp_path / "trial"), plugins={"same": "a1", name: "c3"})
    failure = Failure.of(worker._result("a:b", task, ours)["failed"])
    assert is_of_place(failure) and name in failure.message
    assert not task.path.exists()


@GONE
def test_a_coordinator_that_is_gone_is_no_failure_of_the_trial(ended: Runs, error: type[Exception]) -> None:
    def function(task: TrialTask, report: Any) -> TrialOutcome:
        raise error

    with pytest.raises(error):
        ended(function)


def test_a_signal_ends_a_worker_by_an_exception_that_lets_it_clean_up() -> None:
    with pytest.raises(SystemExit) as end:
        worker._end(15, None)
    assert end.value.code == 143


@pytest.mark.parametrize(("parent", "left"), [(7, []), (8, [0])])
def test_a_worker_ends_with_its_coordinator(
    monkeypatch: pytest.MonkeyPatch, parent: int, left: list[int]
) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux ends a process with its parent")
    asked: list[Any] = []
    library = SimpleNamespace(prctl=lambda *what: asked.append(what))
    monkeypatch.setattr(worker.ctypes, "CDLL", lambda *_, **__: library)
    monkeypatch.setattr(worker.os, "getppid", lambda: 7)
    monkeypatch.setattr(worker.os, "_exit", lambda code: asked.append(code))
    worker._die_with(parent)
    assert asked == [(1, signal.SIGKILL), *left], "it may have died before it was asked for"


@GONE
def test_a_worker_is_ended_by_its_coordinator_alone(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    handlers: dict[int, Any] = {}
    monkeypatch.setattr(worker.signal, "signal", handlers.__setitem__)
    monkeypatch.setattr(worker.ctypes, "CDLL", lambda *_, **__: SimpleNamespace(prctl=lambda *_: 0))
    monkeypatch.setattr(worker.os, "_exit", sys.exit)
    served: list[Any] = []
    parents: list[int] = []
    monkeypatch.setattr(worker, "_die_with", refusing_as(worker._die_with, parents.append))

    def serve(pipe: Connection, name: str) -> None:
        served.append((pipe.fileno(), name))
        raise error

    monkeypatch.setattr(worker, "serve", refusing_as(worker.serve, serve))
    _, theirs = Pipe()
    held = os.dup(theirs.fileno())
    with pytest.raises(SystemExit) as ended:
        worker.main([str(held), str(os.getppid()), "a:b"])
    assert ended.value.code == 0, "its coordinator is gone"
    assert parents == [os.getppid()] and served == [(held, "a:b")]
    assert handlers == {signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: worker._end}


@pytest.mark.parametrize(("held", "mb"), [({"rss": 5e6, "shared": 2e6}, 3.0), ({"rss": 5e6}, 5.0)])
def test_pages_of_files_are_no_memory_of_a_worker(
    monkeypatch: pytest.MonkeyPatch, held: dict[str, float], mb: float
) -> None:
    process = SimpleNamespace(memory_info=lambda: SimpleNamespace(**held))
    monkeypatch.setattr(worker.psutil, "Process", lambda: process)
    assert worker._memory_mb() == mb


def test_a_worker_imports_the_plugins_of_its_coordinator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distune.plugins._loaded", {"mine": "a1"})
    assert TrialTask(0, {}, "f").as_dict()["plugins"] == {"mine": "a1"}
