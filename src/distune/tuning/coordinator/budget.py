"""How many trials a study still needs; exact with any number of coordinators.

A trial may run only while fewer than `n_trials` trials with a lower number are finished or may still
finish. Numbers are given out one by one by the storage, and a failed trial never comes back, so of all
trials that may finish the one with the highest number had at most `n_trials - 1` others below it: never more
than `n_trials` finish. A coordinator continues until `n_trials` are finished: never fewer do.
"""

from __future__ import annotations

from collections.abc import Iterable


def still_needed(finished: int, pending: int, n_trials: int) -> int:
    """Trials to ask for now.

    Args:
        finished: complete and pruned trials in the study.
        pending: running and waiting trials of all coordinators.
        n_trials: finished trials that the study shall have.
    """
    return max(0, n_trials - finished - pending)


def is_surplus(number: int, alive: Iterable[int], n_trials: int) -> bool:
    """Whether a new trial must not run, because enough trials with a lower number are on their way.

    Args:
        number: the new trial's number.
        alive: numbers of all trials that have not failed.
        n_trials: finished trials that the study shall have.
    """
    return sum(1 for other in alive if other < number) >= n_trials
