from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distune.tuning.coordinator.budget import is_surplus, still_needed


@pytest.mark.parametrize(
    ("finished", "pending", "n_trials", "needed"),
    [(0, 0, 30, 30), (10, 2, 30, 18), (29, 1, 30, 0), (28, 1, 30, 1), (30, 0, 30, 0), (31, 4, 30, 0)],
)
def test_needed_trials_count_what_is_finished_and_what_runs(finished, pending, n_trials, needed):
    assert still_needed(finished, pending, n_trials) == needed


@pytest.mark.parametrize(
    ("number", "alive", "surplus"),
    [
        (2, [0, 1, 2], False),
        (3, [0, 1, 2, 3], True),
        (3, [0, 2, 3], False),  # trial 1 failed
        (3, [0, 2, 3, 4, 5], False),  # higher numbers are none of its business
        (5, [0, 2, 3, 5], True),
    ],
)
def test_a_trial_is_surplus_if_enough_lower_numbers_are_alive(number, alive, surplus):
    assert is_surplus(number, alive, n_trials=3) is surplus


@pytest.mark.slow
@given(
    st.lists(st.sampled_from(["ask", "finish", "fail"]), max_size=200), st.integers(1, 6), st.integers(1, 4)
)
def test_coordinators_that_see_each_other_late_never_finish_too_many(actions, n_trials, lag):
    """Several coordinators ask on counts that are `lag` asks old: the rule on numbers alone keeps the total."""
    states: list[str] = []
    seen: list[list[str]] = [[]]
    for action in actions:
        running = [n for n, state in enumerate(states) if state == "running"]
        if action == "ask":
            old = seen[max(0, len(seen) - lag)]
            if still_needed(old.count("finished"), old.count("running"), n_trials):
                number = len(states)
                states.append("running")
                alive = [n for n, state in enumerate(states) if state != "failed"]
                if is_surplus(number, alive, n_trials):
                    states[number] = "failed"
        elif running:
            states[running[len(seen) % len(running)]] = "finished" if action == "finish" else "failed"
        seen.append(list(states))
    assert states.count("finished") + states.count("running") <= n_trials
