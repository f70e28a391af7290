"""The retry policy: what follows the failure of an attempt at a trial."""

from __future__ import annotations

from typing import Literal

from distune.tuning.trials.messages import Failure

STALLED_LIMIT = 20
"""Attempts in a row without a new epoch after which a preempted trial fails."""
RetryStep = Literal["fail", "retry", "retry_smaller"]


def next_step(failure: Failure, on_oom: str, *, stalled: int, is_smaller: bool) -> RetryStep:
    """Decides what follows a failure.

    Args:
        failure: what ended the last attempt.
        on_oom: "fail", or "retry" with half the batch in memory.
        stalled: attempts in a row that ended without a new epoch.
        is_smaller: the trial already runs with smaller micro-batches.

    Returns:
        "fail", "retry" (as it was) or "retry_smaller" (with micro-batches of half the size).
    """
    if failure.kind == "preempted":
        return "retry" if stalled < STALLED_LIMIT else "fail"
    if failure.kind == "out_of_memory" and on_oom == "retry" and not is_smaller:
        return "retry_smaller"
    return "fail"
