"""A coordinator among others: its lease, and the trials that dead ones left behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from optuna.trial import FrozenTrial, Trial, TrialState

from distune.tuning.coordinator.leases import BEAT_SECONDS, LEASE_SECONDS, Lease, Watch
from distune.tuning.coordinator.ledger import OWNER, Ledger, is_owned
from distune.utils.text import first_of

MOST_NAMED = 5
"""Trials that are named where there are many."""


class Takeover:
    """Keeps a lease on the study and finds stale trials.

    Args:
        ledger: the study.
        lease: this coordinator's.
        clock: seconds, never going back.
    """

    def __init__(self, ledger: Ledger, lease: Lease, clock: Callable[[], float] = time.monotonic):
        self._ledger = ledger
        self._lease = lease
        self._clock = clock
        self._watch = Watch(lease.coordinator, clock)
        self._unowned_since: dict[int, float] = {}
        self._next = clock()
        ledger.write_lease(lease)
        ledger.write_sessions()

    def renew_if_due(self) -> bool:
        """Renews the lease if that is due; whether it was."""
        if self._clock() < self._next:
            return False
        self._next = self._clock() + BEAT_SECONDS
        self._lease = self._lease.renewed()
        self._ledger.write_lease(self._lease)
        return True

    def lost(self, own: set[int]) -> list[int]:
        """Those of this coordinator's trials that another one has taken over because this one seemed dead.

        Args:
            own: numbers of the trials that this coordinator runs or has queued.
        """
        name = self._lease.coordinator
        return [t.number for t in self._ledger.trials() if t.number in own and not is_owned(t, name)]

    def stale_trials(self, own: set[int]) -> list[Trial]:
        """Takes over every stale trial: one that is RUNNING in the storage while no coordinator runs it.

        Its coordinator is dead, or is this one: a storage that goes away may carry out a call and never answer it.

        Args:
            own: numbers of the trials that this coordinator runs or has queued.
        """
        living = self._watch.living(self._ledger.leases())
        found = [
            trial
            for trial in self._ledger.trials()
            if trial.state == TrialState.RUNNING and trial.number not in own and self._is_stale(trial, living)
        ]
        taken = (self._ledger.take_over(trial) for trial in found)
        return [trial for trial in taken if trial is not None]

    def others(self, trials: Sequence[FrozenTrial]) -> str:
        """What a coordinator without a trial of its own waits for, in words; empty where no other runs one."""
        own = self._lease.coordinator
        running = [t for t in trials if t.state == TrialState.RUNNING and t.user_attrs.get(OWNER) != own]
        if not running:
            return ""
        known = self._ledger.leases()
        owners = dict.fromkeys(trial.user_attrs.get(OWNER) for trial in running)
        who = [known[owner].described() for owner in owners if owner in known]
        numbers = first_of([str(trial.number) for trial in running], MOST_NAMED)
        return f"waiting for trial {numbers} of {' and '.join(who) or 'another command'}"

    def leave(self, reason: str) -> None:
        """Ends the lease."""
        self._ledger.write_lease(self._lease.closed(reason))
        self._ledger.write_sessions()

    def _is_stale(self, trial: FrozenTrial, living: set[str]) -> bool:
        owner = trial.user_attrs.get(OWNER)
        if owner is not None:
            return owner == self._lease.coordinator or owner not in living
        if len(living) <= 1:
            return True
        # Either a living coordinator asked for it a moment ago and has not claimed it yet, or one died in between.
        since = self._unowned_since.setdefault(trial.number, self._clock())
        return self._clock() - since > LEASE_SECONDS
