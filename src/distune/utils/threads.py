"""Work on many files at once, by the threads that this process may use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from distune.utils.progress import report_progress

WAITING = {"OMP_WAIT_POLICY": "PASSIVE"}
"""For the environment of a process before it imports torch. By default threads that wait for each other spin, which
slows a small model many times over beside other work on the machine."""

Item = TypeVar("Item")
Result = TypeVar("Result")
CHUNK = 1024
"""Items that are handed out together: a pool keeps a kilobyte for each one that it was given."""


def threaded(
    function: Callable[[Item], Result], items: Sequence[Item], threads: int | None = None, *, step: str = ""
) -> Iterator[Result]:
    """Calls a function for every item and gives the results in their order.

    Args:
        function: called by several threads at once.
        items: its arguments.
        threads: how many; None takes one a usable core.
        step: what progress calls the work; empty reports none.
    """
    with ThreadPoolExecutor(threads or usable_cores()) as pool:
        try:
            for start in range(0, len(items), CHUNK):
                results = pool.map(function, items[start : start + CHUNK])
                for done, result in enumerate(results, start=start + 1):
                    if step:
                        report_progress(step, done, len(items))
                    yield result
        except BaseException:  # an interrupt waits for no item that is not begun
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def usable_cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
