"""Which trials a coordinator takes over, by a clock that the test moves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from optuna.trial import TrialState, create_trial

from distune.tuning.coordinator.leases import LEASE_SECONDS
from distune.tuning.coordinator.ledger import OWNER
from distune.tuning.coordinator.takeover import Takeover


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
