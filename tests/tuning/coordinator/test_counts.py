"""Counting and ranking the trials of a study."""

from __future__ import annotations

import pytest
from optuna.trial import FrozenTrial, TrialState

from distune.tuning.coordinator.ledger import UNNAMED_KIND, count, count_kinds, ranked

STATES = {
    0: (TrialState.COMPLETE, 0.5),
    1: (TrialState.FAIL, None),
    2: (TrialState.COMPLETE, 0.9),
    3: (TrialState.COMPLETE, 0.9),
    4: (TrialState.PRUNED, 0.95),
    5: (TrialState.COMPLETE, 0.1),
    6: (TrialState.FAIL, None),
    7: (TrialState.RUNNING, None),
    8: (TrialState.WAITING, None),
    9: (TrialState.FAIL, None),
}
KINDS = {1: {"failure_kind": "out_of_memory"}, 6: {"failure_kind": "surplus"}}
OWN = {"overrides": {}}
INFINITE = FrozenTrial(11, TrialState.COMPLETE, float("inf"), None, None, {}, {}, OWN, {}, {}, 11)
TRIALS = [
    FrozenTrial(number, state, value, None, None, {}, {}, OWN | KINDS.get(number, {}), {}, {}, number)
    for number, (state, value) in STATES.items()
]


@pytest.mark.parametrize(("minimise", "best"), [(False, (2, 0.9)), (True, (5, 0.1))])
def test_trials_are_counted_by_state_and_the_first_of_the_best_is_named(
    minimise: bool, best: tuple[int, float]
) -> None:
    found = count(TRIALS, minimise=minimise)
    assert (found.complete, found.pruned, found.failed, found.running, found.waiting) == (4, 1, 2, 1, 1)
    assert (found.finished, found.best, found.alive) == (5, best, [0, 2, 3, 4, 5, 7, 8])


def test_complete_trials_are_ranked_by_score_and_equal_ones_by_number() -> None:
    assert [trial.number for trial in ranked(TRIALS)] == [2, 3, 0, 5]


def test_surplus_trials_are_no_kind_of_failure() -> None:
    assert count_kinds(TRIALS) == {"out_of_memory": 1, UNNAMED_KIND: 1}


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL])
def test_what_another_program_added_to_a_study_is_no_run_of_it(state: TrialState) -> None:
    """Its config is not known: as the best it would stand for the base config."""
    foreign = FrozenTrial(10, state, 0.99, None, None, {}, {}, {}, {}, {}, 10)
    found = count([*TRIALS, foreign])
    assert (found.complete, found.pruned, found.failed, found.foreign, found.best) == (4, 1, 2, 1, (2, 0.9))
    assert foreign not in ranked([*TRIALS, foreign])
    assert count_kinds([*TRIALS, foreign]) == count_kinds(TRIALS)
    theirs = count([foreign], is_ours=False)
    assert theirs.foreign == 0 and theirs.complete + theirs.pruned + theirs.failed == 1
    assert sum(count_kinds([foreign], is_ours=False).values()) == theirs.failed


def test_what_is_no_finite_number_is_never_the_best() -> None:
    assert count([*TRIALS, INFINITE]).best == (2, 0.9) and INFINITE not in ranked([*TRIALS, INFINITE])
