"""Workers as threads of this process, for tests whose proof does not lie in a process of its own.

A worker process takes two seconds to import torch, and six where it builds encoders of the hub.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any

import pytest

from distune.tuning.executors import local
from distune.tuning.trials import worker


class ThreadAsProcess:
    """What an executor asks of a worker's process: here a thread at the other end of the same pipe."""

    pid = os.getpid()

    def __init__(self, pipe: Connection, function: str):
        self._pipe = pipe
        self._thread = threading.Thread(target=self._serve, args=(function,), daemon=True)
        self._thread.start()

    def _serve(self, function: str) -> None:
        with self._pipe, suppress(EOFError, OSError):  # the coordinator is gone
            worker.serve(self._pipe, function)

    def poll(self) -> int | None:
        return None if self._thread.is_alive() else 0

    def kill(self) -> None:
        """The executor closes its own end, which ends the thread at its next word to it."""

    terminate = kill

    def wait(self, timeout: float | None = None) -> int:
        return 0


def workers_in_this_process(patch: pytest.MonkeyPatch) -> None:
    """Every local executor that is made from now on has such workers; all else of it stays."""

    def start(self: local.LocalExecutor, name: str, device: str) -> Any:
        ours, theirs = Pipe()
        self._folder.mkdir(parents=True, exist_ok=True)
        log = self._folder / f"{name}.log"
        log.touch()
        process: Any = ThreadAsProcess(theirs, self._function)
        return local._Worker(name, device, log, process, ours)

    patch.setattr(local.LocalExecutor, "_start", start)
