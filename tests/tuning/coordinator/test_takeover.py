"""Which trials a coordinator takes over, by a clock that the test moves."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from optuna.trial import TrialState, create_trial
from study_helpers import coordinator, memory_study, settings_of

from distune.tuning.coordinator.leases import BEAT_SECONDS, LEASE_SECONDS, Lease
from distune.tuning.coordinator.ledger import OWNER
from distune.tuning.coordinator.takeover import Takeover
from distune.tuning.trials.messages import Failure, TrialFinished, TrialOutcome


def takeover_of(
    living: set[str], *trials: tuple[TrialState, str | None]
) -> tuple[Takeover, SimpleNamespace, list[int]]:
    """That of coordinator `me`, its clock, and the numbers of the trials that it has taken."""
    clock, taken = SimpleNamespace(now=1000.0), []
    held: list[Any] = []
    for number, (state, owner) in enumerate(trials):
        value = 0.5 if state == TrialState.COMPLETE else None
        held.append(
            create_trial(state=state, value=value, user_attrs={} if owner is None else {OWNER: owner})
        )
        held[-1].number = number

    def take_over(trial: Any) -> Any:
        taken.append(trial.number)
        return trial

    ledger: Any = SimpleNamespace(
        trials=lambda: held,
        leases=list,
        write_lease=lambda lease: None,
        write_sessions=lambda: None,
        take_over=take_over,
    )
    lease: Any = SimpleNamespace(coordinator="me")
    found = Takeover(ledger, lease, lambda: clock.now)
    found._watch = SimpleNamespace(living=lambda leases: living)  # type: ignore[assignment]
    return found, clock, taken


RUNNING = TrialState.RUNNING


def test_what_is_waited_for_is_named_with_the_process_that_has_it() -> None:
    found, _, _ = takeover_of(
        set(), (RUNNING, "x"), (TrialState.COMPLETE, "x"), (RUNNING, "x"), (RUNNING, None)
    )
    trials = found._ledger.trials()
    assert found.others(trials[1:2]) == ""
    lease = Lease.new(1)
    found._ledger.leases = lambda: {"x": lease}  # type: ignore[method-assign]
    assert found.others(trials) == f"waiting for trial 0, 2, 3 of process {lease.pid} on {platform.node()}"
    assert found.others(trials[3:]) == "waiting for trial 3 of another command"
    for count, shown in ((5, "0, 1, 2, 3, 4 of"), (7, "0, 1, 2, 3, 4 and 2 more of")):
        many, _, _ = takeover_of(set(), *[(RUNNING, None)] * count)
        assert many.others(many._ledger.trials()) == f"waiting for trial {shown} another command"
    mine, _, _ = takeover_of(set(), (RUNNING, "me"))
    assert mine.others(mine._ledger.trials()) == ""
    elsewhere = replace(lease, host="far/1", pid=1)
    assert elsewhere.described() == "process 1 on far"


def test_a_process_that_is_stopped_is_said_to_be() -> None:
    waiting = subprocess.Popen(["sleep", "60"])
    try:
        waiting.send_signal(signal.SIGSTOP)
        os.waitpid(waiting.pid, os.WUNTRACED)
        stopped = replace(Lease.new(1), pid=waiting.pid)
        assert f"kill -CONT {waiting.pid}" in stopped.described()
        assert replace(stopped, host="far/1").described() == f"process {waiting.pid} on far", "another one"
    finally:
        waiting.kill()
        waiting.wait()


def test_trials_of_the_dead_are_taken_and_those_of_the_living_and_ones_own_are_not() -> None:
    owned = [
        (RUNNING, "dead"),
        (RUNNING, "other"),
        (RUNNING, "me"),
        (RUNNING, "me"),
        (TrialState.COMPLETE, "dead"),
    ]
    found, _, taken = takeover_of({"me", "other"}, *owned)
    found.stale_trials({3})
    assert taken == [0, 2]  # the third is one that its own storage gave it without an answer


@pytest.mark.parametrize(("living", "now"), [({"me"}, True), ({"me", "other"}, False)])
def test_a_trial_that_nobody_has_claimed_is_left_to_the_others_for_a_while(
    living: set[str], now: bool
) -> None:
    found, clock, taken = takeover_of(living, (RUNNING, None))
    found.stale_trials(set())
    assert bool(taken) is now
    clock.now += LEASE_SECONDS
    found.stale_trials(set())
    assert bool(taken) is now
    clock.now += 1
    found.stale_trials(set())
    assert taken


def test_only_what_it_got_is_returned_and_waiting_trials_are_left_to_who_asks_next() -> None:
    found, _, taken = takeover_of({"me"}, (RUNNING, "dead"), (TrialState.WAITING, "dead"), (RUNNING, "dead"))
    got = found._ledger.take_over
    found._ledger.take_over = lambda trial: got(trial) if trial.number else None  # type: ignore[method-assign]
    assert [trial.number for trial in found.stale_trials(set())] == [2] == taken


@pytest.mark.parametrize(
    ("state", "owner", "is_lost"),
    [
        (RUNNING, "other", True),
        (RUNNING, "me", False),
        (RUNNING, None, True),
        (TrialState.COMPLETE, "me", True),
    ],
)
def test_a_trial_is_lost_where_another_coordinator_owns_or_ended_it(
    state: TrialState, owner: str | None, is_lost: bool
) -> None:
    found, _, _ = takeover_of({"me", "other"}, (RUNNING, "other"), (state, owner))
    assert found.lost({1}) == ([1] if is_lost else [])


def test_a_lease_is_written_at_the_start_at_each_beat_and_at_the_end() -> None:
    wrote: list[Any] = []
    ledger: Any = SimpleNamespace(write_lease=wrote.append, write_sessions=lambda: wrote.append("sessions"))
    clock = SimpleNamespace(now=0.0)
    first = Lease("me", "here", 1, 0.0)
    found = Takeover(ledger, first, lambda: clock.now)
    assert wrote == [first, "sessions"]
    due = []
    for clock.now in (0.0, 1.0, BEAT_SECONDS - 0.1, BEAT_SECONDS, BEAT_SECONDS + 1, 2 * BEAT_SECONDS):
        due.append(found.renew_if_due())
    assert due == [True, False, False, True, False, True]
    clock.now = 10 * BEAT_SECONDS  # a machine that slept owes no beats
    assert [found.renew_if_due(), found.renew_if_due()] == [True, False]
    assert [lease.beat for lease in wrote[2:]] == [1, 2, 3, 4]
    found.leave("timeout")
    assert (wrote[6].beat, wrote[6].ended, wrote[7]) == (5, "timeout", "sessions")


@pytest.mark.parametrize("is_due", [True, False])
def test_a_coordinator_looks_for_lost_and_stale_trials_at_its_beats_alone(
    tmp_path: Path, is_due: bool
) -> None:
    settings = settings_of()
    study = memory_study(settings)
    found = coordinator(study, settings, tmp_path, n_trials=5)
    asked: list[Any] = []
    for _ in range(2):
        found._take(found._ledger.ask())
    found._submit(found._queue.pop(0))
    stale = found._ledger.ask()

    def noting(what: str, answer: Any) -> Any:
        return lambda own: asked.append((what, own)) or answer

    found._takeover = SimpleNamespace(  # type: ignore[assignment]
        renew_if_due=lambda: is_due, lost=noting("lost", [1]), stale_trials=noting("stale", [stale])
    )
    found._keep_lease()
    assert asked == ([("lost", {0, 1}), ("stale", {0})] if is_due else [])
    assert [one.trial.number for one in found._queue] == ([2] if is_due else [1])
    assert list(found._active) == [0] and not found._active[0].is_taken_over
    found._drop(0)
    assert found._active[0].is_taken_over and not found._is_busy


@pytest.mark.parametrize(
    ("state", "reason", "became"),
    [
        ("complete", "stopped", TrialState.COMPLETE),  # it was done before it heard that it should stop
        ("complete", "", TrialState.COMPLETE),
        ("stopped", "stopped", TrialState.WAITING),
        ("stopped", "", TrialState.WAITING),
        ("stopped", "pruned", TrialState.PRUNED),
        ("pruned", "", TrialState.PRUNED),
    ],
)
def test_what_becomes_of_a_trial_that_left_its_worker(
    tmp_path: Path, state: Any, reason: str, became: TrialState
) -> None:
    settings = settings_of()
    study = memory_study(settings)
    found = coordinator(study, settings, tmp_path, n_trials=5)
    found._take(found._ledger.ask())
    found._submit(active := found._queue.pop(0))
    active.stop_reason = reason
    found._failures = [Failure("crash", "before")]
    found._end(active, TrialFinished(0, TrialOutcome(state, 0.5)))
    assert study.trials[0].state == became and "seconds" in study.trials[0].user_attrs
    assert bool(found._failures) is (became == TrialState.WAITING), "a finished trial ends a row of failures"


def test_a_failure_of_a_trial_that_another_one_has_taken_counts_for_nothing(tmp_path: Path) -> None:
    settings = settings_of()
    study = memory_study(settings)
    found = coordinator(study, settings, tmp_path, n_trials=5)
    for number in range(4):
        found._take(found._ledger.ask())
        active = found._queue.pop(0)
        if number == 0:
            study._storage.set_trial_user_attr(active.trial._trial_id, OWNER, "other")
        found._fail(active, Failure("crash", f"boom {number}"))
        assert len(found._failures) == number and (found.failure is None) is (number < 3)
    assert found.failure == Failure("crash", "boom 3")
