"""A worker process: takes trials from its coordinator through a pipe, one after the other.

Started as `python -m distune.tuning.trials.worker PIPE PARENT FUNCTION`; ends when the coordinator does.
"""

from __future__ import annotations

import ctypes
import math
import os
import platform
import signal
import sys
import traceback
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from pkgutil import resolve_name
from types import FrameType
from typing import Any, NoReturn

import psutil
from filelock import FileLock, Timeout

from distune.errors import UserError
from distune.plugins import load_plugins, loaded_plugins
from distune.training.cost import Cost, peak_process_mb, reset_peak_memory
from distune.tuning.coordinator.failures import failure_of, not_finite
from distune.tuning.trials.messages import (
    Failure,
    Report,
    TrialFunction,
    TrialOutcome,
    TrialTask,
    receive,
    send,
)

LOCK_SECONDS = 20.0
_PR_SET_PDEATHSIG = 1


class LacksPluginError(UserError):
    """This worker cannot load a plugin as the coordinator did."""


def main(arguments: list[str]) -> None:
    """Serves one coordinator until it closes the pipe."""
    pipe, parent, name = Connection(int(arguments[0])), int(arguments[1]), arguments[2]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the coordinator alone
    signal.signal(signal.SIGTERM, _end)  # by an exception, so that what is begun is removed
    _die_with(parent)
    try:
        serve(pipe, name)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(0)  # the coordinator is gone: what the trial needs to be resumed is already in its folder


def serve(pipe: Connection, name: str) -> NoReturn:
    """Takes one trial after the other.

    Args:
        pipe: to the coordinator.
        name: the trial function as `package.module:function`.

    Raises:
        EOFError, BrokenPipeError, ConnectionResetError: the coordinator has closed the pipe.
    """
    send(pipe, {"ready": True})
    while True:
        task = TrialTask(**receive(pipe))
        reset_peak_memory()
        send(pipe, {"begun": True})
        send(pipe, {**_result(name, task, pipe), "memory_mb": _memory_mb()})


def _end(number: int, _: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _result(name: str, task: TrialTask, pipe: Connection) -> dict[str, Any]:
    try:
        outcome = _run(name, task, _reporter(pipe))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Timeout:
        message = f"another process still works in {task.folder}"
        return {"failed": asdict(Failure("preempted", message))}
    except LacksPluginError as error:
        return {"failed": asdict(Failure("no_access", str(error)))}
    except Exception as error:
        traceback.print_exc()
        sys.stderr.flush()
        failure = failure_of(error)
        seen = Cost(peak_memory_mb=peak_process_mb())  # also of a function that measures nothing
        return {"failed": asdict(replace(failure, cost=seen + failure.cost))}
    return {"outcome": asdict(outcome)}


def _run(name: str, task: TrialTask, report: Report) -> TrialOutcome:
    try:
        load_plugins(task.plugins)
    except UserError as error:
        raise LacksPluginError(f"worker on {platform.node()}: {error}") from error
    loaded = loaded_plugins()
    if changed := [name for name, source in task.plugins.items() if loaded[name] != source]:
        raise LacksPluginError(
            f"worker on {platform.node()}: plugin {changed[0]} has another source than when the command began; "
            "install the same everywhere, or leave it unchanged until the command ends"
        )
    task.path.mkdir(parents=True, exist_ok=True)
    with FileLock(task.path / ".lock", timeout=LOCK_SECONDS):
        function: TrialFunction = resolve_name(name)
        outcome = function(task, report)
    if outcome.state == "complete" and not (outcome.score is not None and math.isfinite(outcome.score)):
        raise FloatingPointError(f"the trial's score is {outcome.score}")
    return outcome


def _reporter(pipe: Connection) -> Report:
    def report(stage: str, epoch: int, score: float) -> bool:
        if failure := not_finite(score, stage, epoch):
            raise FloatingPointError(failure.message)
        send(pipe, {"score": [stage, epoch, float(score)]})
        return bool(receive(pipe)["proceed"])

    return report


def _memory_mb() -> float:
    memory = psutil.Process().memory_info()
    # Pages of files, such as libraries and memory maps, belong to the system's cache; only Linux tells them apart.
    return float(memory.rss - getattr(memory, "shared", 0)) / 1e6


def _die_with(parent: int) -> None:
    """On Linux the kernel ends this process with its coordinator, even in the middle of an epoch."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
