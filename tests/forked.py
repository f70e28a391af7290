"""Processes of their own that start at once: they are forked from one that has imported what takes seconds."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        "pytest",
        "distune.cli.application",
        "distune.confirmation.confirm",
        "distune.reporting.report",
        "distune.training.run",
        "distune.tuning.study.fast_storage",
        "distune.tuning.tune",
        "sklearn.ensemble",
        "sklearn.feature_extraction.text",
        "sklearn.linear_model",
    ]
)


def forked(function: Callable[..., None], *arguments: Any) -> BaseProcess:
    """A process for a function of a module, with this process's environment, its path and its working folder."""
    return _SERVER.Process(target=_as_here, args=(dict(os.environ), function, arguments))


def _as_here(environment: dict[str, str], function: Callable[..., None], arguments: Any) -> None:
    os.environ.clear()
    os.environ.update(environment)
    function(*arguments)


class Forked:
    """A function that runs in a process of its own, with what it prints in a file.

    Args:
        output: this file.
        function: of a module that the process can import.
        arguments: its arguments.
        environment: variables that only the process has.
    """

    def __init__(
        self, output: Path, function: Callable[..., None], *arguments: Any, **environment: str
    ) -> None:
        self._output = output
        self._process = forked(_run, output, environment, function, arguments)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Its exit code once it has ended; the number of a signal is negative."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def ended(self, timeout: float = 240.0) -> tuple[int, str]:
        """Waits for its end; gives the exit code and what it printed."""
        self._process.join(timeout)
        code = self._process.exitcode
        assert code is not None, "it runs for ever"
        return code, self._output.read_text()


def _run(output: Path, environment: dict[str, str], function: Callable[..., None], arguments: Any) -> None:
    os.environ.update(environment)
    with output.open("w") as stream:
        for standard in (1, 2):
            os.dup2(stream.fileno(), standard)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    function(*arguments)
