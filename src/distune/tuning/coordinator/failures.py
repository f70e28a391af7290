"""Kinds of failure, and what to do about each."""

from __future__ import annotations

import errno
import math
import re
import signal
from collections.abc import Sequence

from distune.errors import (
    ConfigError,
    DataError,
    UserError,
    is_disk_full,
    is_of_the_machine,
    is_out_of_memory,
)
from distune.training.cost import Cost, cost_until
from distune.tuning.trials.messages import Failure
from distune.utils.signals import SIGNALS

FIRST_ALIKE = 3
"""A study whose first trials fail this often for one reason is stopped."""
ROW_ALIKE = 20
"""A study in which this many trials in a row fail for one reason is stopped, whatever came before."""
TAIL = 4000
_ASKED_TO_END = {code for number in (*SIGNALS, signal.SIGKILL) for code in (-number, 128 + number)}
"""Exit codes of a process that a signal ended which asks for that, as Python and as a shell give them."""
_REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)
OF_PLACE = ("disk_full", "machine_fault", "no_access")
LACKED_DATA = "lacked_data"
"""User attribute of a trial that failed for its data once, which stopped the study."""


def failure_of(error: BaseException) -> Failure:
    """Names the kind of an exception that a trial raised, and takes over the cost that it carries."""
    message = (str(error).strip() or type(error).__name__)[:2000]
    return Failure(_kind(error), message, cost=cost_until(error))


def _kind(error: BaseException) -> str:
    if isinstance(error, DataError):
        return "data"
    if isinstance(error, ConfigError | UserError):
        return "config"
    if isinstance(error, FloatingPointError):
        return "not_finite"
    if is_disk_full(error):
        return "disk_full"
    if isinstance(error, OSError) and error.errno in _REFUSED:
        return "no_access"
    if is_out_of_memory(error):
        return "out_of_memory"
    return "machine_fault" if is_of_the_machine(error) else "crash"


def is_of_place(failure: Failure, *, is_second: bool = False) -> bool:
    """Whether a failure is not the trial's: no space, no access, or data that were sound when the study began.

    No value that is searched changes the examples. A trial that fails for them again, once the study found them sound
    and went on, is to blame all the same: it would stop every other command.

    Args:
        failure: what ended an attempt.
        is_second: whether the trial failed for its data before.
    """
    return failure.kind in OF_PLACE or (failure.kind == "data" and not is_second)


def died(
    exit_code: int | None, output: str = "", *, for_memory: bool = False, peak_memory_mb: float | None = None
) -> Failure:
    """The failure of a trial whose worker process is gone.

    Args:
        exit_code: of the process, negative for a signal; None if the worker was lost with its machine.
        output: what the worker printed.
        for_memory: the kernel has killed processes meanwhile because memory ran out.
        peak_memory_mb: most memory that the process was seen to hold.
    """
    kind, message = _death(exit_code, for_memory)
    return Failure(kind, message, output[-TAIL:], Cost(peak_memory_mb=peak_memory_mb))


def _death(exit_code: int | None, for_memory: bool) -> tuple[str, str]:
    if exit_code == -9 and for_memory:
        return "out_of_memory", "the kernel killed the worker: out of memory"
    if exit_code is None or exit_code in _ASKED_TO_END:
        how = "was lost" if exit_code is None else f"was killed (exit code {exit_code})"
        return "preempted", f"the worker {how}"
    return "crash", f"the worker died with exit code {exit_code}"


def not_finite(score: float, stage: str, epoch: int) -> Failure | None:
    """The failure of a score that is no number, None for one that is."""
    if math.isfinite(score):
        return None
    return Failure("not_finite", f"the score is {score} after {stage} epoch {epoch}")


def failed_alike(failures: Sequence[Failure], finished: int) -> Failure | None:
    """The one reason why a study should be stopped, if there is one.

    Args:
        failures: those since the last finished trial of this coordinator, oldest first.
        finished: finished trials in the whole study.
    """
    limit = FIRST_ALIKE if finished == 0 else ROW_ALIKE
    if len(failures) < limit:
        return None
    last = failures[-limit:]
    return last[-1] if len({_reason(failure) for failure in last}) == 1 else None


def _reason(failure: Failure) -> tuple[str, str]:
    return failure.kind, re.sub(r"\d[\d.e+-]*", "#", failure.message)
