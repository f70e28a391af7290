"""The retry policy: what follows the failure of an attempt at a trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from distune.tuning.trials.messages import Failure

STALLED_LIMIT = 20
"""Attempts in a row without a new epoch after which a preempted trial fails."""
RetryStep = Literal["fail", "retry", "retry_smaller"]


@dataclass(frozen=True)
class Attempts:
    """What was tried so far on one trial.

    Args:
        stalled: attempts in a row that ended without a new epoch.
        smaller: the trial already runs with smaller micro-batches.
    """

    stalled: int = 0
    smaller: bool = False


def next_step(failure: Failure, attempts: Attempts, on_oom: str) -> RetryStep:
    """Decides what follows a failure.

    Returns:
        "fail", "retry" (as it was) or "retry_smaller" (with micro-batches of half the size).
    """
    if failure.kind == "preempted":
        return "retry" if attempts.stalled < STALLED_LIMIT else "fail"
    if failure.kind == "out_of_memory" and on_oom == "retry" and not attempts.smaller:
        return "retry_smaller"
    return "fail"
