from __future__ import annotations

import errno
import math

import pytest
import torch

from distune.errors import ConfigError, DataError, UserError
from distune.training.cost import Cost
from distune.tuning.coordinator.failures import (
    ROW_ALIKE,
    died,
    failed_alike,
    failure_of,
    is_of_place,
    not_finite,
)
from distune.tuning.coordinator.retry_policy import STALLED_LIMIT, next_step
from distune.tuning.trials.messages import Failure


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("shapes do not match"), "crash"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "out_of_memory"),
        (MemoryError(), "out_of_memory"),
        (RuntimeError("CUDA error: out of memory"), "out_of_memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "out_of_memory"),
        (OSError(12, "Cannot allocate memory"), "out_of_memory"),
        (FloatingPointError("the loss is nan in epoch 2"), "not_finite"),
        (DataError("data", ["x.png: unreadable"]), "data"),
        (ConfigError("c.yaml", ["teacher.lr: too low"]), "config"),
        (UserError("no weights"), "config"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        *(
            (OSError(number, "no"), "no_access")
            for number in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)
        ),
        (OSError(errno.EIO, "no"), "machine_fault"),
        (OSError(errno.ESTALE, "no"), "machine_fault"),
        (OSError(errno.EMFILE, "Too many open files"), "machine_fault"),
        (RuntimeError("can't start new thread"), "machine_fault"),
        (OSError(errno.EINVAL, "Invalid argument"), "crash"),
    ],
)
def test_an_exception_has_a_kind(error, kind):
    failure = failure_of(error)
    assert failure.kind == kind and failure.message


@pytest.mark.parametrize(
    ("kind", "is_second", "is_it"),
    [
        ("disk_full", False, True),
        ("disk_full", True, True),
        ("no_access", True, True),
        ("machine_fault", True, True),
        ("data", False, True),
        ("data", True, False),  # the study found them sound since
        ("config", False, False),
        ("crash", False, False),
        ("out_of_memory", False, False),
    ],
)
def test_which_failures_are_of_the_place_and_not_of_the_trial(kind, is_second, is_it):
    assert is_of_place(Failure(kind, "why"), is_second=is_second) is is_it
    assert is_second or is_of_place(Failure(kind, "why")) is is_it, "the first time where nothing is said"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-9, "preempted"),
        (-15, "preempted"),
        (137, "preempted"),
        (143, "preempted"),
        (-10, "preempted"),
        (-1, "preempted"),
        (152, "preempted"),
        (-4, "crash"),
        (None, "preempted"),
        (-11, "crash"),
        (1, "crash"),
    ],
)
def test_a_dead_worker_was_preempted_or_crashed(code, kind):
    assert died(code).kind == kind
    assert died(code, for_memory=True).kind == ("out_of_memory" if code == -9 else kind)
    assert (str(code) in died(code).message) is (code is not None)


def test_only_the_tail_of_the_output_is_kept():
    last = died(1, "a" * 10_000 + "end", peak_memory_mb=7.0)
    assert last.output == ("a" * 4000 + "end")[-4000:] and last.cost == Cost(peak_memory_mb=7.0)


def test_a_failure_says_something_and_what_was_spent():
    error = ValueError(" shapes \n")
    error.__dict__["cost"] = Cost({"teacher": 2.0})
    assert failure_of(error).message == "shapes" and failure_of(error).cost == Cost({"teacher": 2.0})
    assert failure_of(ValueError(" ")).message == "ValueError" and failure_of(ValueError()).cost == Cost()
    assert len(failure_of(ValueError("a" * 3000)).message) == 2000


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_a_failure(score):
    failure = not_finite(score, "student", 3)
    assert failure is not None and failure.kind == "not_finite" and "student epoch 3" in failure.message
    assert not_finite(0.0, "student", 3) is None


@pytest.mark.parametrize(
    ("kind", "stalled", "is_smaller", "on_oom", "step"),
    [
        ("crash", 0, False, "retry", "fail"),
        ("not_finite", 0, False, "retry", "fail"),
        ("data", 0, False, "retry", "fail"),
        ("config", 0, False, "retry", "fail"),
        ("preempted", 0, False, "fail", "retry"),
        ("preempted", STALLED_LIMIT - 1, False, "fail", "retry"),
        ("preempted", STALLED_LIMIT, False, "fail", "fail"),
        ("out_of_memory", 0, False, "fail", "fail"),
        ("out_of_memory", 0, False, "retry", "retry_smaller"),
        ("out_of_memory", 0, True, "retry", "fail"),
    ],
)
def test_what_follows_a_failure(kind, stalled, is_smaller, on_oom, step):
    assert next_step(Failure(kind, "why"), on_oom, stalled=stalled, is_smaller=is_smaller) == step


def crashes(*messages):
    return [Failure("crash", message) for message in messages]


@pytest.mark.parametrize(
    ("failures", "finished", "stops"),
    [
        (crashes("a", "a"), 0, False),
        (crashes("a", "a", "a"), 0, True),
        (crashes("a", "b", "a"), 0, False),
        (crashes("line 12", "line 7", "line 1.5e-3"), 0, True),  # numbers do not make a difference
        ([*crashes("a", "a"), Failure("data", "a")], 0, False),
        (crashes("a", "a", "a"), 1, False),  # something worked before
        (crashes("b", "a", "a", "a"), 0, True),
        (crashes(*["a"] * ROW_ALIKE), 4, True),
        (crashes(*["a"] * (ROW_ALIKE - 1)), 4, False),
    ],
)
def test_a_study_stops_when_its_trials_fail_alike(failures, finished, stops):
    assert (failed_alike(failures, finished) is not None) is stops
